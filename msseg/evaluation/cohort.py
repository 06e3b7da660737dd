"""What only a cohort has: the correlation of volumes, the ISBI 2015 score with it, and lesions by their size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import fmean

from msseg.evaluation.scores import CaseScores
from msseg.metrics.detection import detection_rates, isbi_score, volume_correlation
from msseg.metrics.lesions import LesionRow, LesionRules

COHORT = {
    "volume_correlation": "Pearson's correlation of the cases' volumes, prediction with truth; undefined below three"
    " cases, or where one side has the same volume in all",
    "isbi_score": "ISBI 2015: means over the cases of DSC/8 + precision/8 + (1 - LFPR)/4 + LTPR/4, plus"
    " volume_correlation/4; before the challenge's scaling to raters, so 1 is perfect. That of a case lacks the"
    " correlation",
    "volume_truth_mm3, volume_prediction_mm3": "of all cases together, in mm^3",
}
"""The keys of the cohort's own numbers."""

STRATA = (
    "lesions of all cases by their own volume in mm^3; ltpr of the true, lfpr of the predicted lesions of a size; a"
    " rate of no lesions is not defined"
)

ISBI_TERMS = ("dsc", "precision", "lfpr", "ltpr")


@dataclass(frozen=True)
class Stratum:
    """The lesions of one size in a cohort; rates of none are NaN.

    Attributes:
        stratum: The name of the class: '<10', '10-50', '>=250' (mm^3).
        lesions_truth: True lesions of this size.
        lesions_found: Those of them that were found.
        ltpr: Their share.
        lesions_predicted: Predicted lesions of this size.
        lesions_false: Those of them that are false.
        lfpr: Their share.
        lesion_f1: Harmonic mean of LTPR and 1 - LFPR.
    """

    stratum: str
    lesions_truth: int
    lesions_found: int
    ltpr: float
    lesions_predicted: int
    lesions_false: int
    lfpr: float
    lesion_f1: float


def by_size(rows: Iterable[LesionRow], rules: LesionRules) -> list[Stratum]:
    """Count lesions by their class of size, smallest first; every class has its entry."""
    rows = list(rows)
    return [_stratum(name, [row for row in rows if row.stratum == name]) for name in rules.strata]


def cohort_scores(cases: Sequence[CaseScores]) -> dict[str, float]:
    """The keys of `COHORT`; empty where scores are of a version of msseg that did not know them."""
    keys = (*ISBI_TERMS, "volume_truth_mm3", "volume_prediction_mm3")
    if not all(key in scores.values for scores in cases for key in keys):
        return {}
    columns = {key: [scores.values[key] for scores in cases] for key in keys}
    truth, prediction = columns["volume_truth_mm3"], columns["volume_prediction_mm3"]
    correlation = volume_correlation(truth, prediction)
    means = {key: fmean(columns[key]) for key in ISBI_TERMS}
    return {
        "volume_correlation": correlation,
        "isbi_score": isbi_score(**means, correlation=correlation),
        "volume_truth_mm3": sum(truth),
        "volume_prediction_mm3": sum(prediction),
    }


def pooled_lesions(cases: Sequence[CaseScores]) -> dict[str, float]:
    """Counts of the lesions of all cases and the rates that follow; empty for scores that do not have them."""
    keys = ("lesions_truth", "lesions_predicted", "lesions_found", "lesions_false")
    if not all(key in scores.values for scores in cases for key in keys):
        return {}
    counts = {key: sum(int(scores.values[key]) for scores in cases) for key in keys}
    true, predicted, found, false = counts.values()
    rates = detection_rates(true, found, predicted, predicted - false)
    return {**dict(zip(("ltpr", "lfpr", "lesion_f1"), rates, strict=True)), **counts}


def _stratum(name: str, rows: Sequence[LesionRow]) -> Stratum:
    truth, prediction = ([row.verdict for row in rows if row.kind == kind] for kind in ("truth", "prediction"))
    found, true = truth.count("TP"), prediction.count("TP")
    f1 = detection_rates(len(truth), found, len(prediction), true)[-1] if truth and prediction else nan
    ltpr = found / len(truth) if truth else nan
    lfpr = 1 - true / len(prediction) if prediction else nan
    return Stratum(name, len(truth), found, ltpr, len(prediction), len(prediction) - true, lfpr, f1)
