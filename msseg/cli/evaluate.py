"""`msseg evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from msseg.errors import PartialFailureError


def evaluate(
    prediction: Annotated[
        Path | None,
        typer.Option(help="Predicted mask (or probability), or a folder of them.", show_default=False),
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="True mask, or a folder of them.", show_default=False)] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns case, prediction, truth, instead of pairing by name.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[Literal["lesions"], typer.Option(help="What is evaluated.")] = "lesions",
    threshold: Annotated[float, typer.Option(help="Predicted is what is above this.")] = 0.5,
    json: Annotated[Path | None, typer.Option(help="Write all scores to this JSON file.", show_default=False)] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write the scores of each case to this CSV file.", show_default=False)
    ] = None,
) -> None:
    """Score predictions against truths: DSC, IoU, sensitivity, precision, volumes, HD95."""
    from rich.console import Console

    from msseg.evaluation.evaluate import evaluate_pairs
    from msseg.evaluation.pairs import pair_files
    from msseg.evaluation.table import format_table

    evaluation = evaluate_pairs(pair_files(prediction, truth, table), threshold=threshold)
    if json:
        evaluation.to_json(json)
    if csv:
        evaluation.to_csv(csv)
    Console(soft_wrap=True, highlight=False).print(format_table(evaluation), markup=False)
    if evaluation.failed:
        reasons = "; ".join(f"{case}: {reason}" for case, reason in evaluation.failed.items())
        raise PartialFailureError(f"{len(evaluation.failed)} of the pairs could not be scored: {reasons}")
