"""The report's words for lesions: its columns, and what they mean to a reader."""

from msseg.evaluation.scores import EMPTY_MASK_RULE
from msseg.metrics.selection import CRITERIA
from msseg.report.wording import Metric, Words

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

LESIONWISE = (
    Metric(
        "ltpr", "LTPR", "", 3, True, "Lesion-wise true positive rate: share of the expert's lesions that are found."
    ),
    Metric(
        "lfpr", "LFPR", "", 3, False,
        "Lesion-wise false positive rate: share of the network's lesions that are false.",
    ),
    Metric("lesion_f1", "Lesion F1", "", 3, True, "Harmonic mean of LTPR and 1 − LFPR."),
    Metric(
        "msseg_f1", "MSSEG F1", "", 3, True,
        "The F1 of lesions by the rules of the MSSEG 2016 challenge, which asks for more overlap.",
    ),
    Metric(
        "isbi_score", "ISBI score", "", 3, True,
        "Of the ISBI 2015 challenge, before its scaling to raters: a weighted mean of DSC and precision (1/6 each),"
        " LTPR and 1 − LFPR (1/3 each); the challenge adds the correlation of volumes, which a single case has not.",
    ),
    Metric(
        "surface_dsc", "Surface DSC", "", 3, True,
        "Share of both surfaces that lies within a tolerance (usually 1 mm) of the other one.",
    ),
    Metric("assd_mm", "ASSD", "mm", 2, False, "Average distance between the two surfaces."),
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
    lesionwise=LESIONWISE,
    together="Pooled",
    together_note="Pooled: all voxels of all cases taken together.",
    validation={f"val_{name}": criterion.label for name, criterion in CRITERIA.items()},
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
