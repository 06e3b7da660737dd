"""How far two partitions of the same pixels agree: the Rand and the information-theoretic scores with split and merge.

Arganda-Carreras et al. 2015 (Frontiers in Neuroanatomy 9:142), foreground-restricted: only pixels inside the truth's
segments count. A membrane pixel of the prediction is a segment of its own.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

DENSE_CELLS_PER_PIXEL = 8
"""Up to this many cells of the contingency table per pixel, counting into it is faster than sorting the pairs."""


class Contingency(NamedTuple):
    """Pixels of the foreground, counted.

    Attributes:
        pairs: (k,) pixels shared by a segment of the truth and one of the prediction, for all pairs that share any.
        truth: (m,) pixels of each segment of the truth.
        prediction: (n,) pixels of each segment of the prediction within the foreground.
        alone: pixels of the foreground on the prediction's membranes.
    """

    pairs: Counts
    truth: Counts
    prediction: Counts
    alone: int


class Agreement(NamedTuple):
    """What is shared, and the two wholes that it is a part of; sums of several slices are agreements again.

    Attributes:
        shared: sum of squared shares of the pairs, or mutual information; NaN without foreground.
        split_whole: `shared` divided by this falls with every split segment.
        merge_whole: `shared` divided by this falls with every merger.
    """

    shared: float
    split_whole: float
    merge_whole: float


def count_pairs(truth: NDArray[np.int32], prediction: NDArray[np.int32]) -> Contingency:
    """Count the foreground.

    Args:
        truth: (pixels,) segments of the truth from 1; only foreground.
        prediction: (pixels,) segments of the prediction at the same pixels, 0 on membranes.
    """
    columns = int(prediction.max(initial=0)) + 1
    cells = (int(truth.max(initial=0)) + 1) * columns
    keys = truth.astype(np.int64) * columns + prediction
    if cells <= DENSE_CELLS_PER_PIXEL * max(truth.size, 1):
        table = np.bincount(keys, minlength=cells).reshape(-1, columns)[:, 1:]
        pairs = table[table > 0]
    else:
        pairs = np.unique(keys[prediction > 0], return_counts=True)[1]
    segments = np.bincount(prediction, minlength=1)
    return Contingency(pairs, np.bincount(truth, minlength=1)[1:], segments[1:], int(segments[0]))


def rand_agreement(counted: Contingency) -> Agreement:
    """The sums of V_rand in squared pixels: pairs of pixels that lie together in both, in the truth, in the prediction.

    The whole of the split score is the truth's sum (of the pixels together in the truth, how many stay together), that
    of the merge score the prediction's.
    """
    if not counted.truth.size:
        return Agreement(np.nan, np.nan, np.nan)
    together, truth, prediction = (_sum_of_squares(counts) for counts in counted[:3])
    return Agreement(together + counted.alone, truth, prediction + counted.alone)


def information_agreement(counted: Contingency) -> Agreement:
    """Mutual information and entropies of V_info in nats.

    The whole of the split score is the prediction's entropy, which grows with every segment split; that of the merge
    score the truth's.
    """
    if not counted.truth.size:
        return Agreement(np.nan, np.nan, np.nan)
    pixels = int(counted.truth.sum())
    alone = counted.alone * np.log(pixels) / pixels
    joint, truth, prediction = (_entropy(counts, pixels) for counts in counted[:3])
    information = truth + (prediction + alone) - (joint + alone)
    return Agreement(max(information, 0.0), prediction + alone, truth)


def split_merge_f(agreements: Floats, alpha: float = 0.5) -> Floats:
    """Split score, merge score and their weighted harmonic mean.

    Args:
        agreements: (..., 3) shared, split whole, merge whole.
        alpha: weight of the merge score: shared / (alpha merge_whole + (1 - alpha) split_whole); 0.5 is the F-score.

    Returns:
        (..., 3) split, merge, mean; 1 is the best. Where a whole is 0 (a single segment has no entropy) nothing can
        have gone wrong: that score is 1.
    """
    shared, split_whole, merge_whole = np.moveaxis(np.asarray(agreements, dtype=np.float64), -1, 0)
    wholes = (split_whole, merge_whole, alpha * merge_whole + (1 - alpha) * split_whole)
    return np.stack([_ratio(shared, whole) for whole in wholes], axis=-1)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.where(whole == 0, 1.0, part / np.where(whole == 0, 1.0, whole))


def _sum_of_squares(counts: Counts) -> float:
    return float(np.square(counts, dtype=np.float64).sum())


def _entropy(counts: Counts, pixels: int) -> float:
    shares = counts[counts > 0] / pixels
    return float(-(shares * np.log(shares)).sum())
