"""Lesions one by one: how many of each size were found, and which of a case were missed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msseg.cases.names import counted
from msseg.evaluation.cohort import Stratum
from msseg.evaluation.scores import CaseScores
from msseg.metrics.detection import detection_rates
from msseg.metrics.lesions import LesionRow
from msseg.report.cells import number
from msseg.report.rows import Row

SHOWN = {"FN": 15, "FP": 10, "TP": 5}
"""Lesions of each verdict that a case's page lists; the file of lesions has all."""
VERDICTS = {"FN": "missed", "FP": "false", "TP": "found"}


@dataclass(frozen=True)
class Strata:
    """A row's lesions by size, smallest first, then all of them."""

    row: Row
    parts: tuple[Stratum, ...]


@dataclass(frozen=True)
class LesionView:
    """A lesion in a case's table: cells as printed, and what it is a verdict of."""

    verdict: str
    cells: tuple[str, ...]


LESION_HEADS = ("Size (mm³)", "Volume (mm³)", "Overlap", "Centre x, y, z (mm)", "Slice")


def strata_of(rows: Sequence[Row]) -> list[Strata]:
    """The lesions of each row by size, and all of them; nothing where no evaluation lists lesions."""
    listed = [(row, row.evaluation.strata()) for row in rows if row.evaluation is not None and row.evaluation.lesions]
    return [Strata(row, (*parts, _all_sizes(parts))) for row, parts in listed if parts]


def told(scored: CaseScores) -> str:
    """'7 of 12 lesions found, 3 false'; empty where lesions were not counted."""
    if "lesions_found" not in scored.values:
        return ""
    found, truth, false = (int(scored.values[key]) for key in ("lesions_found", "lesions_truth", "lesions_false"))
    return f"{found} of {counted(truth, 'lesion')} found, {false} false"


def lesion_views(scored: CaseScores, affine: NDArray[np.float64] | None) -> tuple[LesionView, ...]:
    """A case's lesions for its table: missed ones, largest first, then false ones, then those hardly found.

    Args:
        scored: The case.
        affine: 4 x 4 from voxels of the upright volume to world mm, which tells the slice; None: not known.
    """
    kinds = [
        sorted((x for x in scored.lesions if x.verdict == "FN"), key=lambda x: -x.volume_mm3),
        sorted((x for x in scored.lesions if x.verdict == "FP"), key=lambda x: -x.volume_mm3),
        sorted((x for x in scored.lesions if (x.kind, x.verdict) == ("truth", "TP")), key=lambda x: x.overlap_share),
    ]
    shown = [lesion for kind in kinds for lesion in kind[: SHOWN[kind[0].verdict] if kind else 0]]
    return tuple(LesionView(VERDICTS[lesion.verdict], _cells(lesion, affine)) for lesion in shown)


def all_lesions(rows: Sequence[Row]) -> list[tuple[Row, CaseScores, LesionRow]]:
    """Every lesion with its network and case."""
    return [
        (row, scored, lesion)
        for row in rows
        if row.evaluation is not None
        for scored in row.evaluation.cases
        for lesion in scored.lesions
    ]


def size_in_words(stratum: str) -> str:
    """'<10' -> '< 10', '10-50' -> '10–50', '>=250' -> '≥ 250'."""
    return stratum.replace(">=", "≥ ").replace("<", "< ").replace("-", "–")


def _all_sizes(parts: Sequence[Stratum]) -> Stratum:
    truth, found = sum(part.lesions_truth for part in parts), sum(part.lesions_found for part in parts)
    predicted, false = sum(part.lesions_predicted for part in parts), sum(part.lesions_false for part in parts)
    ltpr, lfpr, f1 = detection_rates(truth, found, predicted, predicted - false)
    return Stratum("all", truth, found, ltpr, predicted, false, lfpr, f1)


def _cells(lesion: LesionRow, affine: NDArray[np.float64] | None) -> tuple[str, ...]:
    centre = ", ".join(number(place, 0) for place in lesion.centroid_mm)
    place = "–"
    if affine is not None:
        place = str(1 + round(float((np.linalg.inv(affine) @ [*lesion.centroid_mm, 1])[2])))
    share = f"{number(100 * lesion.overlap_share, 0)} %"
    return size_in_words(lesion.stratum), number(lesion.volume_mm3, 0), share, centre, place
