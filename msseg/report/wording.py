"""What the report calls things, and the sentences that explain its numbers to a reader."""

from collections.abc import Mapping
from dataclasses import dataclass

from msseg.evaluation.scores import EMPTY_MASK_RULE
from msseg.evaluation.tasks import TASKS, TaskName

NETWORK_TITLES = {
    "residual_unet3d": "Residual 3D U-Net",
    "unet3d": "3D U-Net",
    "sf_network": "SF Network",
    "unet2d": "U-Net",
    "fusionnet": "FusionNet",
    "mcdnn": "MCDNN",
}


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
        """Title, unit, and an arrow towards the good end, e.g. 'HD95 (mm) ↓'."""
        unit = f" ({self.unit})" if self.unit else ""
        arrow = {True: "\u00a0↑", False: "\u00a0↓", None: ""}[self.higher_is_better]  # never on a line of its own
        return f"{self.title}{unit}{arrow}"

    @property
    def slice_digits(self) -> int:
        """Digits of the mean and spread over slices, which stand small beside the stack's score."""
        return self.digits - 1


@dataclass(frozen=True)
class Words:
    """What is particular to the report of a task: its columns, and what its cases are called.

    Attributes:
        title: What was done.
        case: What is scored, in the singular: a case, or a slice.
        group: Where several cases come from.
        truth: What predictions are compared with.
        few: Sentence for a test set too small to tell much.
        main: The score that ranks.
        spread: Scores printed with their spread.
        overall: Columns of the table of networks.
        pooled: Scores of all cases taken together; for slices those of the stack, the numbers that count.
        by_case: Columns of the table of cases.
        together: What the pooled scores are called.
        together_note: What they are.
        validation: Column of `epochs.csv` -> what it is called, the one that matters first.
        validated_on: What a validation is made on.
        empty_rule: What empty masks score.
        groups_note: What it means that cases are of one group.
        pictures: Sentence above the pictures.
        picture_notes: Sentences below them.
        notes: Sentences below the table of cases.
        thresholds_title: Heading of the curves of scores against a threshold; empty where there are none.
        thresholds_note: What they show.
    """

    title: str
    case: str
    group: str
    truth: str
    few: str
    main: Metric
    spread: tuple[Metric, ...]
    overall: tuple[Metric, ...]
    pooled: tuple[Metric, ...]
    by_case: tuple[Metric, ...]
    together: str
    together_note: str
    validation: Mapping[str, str]
    validated_on: str
    empty_rule: str
    groups_note: str
    pictures: str
    picture_notes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    thresholds_title: str = ""
    thresholds_note: str = ""

    @property
    def is_stack(self) -> bool:
        """Whether cases are slices, of which the score is that of their stack."""
        return self.case == "slice"

    @property
    def further(self) -> tuple[Metric, ...]:
        """Columns of the table of cases that the table of networks has not explained."""
        return tuple(metric for metric in self.by_case if metric not in self.overall)


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

LESIONS = Words(
    title="Lesion segmentation",
    case="case",
    group="Patient",
    truth="Expert",
    few="So few cases ({n}) say little about other patients.",
    main=DSC,
    spread=(DSC, IOU),
    overall=(DSC, IOU, SENSITIVITY, PRECISION, HD95),
    pooled=(DSC, IOU),
    by_case=(DSC, IOU, SENSITIVITY, PRECISION, HD95, *VOLUMES),
    together="Pooled",
    together_note="Pooled: all voxels of all cases taken together.",
    validation={"val_dsc": "DSC"},
    validated_on="whole validation volumes",
    empty_rule=EMPTY_MASK_RULE,
    groups_note="who the cases of a part come from; a patient on both sides of the split would make scores too good.",
    pictures="The axial slice with most lesion, in radiological convention: the patient's right side (R) is on the"
    " left.",
    picture_notes=(
        "DSC above a picture is that of the whole case, not of the slice. Grey values run from zero (from the 0.5th"
        " percentile, where there are negative values) to the 99.8th percentile of the slice; the picture is cropped to"
        " the head.",
    ),
    notes=("Volumes are in millilitres (1 mL = 1000 mm³).",),
)


def _slice_metric(task: TaskName, key: str, title: str | None = None, digits: int | None = None) -> Metric:
    """A metric of slices as the evaluation defines it."""
    defined = TASKS[task].metrics[key]
    better = {"higher": True, "lower": False, "": None}[defined.better]
    meaning = f"{defined.definition[0].upper()}{defined.definition[1:]}."
    places = defined.decimals if digits is None else digits
    return Metric(key, title or defined.label, "", places, better, meaning)


_STACKS_NOTE = (
    "which files the slices of a part come from; neighbouring slices resemble each other, so scores on the neighbours"
    " of training slices are better than those on other tissue."
)
_V_RAND, _V_INFO = _slice_metric("membranes", "v_rand"), _slice_metric("membranes", "v_info")
_ERRORS = tuple(_slice_metric("membranes", key) for key in ("pixel_error", "warping_error"))
_OVERLAPS = tuple(_slice_metric("membranes", key) for key in ("dice", "jaccard"))
_UNTHINNED = tuple(_slice_metric("membranes", key) for key in ("v_rand_unthinned", "v_info_unthinned"))
_PARTS = tuple(
    _slice_metric("membranes", f"{score}_{part}") for score in ("v_rand", "v_info") for part in ("split", "merge")
)

MEMBRANES = Words(
    title="Membrane segmentation",
    case="slice",
    group="Stack",
    truth="Truth",
    few="All slices come from {groups}, which says little about other tissue.",
    main=_V_RAND,
    spread=(_V_RAND, _V_INFO),
    overall=(_V_RAND, _V_INFO, *_UNTHINNED, *_ERRORS, *_OVERLAPS),
    pooled=(_V_RAND, *_PARTS[:2], _V_INFO, *_PARTS[2:], *_UNTHINNED, *_ERRORS, *_OVERLAPS),
    by_case=(_V_RAND, *_PARTS[:2], _V_INFO, *_PARTS[2:], *_ERRORS, *_OVERLAPS),
    together="Stack",
    together_note="First number: all test slices scored together as one stack, as the ISBI 2012 challenge does, each"
    " score at the one threshold that is best for the stack. Second: mean over the slices ± standard deviation, at the"
    " same thresholds.",
    validation={"val_v_rand": "V_rand", "val_dsc": "V_dice"},
    validated_on="whole validation slices",
    empty_rule=TASKS["membranes"].empty_rule,
    groups_note=_STACKS_NOTE,
    pictures="Each neurite of the truth has a colour of its own. A segment has the colour of the neurite that it is; an"
    " error is marked where a neurite was split or where two were merged.",
    picture_notes=(
        "Segments are the connected regions above the threshold of the stack's best V_rand. A merger is marked along"
        " the whole border of the two neurites, though a small gap in it may be to blame. Colours repeat: only"
        " neighbours of different colours tell something. Probability: white is surely inside, black surely membrane.",
    ),
    thresholds_title="Scores against the threshold",
    thresholds_note="A pixel is inside where its probability is above the threshold. At a higher threshold membranes"
    " grow: fewer neurites are merged (the merge score rises), more are split (the split score falls). The circle is"
    " the threshold that the results are measured at; where it is the last one, finer ones above it may give more"
    " (evaluation.thresholds).",
)

_SEG = _slice_metric("cells", "seg")
_CELL_SCORES = (
    _SEG,
    *(_slice_metric("cells", key) for key in ("ap50", "ap75", "ap")),
    _slice_metric("cells", "dice", "DSC"),
    _slice_metric("cells", "iou", "IoU"),
)
_CELL_NUMBERS = (
    _slice_metric("cells", "objects_truth", "Cells", 0),
    _slice_metric("cells", "objects_prediction", "Predicted", 0),
)

CELLS = Words(
    title="Cell segmentation",
    case="slice",
    group="Sequence",
    truth="Truth",
    few="All slices come from {groups}, which says little about other cells.",
    main=_SEG,
    spread=(_SEG,),
    overall=_CELL_SCORES,
    pooled=_CELL_SCORES,
    by_case=(*_CELL_SCORES, *_CELL_NUMBERS),
    together="Stack",
    together_note="First number: the cells of all test slices taken together, as the Cell Tracking Challenge does."
    " Second: mean over the slices ± standard deviation.",
    validation={"val_seg": "SEG", "val_dsc": "DSC"},
    validated_on="whole validation slices",
    empty_rule=TASKS["cells"].empty_rule,
    groups_note=_STACKS_NOTE,
    pictures="Each cell of the truth has a colour of its own. A segment has the colour of the cell that it is; an"
    " outline without colour is a cell that was missed.",
    picture_notes=(
        "Colours repeat: only neighbours of different colours tell something. Probability: white is surely inside a"
        " cell, black surely outside.",
    ),
    thresholds_title="Average precision against the IoU that is asked for",
    thresholds_note="A cell counts as found where a segment has a higher IoU with it than the value on the axis."
    " The AP is the share of found cells in all cells of truth and prediction.",
)

WORDS: Mapping[TaskName, Words] = {"lesions": LESIONS, "membranes": MEMBRANES, "cells": CELLS}


def empty_masks(words: Words) -> str:
    """The rule for empty masks as a sentence."""
    return f"One rule for empty masks. {words.empty_rule[0].upper()}{words.empty_rule[1:]}."


def network_title(name: str) -> str:
    """The network's name in prose; a network without one keeps its registry name."""
    return NETWORK_TITLES.get(name, name)
