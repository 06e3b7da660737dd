"""Rates and composite scores from what was counted: LTPR, LFPR and F1 of lesions, and the score of ISBI 2015."""

from collections.abc import Sequence
from math import nan

import numpy as np


def detection_rates(truth: int, found: int, predicted: int, true: int) -> tuple[float, float, float]:
    """LTPR, LFPR and F1 from the number of true lesions, how many of them were found, of predicted ones, how many true.

    F1 is the harmonic mean of LTPR and 1 - LFPR, as one predicted lesion may find several true ones.

    >>> detection_rates(truth=4, found=3, predicted=2, true=1)
    (0.75, 0.5, 0.6)
    """
    if not (truth and predicted):
        empty = float(truth == predicted)
        return empty, 1 - empty, empty
    ltpr, precision = float(found / truth), float(true / predicted)
    f1 = 2 * ltpr * precision / (ltpr + precision) if found and true else 0.0
    return ltpr, 1 - precision, f1


def isbi_score(dsc: float, precision: float, lfpr: float, ltpr: float, correlation: float | None = None) -> float:
    """The score of ISBI 2015 before it is scaled to the raters (Carass et al. 2017, NeuroImage 148:77), from 0 to 1.

    DSC/8 + PPV/8 + (1 - LFPR)/4 + LTPR/4 + VC/4 with VC the correlation of the volumes over the cohort; a single case
    has none, and its score is 4/3 of the first four terms.
    """
    score = dsc / 8 + precision / 8 + (1 - lfpr) / 4 + ltpr / 4
    return score * 4 / 3 if correlation is None else score + correlation / 4


def volume_correlation(truth: Sequence[float], prediction: Sequence[float]) -> float:
    """Pearson's correlation of the cases' volumes; NaN below three cases, or where one side is the same in all."""
    true, predicted = (np.asarray(volumes, dtype=np.float64) for volumes in (truth, prediction))
    if true.size < 3 or np.ptp(true) == 0 or np.ptp(predicted) == 0:
        return nan
    return float(np.corrcoef(true, predicted)[0, 1])
