"""Scores of boundary maps by the protocol of the ISBI 2012 challenge (Arganda-Carreras et al. 2015).

A slice's segments are the 4-connected components of its inside; at each threshold the probability map is cut into
segments and compared with the truth. Over a stack

- v_rand and v_info (membranes thinned) and v_info_unthinned are the means of the slices' F-scores, split and merge of
  v_info likewise;
- v_rand_unthinned, the split and merge scores of both V_rand, and the scores of pixels come from the slices' sums;

and the score of a probability map is the best over the thresholds, one threshold for the whole stack. So does the
challenge's own scorer. A slice whose truth has no inside has no V_rand and V_info and is left out of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from msseg.metrics.overlap import Mask, Overlap
from msseg.metrics.partition import Floats, split_merge_f
from msseg.metrics.slice_counts import (
    AGREEMENTS,
    CHALLENGE_THRESHOLDS,
    Probability,
    SliceCounts,
    count_agreements,
    count_slice,
)

ALPHAS = tuple(step / 10 for step in range(1, 11))
"""Weights of the merge score among which Kim 2019 (section 4.2) takes the best."""

POOLED_F = ("v_rand_unthinned",)
POOLED_PARTS = ("v_rand", "v_rand_unthinned")
ERRORS = ("pixel_error", "pixel_error_plain", "warping_error", "warping_error_splits_mergers")
"""Where the lowest is the best."""

Best = dict[str, int]
"""For each score the number of the threshold at which a stack is best."""


def v_rand_per_threshold(
    probability: Probability, truth: Mask, thresholds: Sequence[float] = CHALLENGE_THRESHOLDS, thinned: bool = True
) -> Floats:
    """V_rand of one slice at each threshold.

    For a stack: average over the slices (leaving out NaN), then take the maximum.

    Args:
        probability: (H, W) of being inside a segment.
        truth: (H, W) boolean, true inside segments.
        thresholds: T of them.
        thinned: Whether the predicted membranes are thinned first, as the challenge does.

    Returns:
        (T,) F-scores from 0 to 1; NaN where the truth has no inside.

    Raises:
        ValueError: The shapes differ, the truth is not boolean, or there is no threshold.
    """
    name = "v_rand" if thinned else "v_rand_unthinned"
    return split_merge_f(count_agreements(probability, truth, thresholds, (name,))[name])[:, 2]


def score_stack(
    probability: Probability,
    truth: Mask,
    thresholds: Sequence[float] = CHALLENGE_THRESHOLDS,
    *,
    warping: bool = True,
) -> dict[str, Any]:
    """All scores of one stack.

    Args:
        probability: (H, W, N) of being inside a segment.
        truth: (H, W, N) boolean, true inside segments.
        thresholds: T of them.
        warping: Whether the warping error is measured, half of the time.

    Returns:
        `stack`, see `score_slices`, and `slices`: for each slice its scores at the stack's best thresholds, see
        `slice_scores`.

    Raises:
        ValueError: The shapes differ, or the truth is not boolean.
    """
    if probability.ndim != 3 or probability.shape != truth.shape:
        raise ValueError(f"stacks (H, W, N) of one shape are needed, not {probability.shape} and {truth.shape}")
    slices = [
        count_slice(probability[..., z], truth[..., z], thresholds, warping=warping) for z in range(truth.shape[2])
    ]
    best = best_thresholds(slices)
    return {
        "stack": {**score_slices(slices, best), "thresholds": threshold_rows(slices)},
        "slices": [slice_scores(one, best) for one in slices],
    }


def score_slices(slices: Sequence[SliceCounts], best: Best | None = None) -> dict[str, float]:
    """The scores of slices taken together as one stack.

    Returns:
        v_rand, v_info (thinned, best over the thresholds) with their split, merge and threshold; v_rand_unthinned and
        v_info_unthinned; best_alpha and v_rand_best_alpha, the mean over the slices of the weighted form at the
        threshold of v_rand; pixel_error (1 - F-score of the pixels inside) and pixel_error_plain (share of wrong
        pixels), warping_error and warping_error_splits_mergers (shares of pixels), the lowest over the thresholds;
        dice and jaccard at 0.5. NaN where a score is not defined or was not measured.
    """
    best = best or best_thresholds(slices)
    thresholds = slices[0].thresholds
    scores: dict[str, float] = {}
    for name in AGREEMENTS:
        rows = agreement_rows(slices, name)
        scores[name] = float(rows[best[name], 2])
        if name in ("v_rand", "v_info"):
            scores |= {f"{name}_split": float(rows[best[name], 0]), f"{name}_merge": float(rows[best[name], 1])}
            scores[f"{name}_threshold"] = thresholds[best[name]]
    alpha, weighted = _best_alpha(slices, best["v_rand"])
    errors = {name: float(values[best[name]]) for name, values in _error_rows(slices).items()}
    overlap = sum((one.overlap for one in slices), start=Overlap(0, 0, 0))
    return {
        **scores,
        "best_alpha": alpha,
        "v_rand_best_alpha": weighted,
        **errors,
        "dice": overlap.dsc,
        "jaccard": overlap.iou,
    }


def slice_scores(counts: SliceCounts, best: Best) -> dict[str, float]:
    """The scores of one slice at its stack's best thresholds, so that their mean belongs to the stack's score.

    Returns:
        The scores of `score_slices` but for the weighted form.
    """
    scores = score_slices([counts], best)
    return {name: value for name, value in scores.items() if "alpha" not in name}


def best_thresholds(slices: Sequence[SliceCounts]) -> Best:
    """For each score the number of the threshold (the first of equal ones) where slices taken together are best."""
    scores = {name: agreement_rows(slices, name)[:, 2] for name in AGREEMENTS}
    errors = {name: -values for name, values in _error_rows(slices).items()}
    return {name: int(np.argmax(np.nan_to_num(row, nan=-np.inf))) for name, row in (scores | errors).items()}


def threshold_rows(slices: Sequence[SliceCounts]) -> list[dict[str, Any]]:
    """What slices taken together score at each threshold.

    Returns:
        For each threshold `threshold`, for v_rand, v_info, v_rand_unthinned, v_info_unthinned `split`, `merge` and `f`,
        and the errors of `score_slices`.
    """
    agreements = {name: agreement_rows(slices, name) for name in AGREEMENTS}
    errors = _error_rows(slices)
    return [
        {
            "threshold": threshold,
            **{
                name: dict(zip(("split", "merge", "f"), map(float, rows[number]), strict=True))
                for name, rows in agreements.items()
            },
            **{name: float(values[number]) for name, values in errors.items()},
        }
        for number, threshold in enumerate(slices[0].thresholds)
    ]


def agreement_rows(slices: Sequence[SliceCounts], name: str) -> Floats:
    """(T, 3) split, merge and F of slices taken together; NaN where no slice has such a score."""
    defined = np.array([one.agreements[name] for one in slices if one.is_defined and name in one.agreements])
    if not defined.size:
        return np.full((len(slices[0].thresholds), 3), np.nan)
    pooled, mean = split_merge_f(defined.sum(axis=0)), split_merge_f(defined).mean(axis=0)
    parts, f = (pooled if name in names else mean for names in (POOLED_PARTS, POOLED_F))
    return np.concatenate([parts[:, :2], f[:, 2:]], axis=1)


def _best_alpha(slices: Sequence[SliceCounts], threshold: int) -> tuple[float, float]:
    """The weight of the merge score with the highest V_rand, and that V_rand.

    As a convex function of alpha it is highest at one of the ends of `ALPHAS`: it says which of split and merge is the
    better one, and how good, rather than how good the segmentation is.
    """
    defined = np.array([one.agreements["v_rand"][threshold] for one in slices if one.is_defined])
    if not defined.size:
        return float("nan"), float("nan")
    values = [float(split_merge_f(defined, alpha)[:, 2].mean()) for alpha in ALPHAS]
    return ALPHAS[int(np.argmax(values))], max(values)


def _error_rows(slices: Sequence[SliceCounts]) -> dict[str, Floats]:
    """(T,) for each of `ERRORS`: shares of all pixels of the slices."""
    size = sum(one.size for one in slices)
    pixels = np.sum([one.pixels for one in slices], axis=0)
    f = np.array([Overlap(*row).dsc for row in pixels.tolist()])
    warping = [one.warping for one in slices if one.warping is not None]
    left = np.sum(warping, axis=0) / size if len(warping) == len(slices) else np.full((len(f), 3), np.nan)
    rows = (1 - f, pixels[:, 1:].sum(axis=1) / size, left[:, 0], left[:, 1:].sum(axis=1))
    return dict(zip(ERRORS, rows, strict=True))
