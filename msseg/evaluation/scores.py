"""The scores of one case, and what each score of a lesion means."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from msseg.metrics.cells import CellCounts
from msseg.metrics.overlap import Mask, Overlap, count_overlap
from msseg.metrics.slice_counts import SliceCounts
from msseg.metrics.surface import surface_distances

EMPTY_MASK_RULE = (
    "both masks empty: 1; exactly one empty: 0 (DSC, IoU, sensitivity and precision alike); distances are not"
    " defined where either mask is empty: left out of the mean and counted as undefined"
)

Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Metric:
    """How a metric is written: label with its unit, decimals, definition in words, and which end is the good one."""

    label: str
    decimals: int
    definition: str
    better: Better = ""


METRICS = {
    "dsc": Metric("DSC", 4, "Dice similarity coefficient, 2 TP / (2 TP + FP + FN)", "higher"),
    "iou": Metric("IoU", 4, "intersection over union of the foreground, TP / (TP + FP + FN)", "higher"),
    "sensitivity": Metric("sensitivity", 4, "TP / (TP + FN)", "higher"),
    "precision": Metric("precision", 4, "TP / (TP + FP)", "higher"),
    "hd95_mm": Metric(
        "HD95 (mm)",
        2,
        "larger of the two directed 95th percentiles of the distances between the surfaces, in mm",
        "lower",
    ),
    "assd_mm": Metric("ASSD (mm)", 2, "average distance between the surfaces, over the voxels of both, in mm", "lower"),
    "volume_truth_mm3": Metric("volume, truth (mm3)", 0, "volume of the truth in mm^3"),
    "volume_prediction_mm3": Metric("volume, prediction (mm3)", 0, "volume of the prediction in mm^3"),
    "volume_difference_mm3": Metric("volume difference (mm3)", 0, "prediction minus truth in mm^3"),
    "volume_truth_voxels": Metric("volume, truth (voxels)", 0, "voxels of the truth"),
    "volume_prediction_voxels": Metric("volume, prediction (voxels)", 0, "voxels of the prediction"),
    "volume_difference_voxels": Metric("volume difference (voxels)", 0, "prediction minus truth in voxels"),
}
"""The metrics of lesions that are summarised over a cohort, in the order of tables."""

COUNTS = {"tp": "true positive voxels", "fp": "false positive voxels", "fn": "false negative voxels"}
"""Counts that are stored for each case and pooled, but have no mean."""


@dataclass(frozen=True)
class CaseScores:
    """What one case scored: a volume, or a slice of a stack.

    Attributes:
        case: Name of the case.
        values: The keys of its task's metrics and counts; NaN where a metric is not defined.
        group: The patient, or the stack; empty where nobody said.
        prediction: The file that was judged, as it was given; empty where it was an array.
        truth: The file that it was judged against.
        counts: Of a slice all that was counted, from which the scores of its stack follow; None for lesions.
    """

    case: str
    values: dict[str, float]
    group: str = ""
    prediction: str = ""
    truth: str = ""
    counts: SliceCounts | CellCounts | None = None

    @property
    def overlap(self) -> Overlap:
        """The counted voxels of lesions."""
        return Overlap(*(int(self.values[key]) for key in COUNTS))


def score_case(prediction: Mask, truth: Mask, spacing_mm: Sequence[float]) -> dict[str, float]:
    """All scores of one pair of boolean masks (X, Y, Z); counts and voxel volumes are integers.

    Raises:
        ValueError: The shapes differ, an array is not boolean, or the spacing does not fit the axes.
    """
    overlap = count_overlap(prediction, truth)
    distances = surface_distances(prediction, truth, spacing_mm)
    voxel_mm3 = float(np.prod(spacing_mm))
    predicted, true = overlap.tp + overlap.fp, overlap.tp + overlap.fn
    return {
        **overlap_scores(overlap),
        "hd95_mm": distances.hd95,
        "assd_mm": distances.assd,
        "volume_truth_mm3": true * voxel_mm3,
        "volume_prediction_mm3": predicted * voxel_mm3,
        "volume_difference_mm3": (predicted - true) * voxel_mm3,
        "volume_truth_voxels": true,
        "volume_prediction_voxels": predicted,
        "volume_difference_voxels": predicted - true,
        "tp": overlap.tp,
        "fp": overlap.fp,
        "fn": overlap.fn,
    }


def overlap_scores(overlap: Overlap) -> dict[str, float]:
    """DSC, IoU, sensitivity and precision of counted voxels, of one case or of several pooled."""
    return {key: getattr(overlap, key) for key in ("dsc", "iou", "sensitivity", "precision")}
