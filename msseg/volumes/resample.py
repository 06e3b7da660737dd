"""Resampling along axes: linear interpolation as small matrices, smoothed first where voxels become larger.

A volume is resampled along one axis after the other, each a product with a matrix of (new voxels, old voxels). So a
part of the new grid costs its own rows alone and is exactly that part of the whole, zeros stay exact zeros, and a head
of 182 x 218 x 182 takes a tenth of the time of `scipy.ndimage.affine_transform`. The products are sparse ones: a dense
one would be of many threads, which wait for each other for seconds on a machine that is busy. SciPy is imported where
it is used, since most predictions resample nothing and its import takes longer than their preprocessing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def smoothing_sigma(ratio: float) -> float:
    """Standard deviation, in old voxels, of the Gaussian that makes a voxel's profile as wide as a new one's.

    Profiles are Gaussians whose full width at half maximum is a voxel (Cardoso et al. 2015, "Scale factor point spread
    function matching", MICCAI). 0 where the new voxels, `ratio` times as long as the old, are not longer.
    """
    return math.sqrt(ratio**2 - 1) / FWHM_PER_SIGMA if ratio > 1 else 0.0


def linear_weights(length: int, positions: np.ndarray, ratio: float = 1.0, beyond_edge: bool = True) -> np.ndarray:
    """The matrix that interpolates linearly along an axis.

    Args:
        length: Old voxels along the axis.
        positions: Centres of the new voxels in old voxels, shape (N,).
        ratio: How many old voxels long a new one is; above 1 the axis is smoothed before.
        beyond_edge: Whether positions more than half a voxel beyond the first or last centre get the edge's value
            (True) or 0.

    Returns:
        Shape (N, length), float32; each row sums to 1, or to 0 where there is nothing.
    """
    first, share = _neighbours(length, positions)
    weights = np.zeros((len(positions), length))
    rows = np.arange(len(positions))
    weights[rows, first] = 1 - share
    weights[rows, np.minimum(first + 1, length - 1)] += share
    sigma = smoothing_sigma(ratio)
    if sigma > 0:
        from scipy.ndimage import gaussian_filter1d

        smooth = gaussian_filter1d(np.eye(length), sigma, axis=0, mode="nearest")
        weights = weights @ smooth
    if not beyond_edge:
        weights[~is_within(length, positions)] = 0
    return weights.astype(np.float32)


def nearest_weights(length: int, positions: np.ndarray, beyond_edge: bool = True) -> np.ndarray:
    """Indices of the nearest old voxels, shape (N,); -1 where there is none (see `linear_weights`)."""
    # Half-way places take the higher index, as in ITK: NumPy's rounding to even would take each second one twice.
    index = np.clip(np.floor(positions + 0.5 + 1e-6).astype(int), 0, length - 1)
    return index if beyond_edge else np.where(is_within(length, positions), index, -1)


def is_within(length: int, positions: np.ndarray) -> np.ndarray:
    """Whether positions (in voxels) lie in one of the voxels of an axis; the edges do, but for rounding."""
    inside: np.ndarray = (positions >= -0.5 - 1e-4) & (positions <= length - 0.5 + 1e-4)
    return inside


def apply_weights(data: np.ndarray, weights: Sequence[np.ndarray | None]) -> np.ndarray:
    """Interpolate an array (X, Y, Z) of floating point with a matrix for each axis; None leaves the axis as it is."""
    from scipy.sparse import csr_array

    result = np.ascontiguousarray(data, dtype=np.float32)
    # What shrinks most goes first, so that the others have less to do.
    order = sorted(range(3), key=lambda axis: _growth(weights[axis]))
    for axis in order:
        matrix = weights[axis]
        if matrix is None:
            continue
        result = _along(result, csr_array(matrix), axis)
    return result


def take_nearest(data: np.ndarray, index: Sequence[np.ndarray | None]) -> np.ndarray:
    """Values (X, Y, Z) of any type at indices along each axis; zeros where an index is -1; None: the axis as it is."""
    for axis, chosen in enumerate(index):
        if chosen is None:
            continue
        data = data.take(chosen.clip(0), axis)
        if (chosen < 0).any():
            data[(slice(None),) * axis + (chosen < 0,)] = 0
    return data


def _neighbours(length: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The voxel before each position, and the share of the one after it."""
    clamped = np.clip(positions, 0, length - 1)
    nearest = np.rint(clamped)
    clamped = np.where(np.abs(clamped - nearest) < 1e-6, nearest, clamped)  # a voxel's centre is that voxel alone
    first = np.floor(clamped).astype(int)
    return first, clamped - first


def _growth(matrix: np.ndarray | None) -> float:
    return 1.0 if matrix is None else matrix.shape[0] / matrix.shape[1]


def _along(data: np.ndarray, matrix: csr_array, axis: int) -> np.ndarray:
    x, y, z = data.shape
    length = matrix.shape[0]
    if axis == 0:
        flat: np.ndarray = matrix @ data.reshape(x, y * z)
        return flat.reshape(length, y, z)
    result = np.empty((x, length, z) if axis == 1 else (x, y, length), dtype=np.float32)
    for plane, target in zip(data, result, strict=True):
        target[:] = matrix @ plane if axis == 1 else (matrix @ np.ascontiguousarray(plane.T)).T
    return result
