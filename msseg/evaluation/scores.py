"""The scores of one case, and what each score of a lesion means."""

from dataclasses import dataclass
from typing import Literal

from msseg.metrics.cells import CellCounts
from msseg.metrics.lesions import LesionRow
from msseg.metrics.overlap import Overlap
from msseg.metrics.slice_counts import SliceCounts

EMPTY_MASK_RULE = (
    "both masks empty: 1; exactly one empty: 0 (overlap, surface DSC and scores of lesions alike; LFPR: 0 and 1);"
    " distances are not defined where either mask is empty, the relative volume difference where only the truth is:"
    " left out of the mean and counted as undefined"
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
    "surface_dsc": Metric(
        "surface DSC",
        4,
        "share of the surface voxels of both masks that lie within tolerance_mm of the other mask's surface",
        "higher",
    ),
    "hd95_mm": Metric(
        "HD95 (mm)",
        2,
        "larger of the two directed 95th percentiles of the distances between the surfaces, in mm",
        "lower",
    ),
    "assd_mm": Metric("ASSD (mm)", 2, "average distance between the surfaces, over the voxels of both, in mm", "lower"),
    "ltpr": Metric("LTPR", 4, "lesion-wise true positive rate: share of the true lesions that were found", "higher"),
    "lfpr": Metric(
        "LFPR", 4, "lesion-wise false positive rate: share of the predicted lesions that are false", "lower"
    ),
    "lesion_f1": Metric("lesion F1", 4, "harmonic mean of LTPR and 1 - LFPR", "higher"),
    "msseg_sensitivity": Metric(
        "MSSEG-2016 sensitivity", 4, "share of the true lesions that are detected by the rule of MSSEG 2016", "higher"
    ),
    "msseg_precision": Metric(
        "MSSEG-2016 precision", 4, "share of the predicted lesions that are detected by the truth, same rule", "higher"
    ),
    "msseg_f1": Metric(
        "MSSEG-2016 F1",
        4,
        "harmonic mean of the two; lesions above 3 mm^3 that share faces, alpha 10 %, beta 70 %, gamma 65 %, whatever"
        " the settings",
        "higher",
    ),
    "isbi_score": Metric(
        "ISBI-2015 score, case",
        4,
        "4/3 (DSC/8 + precision/8 + (1 - LFPR)/4 + LTPR/4): without the volume correlation, which a case has not",
        "higher",
    ),
    "volume_truth_mm3": Metric("volume, truth (mm3)", 0, "volume of the truth in mm^3"),
    "volume_prediction_mm3": Metric("volume, prediction (mm3)", 0, "volume of the prediction in mm^3"),
    "volume_difference_mm3": Metric("volume difference (mm3)", 0, "prediction minus truth in mm^3"),
    "volume_difference_relative": Metric("volume difference, relative", 3, "(prediction - truth) / truth"),
    "volume_truth_voxels": Metric("volume, truth (voxels)", 0, "voxels of the truth"),
    "volume_prediction_voxels": Metric("volume, prediction (voxels)", 0, "voxels of the prediction"),
    "volume_difference_voxels": Metric("volume difference (voxels)", 0, "prediction minus truth in voxels"),
    "lesions_truth": Metric("lesions, truth", 1, "true lesions of at least min_lesion_mm3"),
    "lesions_predicted": Metric("lesions, predicted", 1, "predicted lesions of at least min_lesion_mm3"),
    "lesions_found": Metric("lesions, found", 1, "true lesions that were found"),
    "lesions_false": Metric("lesions, false", 1, "predicted lesions that are false", "lower"),
}
"""The metrics of lesions that are summarised over a cohort, in the order of tables."""

ONLY_IN_FILES = (
    *(key for key in METRICS if key.endswith("_voxels")),
    "assd_mm",
    "msseg_sensitivity",
    "msseg_precision",
    "volume_prediction_mm3",
    "lesions_found",
    "lesions_false",
)
"""What the table for a terminal leaves out."""

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
        lesions: Its lesions one by one, where they were kept.
    """

    case: str
    values: dict[str, float]
    group: str = ""
    prediction: str = ""
    truth: str = ""
    counts: SliceCounts | CellCounts | None = None
    lesions: tuple[LesionRow, ...] = ()

    @property
    def overlap(self) -> Overlap:
        """The counted voxels of lesions."""
        return Overlap(*(int(self.values[key]) for key in COUNTS))
