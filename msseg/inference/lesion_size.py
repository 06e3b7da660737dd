"""Lesions that are too small to be believed."""

from collections.abc import Sequence

import numpy as np

from msseg.metrics.components import label_components, voxels_at_least


def without_small_lesions(mask: np.ndarray, spacing_mm: Sequence[float], smallest_mm3: float) -> np.ndarray:
    """Take lesions below a volume out of a mask.

    A lesion is a 26-connected component, as in the lesion-wise scores. One of exactly `smallest_mm3` stays.

    Args:
        mask: Boolean, shape (X, Y, Z).
        spacing_mm: Voxel edges.
        smallest_mm3: Smallest volume that stays; 0: all stay.

    Returns:
        Boolean, the same shape; the given mask itself where nothing can be too small.
    """
    smallest = voxels_at_least(smallest_mm3, spacing_mm)
    if smallest <= 1 or not mask.any():
        return mask
    lesions = label_components(mask, 26, smallest)
    return lesions.number_of[lesions.labels] > 0
