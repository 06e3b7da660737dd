"""What each score of membranes and of cells means."""

from msseg.evaluation.scores import Metric

MEMBRANE_METRICS = {
    "v_rand": Metric(
        "V_rand",
        4,
        "foreground-restricted Rand score after border thinning (ISBI 2012), F of split and merge: of two pixels in one"
        " neurite, how often they are together in prediction and truth alike",
        "higher",
    ),
    "v_rand_split": Metric("V_rand, split", 4, "falls when a neurite is cut into pieces", "higher"),
    "v_rand_merge": Metric("V_rand, merge", 4, "falls when neurites are joined", "higher"),
    "v_info": Metric(
        "V_info",
        4,
        "foreground-restricted information-theoretic score after border thinning, F of split and merge: mutual"
        " information of the segments of prediction and truth over the mean of their entropies",
        "higher",
    ),
    "v_info_split": Metric("V_info, split", 4, "falls when a neurite is cut into pieces", "higher"),
    "v_info_merge": Metric("V_info, merge", 4, "falls when neurites are joined", "higher"),
    "v_rand_unthinned": Metric("V_rand, not thinned", 4, "V_rand with the membranes as wide as predicted", "higher"),
    "v_info_unthinned": Metric("V_info, not thinned", 4, "V_info with the membranes as wide as predicted", "higher"),
    "dice": Metric("V_dice", 4, "Dice coefficient of the pixels inside neurites, at 0.5", "higher"),
    "jaccard": Metric("Jaccard", 4, "intersection over union of the pixels inside neurites, at 0.5", "higher"),
    "pixel_error": Metric("pixel error", 4, "1 - F-score of the pixels inside neurites, best threshold", "lower"),
    "pixel_error_plain": Metric("wrong pixels", 4, "share of wrong pixels, best threshold", "lower"),
    "warping_error": Metric(
        "warping error",
        6,
        "share of pixels that differ from the truth after it was warped onto the prediction without changing its"
        " topology (Jain et al. 2010), best threshold",
        "lower",
    ),
    "warping_error_splits_mergers": Metric(
        "warping, splits + mergers",
        6,
        "share of pixels that split or merge segments after warping, best threshold: what the challenge's tables list",
        "lower",
    ),
}

MEMBRANE_STACK = {
    "v_rand_threshold": "threshold of the best V_rand",
    "v_info_threshold": "threshold of the best V_info",
    "v_rand_best_alpha": "highest weighted V_rand, sum p_ij^2 / (alpha sum s^2 + (1 - alpha) sum t^2), s of the"
    " prediction's segments, t of the truth's, for alpha 0.1, 0.2, ... 1.0 at v_rand_threshold; v_rand has alpha 0.5",
    "best_alpha": "the alpha of v_rand_best_alpha; 1.0 is the merge score alone",
}
"""Numbers of a stack that its slices have not."""

MEMBRANE_RULE = (
    "slices whose truth has no inside have no V_rand and V_info: left out of the mean and counted as undefined; pixels:"
    " both empty 1, exactly one empty 0"
)

CELL_METRICS = {
    "seg": Metric(
        "SEG",
        4,
        "Cell Tracking Challenge: Jaccard index of each true cell with the segment that covers more than half of it, 0"
        " without one; mean over the true cells",
        "higher",
    ),
    "ap50": Metric("AP at IoU 0.5", 4, "TP / (TP + FP + FN) of cells, matched with an IoU above 0.5", "higher"),
    "ap75": Metric("AP at IoU 0.75", 4, "TP / (TP + FP + FN) of cells, matched with an IoU above 0.75", "higher"),
    "ap": Metric("AP, mean", 4, "mean of the AP at an IoU of 0.5, 0.55, ... 0.95", "higher"),
    "iou": Metric("IoU of pixels", 4, "intersection over union of all pixels inside cells", "higher"),
    "dice": Metric("Dice of pixels", 4, "Dice coefficient of all pixels inside cells", "higher"),
    "objects_truth": Metric("cells, truth", 1, "true cells"),
    "objects_prediction": Metric("cells, prediction", 1, "predicted cells"),
}

CELL_RULE = (
    "SEG is not defined in a slice without a true cell: left out of the mean and counted as undefined; AP and pixels:"
    " both empty 1, exactly one empty 0"
)
