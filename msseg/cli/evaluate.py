"""`msseg evaluate`."""

import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from msseg.errors import InputError, PartialFailureError

if TYPE_CHECKING:
    from msseg.metrics.lesions import LesionRules


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
    label_values: Annotated[
        str | None,
        typer.Option(
            help="Which values of a truth that is a mask are foreground, such as 1,3; by default all above 0.5.",
            show_default=False,
        ),
    ] = None,
    connectivity: Annotated[
        int, typer.Option(help="Lesions: voxels of one share a face (6), or an edge (18), or a corner (26).")
    ] = 26,
    min_lesion_mm3: Annotated[
        float, typer.Option("--min-lesion-mm3", help="Lesions: smaller ones are left out where lesions are counted.")
    ] = 0.0,
    overlap: Annotated[
        float, typer.Option(help="Lesions: share of one that has to be covered for it to be found; 0: one voxel.")
    ] = 0.0,
    strata_mm3: Annotated[
        str, typer.Option("--strata-mm3", help="Lesions: volumes that part them into classes of size.")
    ] = "10,50,250",
    tolerance_mm: Annotated[
        float, typer.Option(help="Lesions: distance up to which surfaces are the same for the surface DSC.")
    ] = 1.0,
    membrane_width: Annotated[
        int, typer.Option(min=0, help="Membranes with a truth of instances: pixels between touching objects.")
    ] = 2,
    warping: Annotated[bool, typer.Option(help="Membranes: measure the warping error, half of the time.")] = True,
    json: Annotated[Path | None, typer.Option(help="Write all scores to this JSON file.", show_default=False)] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write the scores of each case (or slice, and stack) to this CSV file.", show_default=False),
    ] = None,
    lesions: Annotated[
        Path | None,
        typer.Option(
            help="Write a line for each lesion to this CSV file: where, how large, found, missed or false.",
            show_default=False,
        ),
    ] = None,
    paint: Annotated[
        Path | None,
        typer.Option(
            help="Write CASE_errors.nii.gz into this folder: 1 true positive, 2 false positive, 3 false negative.",
            show_default=False,
        ),
    ] = None,
    align: Annotated[
        Literal["refuse", "resample"],
        typer.Option(help="Lesions: predictions on another grid than their truth: refuse, or resample them onto it."),
    ] = "refuse",
) -> None:
    """Score predictions against truths.

    Lesions: DSC, sensitivity, precision, volumes, surface distances; LTPR, LFPR and F1 of lesions, by size; the scores
    of MSSEG 2016 and ISBI 2015. Membranes: V_rand, V_info, pixel and warping error, Dice,
    Jaccard, by the protocol of the ISBI 2012 challenge. Cells: SEG, AP, IoU.
    """
    from rich.console import Console

    from msseg.cases.names import counted
    from msseg.evaluation.evaluate import evaluate_pairs
    from msseg.evaluation.pairs import pair_files
    from msseg.evaluation.table import format_table
    from msseg.inference.failures import failure_table

    rules = _rules(connectivity, min_lesion_mm3, overlap, strata_mm3, tolerance_mm)
    if task != "lesions" and (lesions or paint):
        raise InputError(f"--lesions and --paint show lesions, but --task is {task}: leave them out")
    evaluation = evaluate_pairs(
        pair_files(prediction, truth, table, task=task),
        task=task,
        label_meaning=label_meaning,
        label_values=None if label_values is None else _whole_numbers("--label-values", label_values),
        membrane_width=membrane_width,
        threshold=threshold,
        thresholds=read_thresholds(thresholds),
        warping=warping,
        rules=rules,
        paint=paint,
        align=align,
    )
    if json:
        evaluation.to_json(json)
    if csv:
        evaluation.to_csv(csv)
    if lesions:
        evaluation.lesions_to_csv(lesions)
    Console(soft_wrap=True, highlight=False).print(format_table(evaluation), markup=False)
    if evaluation.failed:
        print(failure_table(evaluation.failed), file=sys.stderr)
        raise PartialFailureError(f"{counted(len(evaluation.failed), 'case')} could not be scored")


def _rules(connectivity: int, smallest: float, overlap: float, strata: str, tolerance: float) -> "LesionRules":
    from msseg.metrics.lesions import LesionRules

    checks = (
        (connectivity in (6, 18, 26), f"--connectivity is 6, 18 or 26, not {connectivity}"),
        (0 <= smallest < inf, f"--min-lesion-mm3 is a volume of 0 or more, not {smallest:g}"),
        (0 <= overlap <= 1, f"--overlap is a share from 0 to 1, not {overlap:g}"),
        (0 <= tolerance < inf, f"--tolerance-mm is a distance of 0 or more, not {tolerance:g}"),
    )
    for holds, message in checks:
        if not holds:
            raise InputError(message)
    edges = tuple(_numbers("--strata-mm3", strata))
    if any(not 0 < edge < inf for edge in edges) or list(edges) != sorted(set(edges)):
        raise InputError(f"--strata-mm3 {strata} does not rise from above 0: give volumes such as 10,50,250")
    return LesionRules(cast(Literal[6, 18, 26], connectivity), smallest, overlap, edges, tolerance)


def _numbers(option: str, text: str) -> list[float]:
    """The numbers of '10,50,250'; none of an empty text."""
    try:
        return [float(part) for part in text.split(",")] if text.strip() else []
    except ValueError as error:
        raise InputError(f"{option} {text} cannot be read: give numbers separated by commas") from error


def _whole_numbers(option: str, text: str) -> list[int]:
    """The whole numbers from 1 of '1,3'."""
    numbers = _numbers(option, text)
    if not numbers or any(not (1 <= number < inf and number.is_integer()) for number in numbers):
        raise InputError(f"{option} {text} cannot be read: give whole numbers from 1, separated by commas (1,3)")
    return [int(number) for number in numbers]


def read_thresholds(text: str, option: str = "--thresholds") -> list[float]:
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
            f"{option} {text} cannot be read: give numbers separated by commas (0.5,0.9), or first:last:step"
            " (0:0.9:0.1)"
        ) from error
    return sorted(found)
