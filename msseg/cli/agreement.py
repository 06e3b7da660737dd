"""`msseg agreement`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from msseg.errors import InputError, PartialFailureError


def agreement(
    source: Annotated[
        Path | None,
        typer.Argument(metavar="SOURCE", help="With --layout, the data set's folder.", show_default=False),
    ] = None,
    rater: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder of a rater's masks, twice or more often; with --layout a rater's name in the files (default:"
            " all).",
            show_default=False,
        ),
    ] = None,
    prediction: Annotated[
        Path | None, typer.Option(help="Folder of a method's masks of the same scans.", show_default=False)
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="SOURCE is a data set of this layout, whose labels name raters.")
    ] = None,
    consensus: Annotated[
        Literal["staple", "union", "intersection", "majority"],
        typer.Option(help="What the raters hold together, for the prediction to be judged by."),
    ] = "staple",
    save: Annotated[
        Path | None, typer.Option(help="Write the consensus masks into this folder.", show_default=False)
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns case, group: whose scan each is.", show_default=False),
    ] = None,
    threshold: Annotated[float, typer.Option(help="Predicted is what is above this.")] = 0.5,
    json: Annotated[Path | None, typer.Option(help="Write everything to this JSON file.", show_default=False)] = None,
) -> None:
    """Agreement of two or more raters of the same scans, and of a method with each of them and their consensus."""
    from rich.console import Console

    from msseg.evaluation.agreement import Reader, measure_agreement
    from msseg.evaluation.agreement_table import format_agreement
    from msseg.evaluation.groups import read_groups
    from msseg.evaluation.raters import readings_of_folders, readings_of_layout

    if (layout is None) != (source is None):
        raise InputError("SOURCE and --layout belong together; masks in folders are given with --rater alone")
    if layout is not None and source is not None:
        readings = readings_of_layout(layout, source, rater or (), prediction)
    else:
        readings = readings_of_folders([Path(folder) for folder in rater or ()], prediction)
    reader = Reader(threshold=threshold, consensus=consensus, save=save)
    found = measure_agreement(readings, reader, read_groups(groups) if groups else None)
    if json:
        found.to_json(json)
    Console(soft_wrap=True, highlight=False).print(format_agreement(found), markup=False)
    if found.failed:
        reasons = "; ".join(f"{case}: {reason}" for case, reason in found.failed.items())
        raise PartialFailureError(f"{len(found.failed)} of the scans could not be scored: {reasons}")
