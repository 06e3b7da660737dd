"""`msseg compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msseg.errors import InputError

if TYPE_CHECKING:
    from msseg.evaluation.evaluation import Evaluation


def compare(
    a: Annotated[
        Path,
        typer.Argument(
            metavar="A", help="Evaluation (JSON file) of the first method, or its folder in a run.", show_default=False
        ),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The same of the second.", show_default=False)],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare this metric, by its key in the JSON file (several times for more); default: all.",
            show_default=False,
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns case, group: whose scan each case is; default: as the evaluations say.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Bootstrap samples of the intervals; 0: none.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write everything to this JSON file.", show_default=False)] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write the values of each case to this CSV file.", show_default=False)
    ] = None,
) -> None:
    """Compare two methods on the cases that both were evaluated on.

    Paired differences B - A with a bootstrap interval and a permutation test, by patient; docs/comparing.md explains
    each number.
    """
    from rich.console import Console

    from msseg.evaluation.compare import compare_evaluations
    from msseg.evaluation.compare_table import format_comparison
    from msseg.evaluation.groups import read_groups

    comparison = compare_evaluations(
        _read(a),
        _read(b),
        (str(a), str(b)),
        metric or (),
        groups=read_groups(groups) if groups else None,
        samples=bootstrap,
        seed=seed,
    )
    if json:
        comparison.to_json(json)
    if csv:
        comparison.to_csv(csv)
    Console(soft_wrap=True, highlight=False).print(format_comparison(comparison), markup=False)


def _read(path: Path) -> "Evaluation":
    from msseg.evaluation.evaluation import Evaluation

    if not path.is_dir():
        return Evaluation.from_json(path)
    if (path / "evaluation.json").exists():
        return Evaluation.from_json(path / "evaluation.json")
    inside = sorted(file.parent.name for file in path.glob("*/evaluation.json"))
    advice = (
        f"name one of its models, {path}/{inside[0]}" if inside else "give the JSON file of `msseg evaluate --json`"
    )
    raise InputError(f"{path} has no evaluation.json: {advice}")
