"""Resampling masks: by the nearest voxel, or by the distance to their border."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from msseg.volumes.resample import apply_weights, linear_weights, nearest_weights, take_nearest

Interpolation = Literal["nearest", "signed_distance"]

ON_THE_BORDER = 1e-3
"""Distance, in edges of voxels, that is none: rounding."""
AROUND = 2
"""Voxels of background around a mask that its distances are computed in; beyond, they are not negative."""


def resample_mask(
    mask: np.ndarray,
    positions: Sequence[np.ndarray | None],
    interpolation: Interpolation,
    spacing: tuple[float, float, float],
    beyond_edge: bool = True,
) -> np.ndarray:
    """A mask (X, Y, Z) at other positions along its axes.

    Args:
        mask: Boolean.
        positions: For each axis the centres of the new voxels in old voxels; None: the axis stays as it is.
        interpolation: The nearest voxel's value, or whether the linearly interpolated distance to the border (positive
            outside) is negative; where it is 0, as halfway between two slices, the nearest voxel's value again.
        spacing: Voxel edge lengths, in which distances are measured.
        beyond_edge: Whether positions beyond the first and last voxels get the edge's value or False; by distance they
            are False in any case.
    """
    index = [
        None if at is None else nearest_weights(length, at, beyond_edge)
        for length, at in zip(mask.shape, positions, strict=True)
    ]
    nearest = np.ascontiguousarray(take_nearest(mask, index))
    if interpolation == "nearest" or not mask.any():
        return nearest
    distance, corner = distance_in_box(mask, spacing)
    weights = [
        linear_weights(length, (np.arange(whole) if at is None else at) - first)
        for length, first, whole, at in zip(distance.shape, corner, mask.shape, positions, strict=True)
    ]
    signed = apply_weights(distance, weights)
    return np.where(np.abs(signed) < ON_THE_BORDER * min(spacing), nearest, signed < 0)


def distance_in_box(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Signed distance about a mask that is not empty, and the first voxel of the box it is computed in.

    Within the mask it is exact, since what is nearest outside lies in the box; beyond the volume there is background.
    """
    from msseg.volumes.maps import signed_distance  # SciPy, which most predictions do without

    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append((int(hit[0]), int(hit[-1]) + 1))
    inner = mask[tuple(slice(*ends) for ends in box)]
    x, y, z = (first - AROUND for first, _ in box)
    return signed_distance(np.pad(inner, AROUND), spacing), (x, y, z)
