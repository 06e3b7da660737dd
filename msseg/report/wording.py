"""What the report calls things, and the sentences that explain its numbers to a reader."""

from dataclasses import dataclass

from msseg.evaluation.scores import EMPTY_MASK_RULE

NETWORK_TITLES = {"residual_unet3d": "Residual 3D U-Net", "unet3d": "3D U-Net"}

EMPTY_MASKS = f"One rule for empty masks. {EMPTY_MASK_RULE[0].upper()}{EMPTY_MASK_RULE[1:]}."


@dataclass(frozen=True)
class Metric:
    """One column of the tables.

    Attributes:
        key: Its name in `evaluation.json`.
        title: Column head.
        unit: Unit in brackets behind the title; empty for ratios.
        digits: Digits behind the point.
        higher_is_better: Which end is the good one; None where neither is.
        meaning: One sentence for a reader who has not met it.
        scale: Factor from the stored value to the printed one.
    """

    key: str
    title: str
    unit: str
    digits: int
    higher_is_better: bool | None
    meaning: str
    scale: float = 1.0

    @property
    def head(self) -> str:
        """Title and unit, e.g. 'HD95 (mm)'."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


DSC = Metric(
    "dsc", "DSC", "", 3, True,
    "Dice similarity coefficient: twice the overlap of prediction and expert's mask divided by the sum of"
    " their volumes; 1 is perfect, 0 is no overlap.",
)  # fmt: skip
IOU = Metric(
    "iou", "IoU", "", 3, True,
    "Intersection over union (Jaccard index) of the lesion class: the overlap divided by all that either"
    " marks; it is never above the DSC.",
)  # fmt: skip
SENSITIVITY = Metric(
    "sensitivity", "Sensitivity", "", 3, True, "Share of the expert's lesion voxels that the network finds."
)
PRECISION = Metric(
    "precision",
    "Precision",
    "",
    3,
    True,
    "Share of the network's lesion voxels that the expert marked as well.",
)
HD95 = Metric(
    "hd95_mm", "HD95", "mm", 1, False,
    "95th percentile of the Hausdorff distance: 95 % of each surface lies within this many"
    " millimetres of the other.",
)  # fmt: skip

OVERALL_METRICS = (DSC, IOU, SENSITIVITY, PRECISION, HD95)
POOLED_METRICS = (DSC, IOU)

VOLUMES = (
    Metric(
        "volume_truth_mm3", "Expert", "mL", 2, None, "Lesion volume in the expert's mask.", 1e-3
    ),
    Metric(
        "volume_prediction_mm3", "Predicted", "mL", 2, None, "Lesion volume in the network's mask.", 1e-3
    ),
    Metric(
        "volume_difference_mm3", "Difference", "mL", 2, None,
        "Predicted volume minus the expert's; negative where the network marks too little.", 1e-3,
    ),
)  # fmt: skip
CASE_METRICS = (*OVERALL_METRICS, *VOLUMES)


def network_title(name: str) -> str:
    """The network's name in prose; a network without one keeps its registry name."""
    return NETWORK_TITLES.get(name, name)
