"""Smooth random fields that drift from plane to plane of a stack."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.fields import FloatArray, smooth_field

PLANES_PER_SECTION = 4
"""A section is 50 nm thick, 12 pixels of 4 nm: it shows the average of this many planes."""


@dataclass(frozen=True)
class DriftingField:
    """Gaussian random field (mean 0, standard deviation 1), kept on a coarse grid and interpolated linearly."""

    coarse: FloatArray
    """Values (planes, rows, columns) on the coarse grid."""
    step: float
    """Pixels from one point of the coarse grid to the next."""
    weights: FloatArray
    """Linear interpolation from the grid to pixels (size, grid points of an axis)."""

    def plane(self, number: int) -> FloatArray:
        """The field (rows, columns) in one plane."""
        return np.asarray(self.weights @ self.coarse[number] @ self.weights.T)

    def at(self, points: NDArray[np.float64]) -> FloatArray:
        """Values (planes, points) at points (points, 2) in pixels, the nearest ones for points outside."""
        return np.stack(
            [ndimage.map_coordinates(p, points.T / self.step, order=1, mode="nearest") for p in self.coarse]
        )


def drifting_field(
    planes: int, size: int, scale: float, scale_sections: float, rng: np.random.Generator
) -> DriftingField:
    """A field of size x size pixels that changes over `scale` pixels, and over `scale_sections` sections."""
    # One plane counts as much as one step of the coarse grid, which makes the field isotropic there.
    step = scale / (scale_sections * PLANES_PER_SECTION)
    points = int(np.ceil((size - 1) / step)) + 1
    coarse = smooth_field((planes, points, points), step, scale, rng)
    return DriftingField(coarse, step, _linear_weights(size, points, step))


def _linear_weights(size: int, points: int, step: float) -> FloatArray:
    distance = np.abs(np.arange(size)[:, None] / step - np.arange(points)[None, :])
    return np.clip(1 - distance, 0, 1).astype(np.float32)
