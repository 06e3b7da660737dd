"""Lesions one by one: their rows in JSON and CSV files, and the picture of what was found, false and missed."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from msseg.atomic import write_text
from msseg.metrics.lesions import LesionRow
from msseg.metrics.overlap import Mask
from msseg.volumes.files import output_suffix, write_volume
from msseg.volumes.volume import Volume

COLUMNS = (
    "case",
    "lesion",
    "kind",
    "x_mm",
    "y_mm",
    "z_mm",
    "volume_mm3",
    "overlap_mm3",
    "overlap_share",
    "verdict",
    "stratum",
)

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3
"""What stands in a painted volume; 0 elsewhere."""


def write_lesions(path: Path, rows: Iterable[LesionRow]) -> None:
    """Write a CSV file with one line per lesion, all or nothing.

    Raises:
        InputError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        measured = (*row.centroid_mm, row.volume_mm3, row.overlap_mm3, row.overlap_share)
        rounded = (f"{number:.6g}" for number in measured)
        writer.writerow((row.case, row.number, row.kind, *rounded, row.verdict, row.stratum))
    write_text(path, text.getvalue())


def lesion_entry(row: LesionRow) -> dict[str, Any]:
    """A row for JSON, below its case."""
    entry = asdict(row) | {"centroid_mm": list(row.centroid_mm)}
    del entry["case"]
    return entry


def lesion_from_entry(case: str, entry: Mapping[str, Any]) -> LesionRow:
    """The row that `lesion_entry` described.

    Raises:
        KeyError, TypeError, ValueError: The entry is something else.
    """
    x, y, z = (float(place) for place in entry["centroid_mm"])
    return LesionRow(
        case,
        int(entry["number"]),
        entry["kind"],
        (x, y, z),
        float(entry["volume_mm3"]),
        float(entry["overlap_mm3"]),
        entry["verdict"],
        str(entry["stratum"]),
    )


def painted_name(case: str) -> str:
    """What a case is called in the name of a file: without slashes and other letters that name no file."""
    return re.sub(r"[^\w.+-]+", "_", case).lstrip(".") or "case"


def paint_errors(folder: Path, case: str, prediction: Mask, truth: Volume) -> Path:
    """Write CASE_errors on the truth's grid: 1 where both masks are true, 2 the prediction alone, 3 the truth alone.

    Returns:
        The file, of the truth's family.

    Raises:
        InputError: It cannot be written.
    """
    painted = np.where(prediction, FALSE_POSITIVE, FALSE_NEGATIVE * truth.data).astype(np.uint8)
    painted[prediction & truth.data] = TRUE_POSITIVE
    suffix = ".nii.gz" if truth.path is None else output_suffix(truth.path)
    path = folder / f"{painted_name(case)}_errors{suffix}"
    write_volume(path, painted, truth)
    return path
