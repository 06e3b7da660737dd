"""`msseg evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from msseg.errors import InputError, PartialFailureError


def evaluate(
    prediction: Annotated[
        Path | None,
        typer.Option(
            help="Prediction (mask, probability, or numbered cells), or a folder of them.", show_default=False
        ),
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Truth, or a folder of them.", show_default=False)] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the columns case, prediction, truth, instead of pairing by name.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[Literal["lesions", "membranes", "cells"], typer.Option(help="What is evaluated.")] = "lesions",
    threshold: Annotated[float, typer.Option(help="Lesions and cells: predicted is what is above this.")] = 0.5,
    thresholds: Annotated[
        str,
        typer.Option(help="Membranes: thresholds to try, such as 0.5,0.9 or first:last:step, or both."),
    ] = "0:0.9:0.1",
    label_meaning: Annotated[
        Literal["mask", "inside", "membrane", "instances"] | None,
        typer.Option(
            help="What the truth's values say; by default mask for lesions, inside (higher value) for membranes,"
            " instances for cells.",
            show_default=False,
        ),
    ] = None,
    membrane_width: Annotated[
        int, typer.Option(min=0, help="Membranes with a truth of instances: pixels between touching objects.")
    ] = 2,
    warping: Annotated[bool, typer.Option(help="Membranes: measure the warping error, half of the time.")] = True,
    json: Annotated[Path | None, typer.Option(help="Write all scores to this JSON file.", show_default=False)] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write the scores of each case (or slice, and stack) to this CSV file.", show_default=False),
    ] = None,
) -> None:
    """Score predictions against truths.

    Lesions: DSC, IoU, sensitivity, precision, volumes, HD95. Membranes: V_rand, V_info, pixel and warping error, Dice,
    Jaccard, by the protocol of the ISBI 2012 challenge. Cells: SEG, AP, IoU.
    """
    from rich.console import Console

    from msseg.evaluation.evaluate import evaluate_pairs
    from msseg.evaluation.pairs import pair_files
    from msseg.evaluation.table import format_table

    evaluation = evaluate_pairs(
        pair_files(prediction, truth, table, task=task),
        task=task,
        label_meaning=label_meaning,
        membrane_width=membrane_width,
        threshold=threshold,
        thresholds=read_thresholds(thresholds),
        warping=warping,
    )
    if json:
        evaluation.to_json(json)
    if csv:
        evaluation.to_csv(csv)
    Console(soft_wrap=True, highlight=False).print(format_table(evaluation), markup=False)
    if evaluation.failed:
        reasons = "; ".join(f"{case}: {reason}" for case, reason in evaluation.failed.items())
        raise PartialFailureError(f"{len(evaluation.failed)} of the pairs could not be scored: {reasons}")


def read_thresholds(text: str) -> list[float]:
    """The numbers of '0.5,0.9' and of ranges '0:0.9:0.1', which hold both ends, each once in rising order.

    Raises:
        InputError: The text is something else.
    """
    found: set[float] = set()
    try:
        for part in text.split(","):
            first, *rest = (float(number) for number in part.split(":"))
            last, step = rest or (first, 1.0)
            count = round((last - first) / step)
            if step <= 0 or count < 0 or count > 10_000:
                raise ValueError
            # Rounded, as 3 * 0.1 is not 0.3.
            found |= {round(first + number * step, 10) for number in range(count + 1)}
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InputError(
            f"--thresholds {text} cannot be read: give numbers separated by commas (0.5,0.9), or first:last:step"
            " (0:0.9:0.1)"
        ) from error
    return sorted(found)
