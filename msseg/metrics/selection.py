"""One number of a case by which settings or models are chosen: it is defined for every pair of masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msseg.metrics.components import Components, label_components, shared_voxels, voxels_at_least
from msseg.metrics.detection import detection_rates, isbi_score
from msseg.metrics.lesions import SHARE_TOLERANCE, LesionRules
from msseg.metrics.msseg2016 import msseg_detection
from msseg.metrics.overlap import Mask, Overlap, count_overlap
from msseg.metrics.surface import surface_distances


@dataclass(frozen=True)
class Criterion:
    """A score of lesions to choose by.

    Attributes:
        key: What `lesion_scores` and evaluations call it.
        label: What it is called in tables and figures.
        lower: Whether the lower value is the better one.
        decimals: How it is written.
    """

    key: str
    label: str
    lower: bool = False
    decimals: int = 4


CRITERIA: Mapping[str, Criterion] = {
    "dsc": Criterion("dsc", "DSC"),
    "iou": Criterion("iou", "IoU"),
    "isbi_score": Criterion("isbi_score", "ISBI 2015 score"),
    "lesion_f1": Criterion("lesion_f1", "lesion F1"),
    "msseg_f1": Criterion("msseg_f1", "MSSEG-2016 F1"),
    "ltpr": Criterion("ltpr", "LTPR"),
    "lfpr": Criterion("lfpr", "LFPR", lower=True),
    "surface_dsc": Criterion("surface_dsc", "surface DSC"),
    "hd95": Criterion("hd95_mm", "HD95 (mm)", lower=True, decimals=2),
    "assd": Criterion("assd_mm", "ASSD (mm)", lower=True, decimals=2),
    "volume_difference": Criterion("volume_difference_mm3", "|volume difference| (mm3)", lower=True, decimals=0),
}
"""The names that `training.select` and `msseg tune` know."""

BY_VOXELS = frozenset({"dsc", "iou", "volume_difference"})
"""Those that follow from the numbers of voxels alone."""
BY_LESIONS = frozenset({"isbi_score", "lesion_f1", "ltpr", "lfpr"})
"""Those that follow from the lesions that cover each other, and the numbers of voxels."""


def criterion_score(
    name: str,
    prediction: Mask,
    truth: Mask,
    spacing_mm: Sequence[float],
    rules: LesionRules | None = None,
    shape: Sequence[int] | None = None,
) -> float:
    """The score of one case, as `lesion_scores` has it; nothing else is computed.

    A choice needs a value for every case, or a network that predicts nothing would be chosen for the one case in which
    its distance is defined. So where both masks are empty a distance is 0, and where one is, the diagonal of the
    volume, which no distance exceeds. Volume differences count without their sign.

    Args:
        name: One of `CRITERIA`.
        prediction: Boolean, (X, Y, Z).
        truth: Boolean, the same shape.
        spacing_mm: Voxel edges.
        rules: What counts as a lesion; None: the defaults.
        shape: Shape of the whole volume, where the masks are but a part of it.
    """
    rules = rules or LesionRules()
    if name in BY_VOXELS:
        return voxel_score(name, count_overlap(prediction, truth), spacing_mm)
    if name in BY_LESIONS:
        smallest = voxels_at_least(rules.min_lesion_mm3, spacing_mm)
        predicted, true = (label_components(mask, rules.connectivity, smallest) for mask in (prediction, truth))
        rates = found_rates(predicted, true, rules.overlap)
        return lesion_score(name, rates, count_overlap(prediction, truth))
    if name == "msseg_f1":
        return msseg_detection(prediction, truth, spacing_mm).f1
    surfaces = surface_distances(prediction, truth, spacing_mm)
    if not surfaces.defined:
        equal = not (prediction.any() or truth.any())
        farthest = float(np.linalg.norm(np.multiply(shape or prediction.shape, spacing_mm)))
        return float(equal) if name == "surface_dsc" else 0.0 if equal else farthest
    return {"surface_dsc": surfaces.dsc(rules.tolerance_mm), "hd95": surfaces.hd95, "assd": surfaces.assd}[name]


def voxel_score(name: str, overlap: Overlap, spacing_mm: Sequence[float]) -> float:
    """A score of `BY_VOXELS`."""
    if name == "volume_difference":
        return abs(overlap.fp - overlap.fn) * float(np.prod(spacing_mm))
    return float(getattr(overlap, name))


def lesion_score(name: str, rates: tuple[float, float, float], overlap: Overlap) -> float:
    """A score of `BY_LESIONS`, from LTPR, LFPR and F1."""
    ltpr, lfpr, f1 = rates
    if name == "isbi_score":
        return isbi_score(overlap.dsc, overlap.precision, lfpr, ltpr)
    return {"ltpr": ltpr, "lfpr": lfpr, "lesion_f1": f1}[name]


def found_rates(
    predicted: Components, true: Components, overlap: float, first: int | None = None
) -> tuple[float, float, float]:
    """LTPR, LFPR and F1 if of the predicted lesions only the `first` and largest ones are there; None: all."""
    count = len(predicted) if first is None else first
    shared = shared_voxels(predicted, true)
    there = shared.first < count
    covered = np.bincount(shared.second[there], shared.voxels[there], minlength=len(true))
    covering = np.bincount(shared.first[there], shared.voxels[there], minlength=count)
    found, hits = (
        int(((voxels > 0) & (voxels >= overlap * sizes - SHARE_TOLERANCE)).sum())
        for voxels, sizes in ((covered, true.sizes), (covering, predicted.sizes[:count]))
    )
    return detection_rates(len(true), found, count, hits)
