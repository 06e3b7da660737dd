"""Scores of boundary maps by the protocol of the ISBI 2012 challenge (Arganda-Carreras et al. 2015).

A slice's segments are the 4-connected components of its inside; at each threshold the probability map is cut into
segments and compared with the truth. Over a stack

- v_rand and v_info (membranes thinned) and v_info_unthinned are the means of the slices' F-scores,
- v_rand_unthinned, and both split and merge of v_rand, come from the slices' sums of squares added up,

and the score of a probability map is the highest over the thresholds: one threshold for the whole stack. So does the
challenge's own scorer. Slices whose truth has no inside have no such score and are left out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from msseg.metrics.overlap import Mask, Overlap
from msseg.metrics.partition import Floats, split_merge_f
from msseg.metrics.slice_counts import AGREEMENTS, CHALLENGE_THRESHOLDS, Probability, SliceCounts, count_agreements, count_slice

ALPHAS = tuple(step / 10 for step in range(1, 11))
"""Weights of the merge score among which Kim 2019 (section 4.2) takes the best."""

POOLED_F = ("v_rand_unthinned",)
POOLED_PARTS = ("v_rand", "v_rand_unthinned")


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
    """
    name = "v_rand" if thinned else "v_rand_unthinned"
    return split_merge_f(count_agreements(probability, truth, thresholds, (name,))[name])[:, 2]
