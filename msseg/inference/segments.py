"""From probability to objects: the neurites or cells of each slice, numbered.

SciPy and scikit-image are imported where they are used: lesions are predicted without them, in less time than they take
to import.
"""

import numpy as np

FOUR_NEIGHBOURS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
"""As the challenges count: neurites that meet at a corner alone are two."""


def connected_regions(mask: np.ndarray) -> np.ndarray:
    """Number the 4-connected regions of every slice.

    Args:
        mask: Boolean, shape (X, Y, Z).

    Returns:
        int32 of the same shape, 0 outside; numbers begin with 1 in every slice.
    """
    from scipy import ndimage

    slices = [ndimage.label(mask[:, :, z], FOUR_NEIGHBOURS)[0] for z in range(mask.shape[2])]
    return np.stack(slices, axis=2).astype(np.int32)


def watershed_segments(probability: np.ndarray, threshold: float, mask_threshold: float, smallest: int) -> np.ndarray:
    """Grow regions that are surely inside to the membranes between them, slice by slice.

    A region begins where the probability is above `threshold` on at least `smallest` connected pixels. A watershed of
    the probability then grows it over the pixels above the lower of the two thresholds: a gap in a membrane that is
    open at `mask_threshold` but closed at a higher `threshold` no longer merges two neurites. What no region reaches
    becomes a segment of its own where it is large enough, and background otherwise.

    Args:
        probability: P(inside), shape (X, Y, Z).
        threshold: Where regions begin.
        mask_threshold: How far they grow.
        smallest: Pixels that a region needs.

    Returns:
        int32 of the same shape, 0 is membrane or background; numbers begin with 1 in every slice.
    """
    segments = [
        _slice_segments(probability[:, :, z], threshold, min(threshold, mask_threshold), smallest)
        for z in range(probability.shape[2])
    ]
    return np.stack(segments, axis=2)


def _slice_segments(probability: np.ndarray, threshold: float, mask_threshold: float, smallest: int) -> np.ndarray:
    from scipy import ndimage
    from skimage.segmentation import watershed

    mask = probability > mask_threshold
    seeds = _large(probability > threshold, smallest)
    whole, _ = ndimage.label(mask, FOUR_NEIGHBOURS)
    seeded = np.zeros(whole.max() + 1, dtype=bool)
    seeded[whole[seeds > 0]] = True
    left = _large(mask & ~seeded[whole], smallest)
    seeds = np.where(left > 0, left + seeds.max(), seeds)
    return watershed(-probability, seeds, connectivity=FOUR_NEIGHBOURS, mask=mask).astype(np.int32)


def _large(mask: np.ndarray, smallest: int) -> np.ndarray:
    """Numbers of the connected regions of at least `smallest` pixels."""
    from scipy import ndimage

    numbers, count = ndimage.label(mask, FOUR_NEIGHBOURS)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    kept = sizes >= smallest
    kept[0] = False
    renumbered = np.where(kept, np.cumsum(kept), 0)
    return renumbered[numbers]
