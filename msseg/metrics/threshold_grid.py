"""What a case scores at many thresholds and smallest lesion sizes, from its probability."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msseg.metrics.components import Components, label_components, voxels_at_least
from msseg.metrics.lesions import LesionRules
from msseg.metrics.overlap import Mask, Overlap, joint_box
from msseg.metrics.selection import BY_LESIONS, BY_VOXELS, criterion_score, found_rates, lesion_score, voxel_score

Grid = NDArray[np.float64]


def score_grid(
    probability: NDArray[np.floating],
    truth: Mask,
    spacing_mm: Sequence[float],
    thresholds: Sequence[float],
    sizes_mm3: Sequence[float],
    criterion: str,
    rules: LesionRules | None = None,
) -> Grid:
    """Score the masks that a predictor would give with each threshold and smallest lesion.

    Lesions are numbered once for each threshold, the largest first: those that a smallest size leaves are the first
    ones, so that scores of voxels and of found lesions need no further pass over the volume.

    Args:
        probability: Of lesions, (X, Y, Z).
        truth: Boolean, the same shape.
        spacing_mm: Voxel edges.
        thresholds: Foreground is where the probability is above one of these.
        sizes_mm3: 26-connected lesions below one of these are taken out.
        criterion: One of `msseg.metrics.selection.CRITERIA`.
        rules: What counts as a lesion in lesion-wise scores; None: the defaults.

    Returns:
        (thresholds, sizes) scores.
    """
    rules = rules or LesionRules()
    box = joint_box(probability > min(thresholds), truth)
    near, mask = probability[box], np.ascontiguousarray(truth[box])
    counted = voxels_at_least(rules.min_lesion_mm3, spacing_mm)
    true = label_components(mask, rules.connectivity, counted)
    smallest = [voxels_at_least(size, spacing_mm) for size in sizes_mm3]
    grid = np.empty((len(thresholds), len(sizes_mm3)))
    for row, threshold in zip(grid, thresholds, strict=True):
        lesions = label_components(near > threshold, 26)
        overlaps = _overlaps(lesions, mask)
        scores: dict[int, float] = {}
        for place, size in enumerate(smallest):
            kept = int((lesions.sizes >= size).sum())
            if kept in scores:
                pass
            elif criterion in BY_VOXELS:
                scores[kept] = voxel_score(criterion, overlaps[kept], spacing_mm)
            elif criterion in BY_LESIONS and rules.connectivity == 26:
                first = int((lesions.sizes >= max(size, counted)).sum())
                scores[kept] = lesion_score(criterion, found_rates(lesions, true, rules.overlap, first), overlaps[kept])
            else:
                numbers = lesions.number_of[lesions.labels]
                left = (numbers > 0) & (numbers <= kept)
                scores[kept] = criterion_score(criterion, left, mask, spacing_mm, rules, probability.shape)
            row[place] = scores[kept]
    return grid


def _overlaps(lesions: Components, truth: Mask) -> list[Overlap]:
    """The voxels' overlap if only the first 0, 1, 2, ... lesions are there."""
    hits = np.bincount(lesions.number_of[lesions.labels[truth]], minlength=len(lesions) + 1)[1:]
    true = int(truth.sum())
    tp, predicted = ([0, *np.cumsum(voxels).tolist()] for voxels in (hits, lesions.sizes))
    return [Overlap(ours, all_ours - ours, true - ours) for ours, all_ours in zip(tp, predicted, strict=True)]
