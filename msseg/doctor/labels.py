"""A label by itself: its values, its volume, how many lesions it has."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from msseg.cases.case import Case
from msseg.config.data import LabelMeaning
from msseg.doctor.facts import LabelFacts
from msseg.doctor.findings import Severity
from msseg.doctor.kinds import Observation
from msseg.doctor.reading import Reading, read_image
from msseg.errors import InputError
from msseg.metrics.components import label_components
from msseg.volumes.files import is_stack
from msseg.volumes.labels import WITHIN_SLICES, read_instances, read_truth
from msseg.volumes.volume import Volume

SHOWN = 10


@dataclass(frozen=True, eq=False)
class LabelView:
    """A label as read.

    Attributes:
        mask: The foreground, boolean (X, Y, Z).
        facts: Its numbers; what depends on images is filled in by `with_places`.
        digest: Of the mask; None where it is empty.
    """

    mask: Volume
    facts: LabelFacts
    digest: bytes | None

    def with_places(self, outside: float, contrast: float | None) -> LabelFacts:
        """The facts with what the images say."""
        return replace(self.facts, outside=outside, contrast=contrast)


def examine_label(
    case: Case, meaning: LabelMeaning, values: tuple[int, ...] | None
) -> tuple[LabelView | None, list[Observation]]:
    """Read a case's label.

    Returns:
        The label, or None where it cannot be used, and what is wrong with it.
    """
    path = case.label
    assert path is not None
    page = case.page
    try:
        reading = read_image(path, page)
    except InputError as error:
        return None, [Observation("error", "unreadable", (case.id,), (path,), str(error))]
    problems = [*_remarks(case, path, reading)]
    try:
        pages = None if page is None else [page]
        mask = read_truth(path, meaning, pages=pages, values=values)
        objects = _objects(mask.data, path, meaning, pages)
    except InputError as error:
        kind = "label_values" if meaning == "mask" else "label_invalid"
        return None, [*problems, Observation("error", kind, (case.id,), (path,), str(error))]
    stored = reading.volume.data[reading.volume.data != 0]
    held = np.unique(stored)
    if meaning == "mask" and values is None and not is_stack(path):
        problems += _odd_values(case, path, held)
    voxels = int(np.count_nonzero(mask.data))
    if not voxels:
        severity: Severity = "note" if is_stack(path) else "warning"
        problems.append(Observation(severity, "label_empty", (case.id,), (path,), _nothing(meaning, held)))
    shown = (*((0.0,) if stored.size < reading.volume.data.size else ()), *(float(value) for value in held))[:SHOWN]
    mm3 = None if is_stack(path) else voxels * float(np.prod(mask.spacing))
    facts = LabelFacts(path, meaning, shown, voxels, objects, mm3, 0.0)
    digest = hashlib.blake2b(np.packbits(mask.data).data, digest_size=16).digest() if voxels else None
    return LabelView(mask, facts, digest), problems


def _remarks(case: Case, path: Path, reading: Reading) -> list[Observation]:
    found = []
    if reading.not_finite:
        found.append(
            Observation("warning", "not_finite", (case.id,), (path,), f"{reading.not_finite} voxels of the label")
        )
    if reading.forms_apart_mm is not None:
        detail = f"the label by {reading.forms_apart_mm:.3g} mm at a corner"
        found.append(Observation("warning", "qform_sform", (case.id,), (path,), detail))
    if reading.frames:
        found.append(Observation("note", "single_frame", (case.id,), (path,), "label"))
    return found


def _odd_values(case: Case, path: Path, held: np.ndarray) -> list[Observation]:
    """A mask of another value than 1 works, but other tools may take it differently; fractions are thresholded."""
    if (np.abs(held - np.rint(held)) > 1e-3).any():
        shown = f"{len(held)} values from {held[0]:.3g} to {held[-1]:.3g}"
        return [Observation("warning", "label_fractions", (case.id,), (path,), shown)]
    if len(held) == 1 and held[0] != 1:
        return [Observation("note", "label_values", (case.id,), (path,), f"0 and {held[0]:g}")]
    return []


def _objects(mask: np.ndarray, path: Path, meaning: LabelMeaning, pages: list[int] | None) -> int:
    if meaning == "instances":
        numbers = read_instances(path, meaning, pages).data
        return int(np.unique(numbers[numbers > 0]).size)
    if meaning == "mask" and not is_stack(path):
        return len(label_components(mask, connectivity=26))
    return int(ndimage.label(mask, WITHIN_SLICES)[1])


def _nothing(meaning: LabelMeaning, held: np.ndarray) -> str:
    if held.size:
        return f"no voxel counts as foreground, although it holds {', '.join(f'{value:g}' for value in held[:3])}"
    return "every voxel is 0"
