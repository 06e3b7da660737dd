"""How predicted lesion volumes agree with the expert's: correlation, bias and limits of agreement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msseg.metrics.detection import volume_correlation
from msseg.report.rows import Row

LIMITS_FROM = 3
"""Cases below which a spread of differences says nothing."""
_ML_PER_MM3 = 1e-3


@dataclass(frozen=True)
class VolumeAgreement:
    """Volumes of a row's test cases (mL).

    Attributes:
        row: Network and channel.
        truth: The expert's volume of each case.
        predicted: The network's, in the same order.
        correlation: Pearson's r; NaN for fewer than three cases, or where either volume is the same in all.
        bias: Mean of predicted minus true volume.
        isbi: ISBI 2015 score of the cases together, correlation included; NaN where the correlation is.
        low, high: 95 % limits of agreement, bias ∓ 1.96 standard deviations of the differences (Bland and Altman 1986,
            The Lancet 327: 307-310); NaN for fewer than three cases.
    """

    row: Row
    truth: tuple[float, ...]
    predicted: tuple[float, ...]
    correlation: float
    bias: float
    low: float
    high: float
    isbi: float

    @property
    def differences(self) -> tuple[float, ...]:
        """Predicted minus true volume of each case (mL)."""
        return tuple(predicted - true for predicted, true in zip(self.predicted, self.truth, strict=True))

    @property
    def means(self) -> tuple[float, ...]:
        """Mean of both volumes of each case (mL)."""
        return tuple((predicted + true) / 2 for predicted, true in zip(self.predicted, self.truth, strict=True))


def volume_agreements(rows: Sequence[Row]) -> list[VolumeAgreement]:
    """The agreement of each row that has volumes; none for slices."""
    return [agreement for row in rows if (agreement := _agreement(row)) is not None]


def _agreement(row: Row) -> VolumeAgreement | None:
    cases = row.evaluation.cases if row.evaluation is not None else []
    keys = ("volume_truth_mm3", "volume_prediction_mm3")
    pairs = [tuple(score.values.get(key, math.nan) * _ML_PER_MM3 for key in keys) for score in cases]
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if not pairs:
        return None
    truth, predicted = np.array(pairs).T
    difference = predicted - truth
    bias, correlation = float(difference.mean()), volume_correlation(truth, predicted)
    reach = 1.96 * float(difference.std(ddof=1)) if len(pairs) >= LIMITS_FROM else math.nan
    isbi = row.evaluation.cohort().get("isbi_score", math.nan) if row.evaluation is not None else math.nan
    limits = (bias - reach, bias + reach)
    return VolumeAgreement(row, tuple(truth), tuple(predicted), correlation, bias, *limits, isbi)
