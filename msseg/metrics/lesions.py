"""Scores of lesions: whether each was found, and all that is said of a case's two masks.

A lesion is a connected component of a mask. It is found where the other mask's lesions cover one voxel of it, or a
given share. LTPR is the share of true lesions that were found, LFPR the share of predicted lesions that are false.
Lesions below a smallest volume are left out of both masks before lesions are compared; scores of voxels know nothing of
it.

The rule for empty masks holds for lesions as well: no lesion in both -> LTPR 1, LFPR 0, F1 1; in exactly one -> LTPR 0,
LFPR 1, F1 0. So exchanging prediction and truth always exchanges LTPR and 1 - LFPR.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, nan, prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msseg.config.inference import EvaluationConfig
from msseg.metrics.components import (
    Components,
    Connectivity,
    Counts,
    label_components,
    shared_voxels,
    voxels_at_least,
)
from msseg.metrics.detection import detection_rates, isbi_score
from msseg.metrics.msseg2016 import msseg_detection
from msseg.metrics.overlap import Mask, Overlap, count_overlap, joint_box, require_masks
from msseg.metrics.surface import surface_distances

Kind = Literal["truth", "prediction"]
Verdict = Literal["TP", "FP", "FN"]

SHARE_TOLERANCE = 1e-9
"""In voxels: 0.07 of 100 voxels are 7 of them, although 0.07 * 100 is above 7 in floating point."""


@dataclass(frozen=True)
class LesionRules:
    """What counts as a lesion, and as found.

    Attributes:
        connectivity: Neighbours that belong to one lesion: 6 share a face, 18 an edge as well, 26 a corner as well.
        min_lesion_mm3: Smaller lesions are left out, in both masks.
        overlap: Share of a lesion that the other mask's lesions have to cover for it to be found; 0: one voxel.
        strata_mm3: Rising volumes that part the lesions into classes of size.
        tolerance_mm: How far apart surfaces may lie for the surface DSC.
    """

    connectivity: Connectivity = 26
    min_lesion_mm3: float = 0.0
    overlap: float = 0.0
    strata_mm3: tuple[float, ...] = (10.0, 50.0, 250.0)
    tolerance_mm: float = 1.0

    def __post_init__(self) -> None:
        if self.connectivity not in (6, 18, 26):
            raise ValueError(f"connectivity is 6, 18 or 26, not {self.connectivity}")
        if not (0 <= self.min_lesion_mm3 < inf and 0 <= self.tolerance_mm < inf and 0 <= self.overlap <= 1):
            raise ValueError(f"volumes and distances are at least 0, and the overlap is from 0 to 1: {self}")
        if any(low >= high for low, high in pairwise((0.0, *self.strata_mm3, inf))):
            raise ValueError(f"strata_mm3 need to rise from above 0, not {self.strata_mm3}")

    @classmethod
    def from_config(cls, config: EvaluationConfig) -> "LesionRules":
        """The rules of an experiment."""
        return cls(config.connectivity, config.min_lesion_mm3, config.overlap, config.strata_mm3, config.tolerance_mm)

    @property
    def strata(self) -> tuple[str, ...]:
        """The names of the classes of size, smallest first: '<10', '10-50', '>=50'; 'all' where there is one."""
        edges = [f"{edge:g}" for edge in self.strata_mm3]
        if not edges:
            return ("all",)
        return (f"<{edges[0]}", *(f"{low}-{high}" for low, high in pairwise(edges)), f">={edges[-1]}")


@dataclass(frozen=True)
class LesionRow:
    """One lesion.

    Attributes:
        case: Name of its case; empty where nobody said.
        number: Within its case and kind, from 1, largest first.
        kind: Which mask it is a lesion of.
        centroid_mm: Its centre of mass (x, y, z) in world space, mm.
        volume_mm3: Its volume.
        overlap_mm3: How much of it lies in lesions of the other mask.
        verdict: TP: found (of the truth) or true (of the prediction); FN: a true lesion that was missed; FP: a
            predicted one that is false.
        stratum: Its class of size, one of `LesionRules.strata`.
    """

    case: str
    number: int
    kind: Kind
    centroid_mm: tuple[float, float, float]
    volume_mm3: float
    overlap_mm3: float
    verdict: Verdict
    stratum: str

    @property
    def overlap_share(self) -> float:
        """Share of it that lies in lesions of the other mask."""
        return self.overlap_mm3 / self.volume_mm3


@dataclass(frozen=True, eq=False)
class Lesions:
    """The lesions of one mask, largest first.

    Attributes:
        voxels: (n,) how large they are.
        covered: (n,) how many of these voxels lie in lesions of the other mask.
        found: (n,) whether that is enough.
        centroids: (n, 3) their centres of mass, in voxel indices.
    """

    voxels: Counts
    covered: Counts
    found: NDArray[np.bool_]
    centroids: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LesionScores:
    """All that was measured of a case.

    Attributes:
        values: The scores by name, as `lesion_scores` gives them.
        truth: The lesions of the truth.
        prediction: The lesions of the prediction.
        spacing_mm: Voxel edges.
        rules: What counted as a lesion.
    """

    values: dict[str, float]
    truth: Lesions
    prediction: Lesions
    spacing_mm: tuple[float, ...]
    rules: LesionRules

    def rows(self, case: str = "", affine: NDArray[np.float64] | None = None) -> tuple[LesionRow, ...]:
        """One row per lesion, those of the truth first.

        Args:
            case: Name of the case.
            affine: 4 x 4 from voxel indices to world mm; None: the world begins at the first voxel.
        """
        matrix = np.diag([*self.spacing_mm, 1.0]) if affine is None else affine
        return (
            *self._rows(case, "truth", self.truth, matrix),
            *self._rows(case, "prediction", self.prediction, matrix),
        )

    def _rows(self, case: str, kind: Kind, lesions: Lesions, affine: NDArray[np.float64]) -> list[LesionRow]:
        voxel_mm3, names = prod(self.spacing_mm), self.rules.strata
        volumes = lesions.voxels * voxel_mm3
        strata = np.searchsorted(self.rules.strata_mm3, volumes, side="right")
        places = lesions.centroids @ affine[:3, :3].T + affine[:3, 3]
        wrong: Verdict = "FN" if kind == "truth" else "FP"
        return [
            LesionRow(
                case,
                index + 1,
                kind,
                (float(places[index, 0]), float(places[index, 1]), float(places[index, 2])),
                float(volumes[index]),
                float(lesions.covered[index] * voxel_mm3),
                "TP" if lesions.found[index] else wrong,
                names[strata[index]],
            )
            for index in range(len(volumes))
        ]


def lesion_scores(
    prediction: Mask, truth: Mask, spacing_mm: Sequence[float], rules: LesionRules | None = None
) -> dict[str, float]:
    """All scores of one pair of boolean masks (X, Y, Z), by the names that `msseg.evaluation.scores` explains.

    Counts and voxel volumes are whole numbers; what is not defined is NaN.

    Raises:
        ValueError: The shapes differ, an array is not boolean or has not three axes, or the spacing does not fit them.
    """
    return lesion_report(prediction, truth, spacing_mm, rules).values


def lesion_report(
    prediction: Mask, truth: Mask, spacing_mm: Sequence[float], rules: LesionRules | None = None
) -> LesionScores:
    """All scores of one pair of boolean masks (X, Y, Z), and their lesions.

    Args:
        prediction: Boolean.
        truth: Boolean, the same shape.
        spacing_mm: Distance between voxel centres along each axis.
        rules: What counts as a lesion, and as found; None: the defaults.

    Raises:
        ValueError: As `lesion_scores`.
    """
    require_masks(prediction, truth)
    if prediction.ndim != 3 or len(spacing_mm) != 3:
        raise ValueError(f"masks of lesions have three axes, and a spacing for each, not {prediction.ndim}")
    rules = rules or LesionRules()
    box = joint_box(prediction, truth)
    masks = prediction[box], truth[box]
    overlap = count_overlap(*masks)
    predicted, true = _lesions(*masks, spacing_mm, rules, [side.start for side in box])
    ltpr, lfpr, f1 = detection_rates(len(true.found), true.found.sum(), len(predicted.found), predicted.found.sum())
    surfaces = surface_distances(*masks, spacing_mm)
    empty = overlap == Overlap(0, 0, 0)
    detection = msseg_detection(*masks, spacing_mm)
    values = {
        **overlap_scores(overlap),
        "surface_dsc": surfaces.dsc(rules.tolerance_mm) if surfaces.defined else float(empty),
        "hd95_mm": surfaces.hd95,
        "assd_mm": surfaces.assd,
        "ltpr": ltpr,
        "lfpr": lfpr,
        "lesion_f1": f1,
        "msseg_sensitivity": detection.sensitivity,
        "msseg_precision": detection.precision,
        "msseg_f1": detection.f1,
        "isbi_score": isbi_score(overlap.dsc, overlap.precision, lfpr, ltpr),
        **_volumes(overlap, prod(spacing_mm)),
        "lesions_truth": len(true.found),
        "lesions_predicted": len(predicted.found),
        "lesions_found": int(true.found.sum()),
        "lesions_false": int((~predicted.found).sum()),
        "tp": overlap.tp,
        "fp": overlap.fp,
        "fn": overlap.fn,
    }
    return LesionScores(values, true, predicted, tuple(spacing_mm), rules)


def overlap_scores(overlap: Overlap) -> dict[str, float]:
    """DSC, IoU, sensitivity and precision of counted voxels, of one case or of several pooled."""
    return {key: getattr(overlap, key) for key in ("dsc", "iou", "sensitivity", "precision")}


def _lesions(
    prediction: Mask, truth: Mask, spacing_mm: Sequence[float], rules: LesionRules, corner: Sequence[int]
) -> tuple[Lesions, Lesions]:
    """The lesions of two masks; the voxel `corner` of the whole volume is their first."""
    smallest = voxels_at_least(rules.min_lesion_mm3, spacing_mm)
    predicted, true = (label_components(mask, rules.connectivity, smallest) for mask in (prediction, truth))
    shared = shared_voxels(predicted, true)
    ours = _judged(predicted, shared.first, shared.voxels, rules.overlap, corner)
    return ours, _judged(true, shared.second, shared.voxels, rules.overlap, corner)


def _judged(components: Components, own: Counts, voxels: Counts, overlap: float, corner: Sequence[int]) -> Lesions:
    covered = np.bincount(own, weights=voxels, minlength=len(components)).astype(np.int64)
    found = (covered > 0) & (covered >= overlap * components.sizes - SHARE_TOLERANCE)
    return Lesions(components.sizes, covered, found, components.centroids() + np.asarray(corner))


def _volumes(overlap: Overlap, voxel_mm3: float) -> dict[str, float]:
    predicted, true = overlap.tp + overlap.fp, overlap.tp + overlap.fn
    relative = (predicted - true) / true if true else (nan if predicted else 0.0)
    return {
        "volume_truth_mm3": true * voxel_mm3,
        "volume_prediction_mm3": predicted * voxel_mm3,
        "volume_difference_mm3": (predicted - true) * voxel_mm3,
        "volume_difference_relative": relative,
        "volume_truth_voxels": true,
        "volume_prediction_voxels": predicted,
        "volume_difference_voxels": predicted - true,
    }
