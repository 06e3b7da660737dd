"""The report's words for membranes and cells in the slices of stacks."""

from msseg.evaluation.tasks import TASKS, TaskName
from msseg.report.wording import Metric, Words


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
