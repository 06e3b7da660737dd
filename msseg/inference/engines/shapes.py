"""How windows of any size are brought to sizes that a network computes, and its logits back; numpy's side of
`VolumeNetwork` and `SliceNetwork`, which do the same to tensors."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from msseg.config.section import Section
from msseg.inference.places import Size

Compute = Callable[[np.ndarray], np.ndarray]
"""The exported part of a network: arrays of sizes that need no padding to logits."""


class Shapes(Section):
    """What has to be known about a network to give it windows of any size.

    Attributes are those of `SegmentationNetwork`.
    """

    kind: Literal["volumes", "slices"]
    """Whether the network takes (B, C, X, Y, Z), or (B, C, X, Y) slice by slice."""
    multiples: tuple[int, int, int]
    """The network computes sizes in steps of this along each axis."""
    multiple: int
    """The same in the plane of the first two axes, or the largest."""
    smallest: int
    """The smallest size in the plane that is computed without padding."""
    margin: int
    """Voxels of surroundings that a logit needs on each side in the plane."""

    def fitting(self, length: int) -> int:
        """The least size from `length` on that is computed without padding."""
        steps = -(-(length - self.smallest) // self.multiple)
        return self.smallest + max(steps, 0) * self.multiple

    def everywhere(self, compute: Compute, windows: np.ndarray) -> np.ndarray:
        """Logits (B, 1, X, Y, Z) of windows (B, C, X, Y, Z); the border is continued where surroundings lack."""
        if self.kind == "slices":
            return self._by_slices(compute, windows, self.margin)
        return self._volumes(compute, windows)

    def centre(self, compute: Compute, windows: np.ndarray) -> np.ndarray:
        """Logits of what has `margin` voxels of surroundings in the windows, smaller by these."""
        return self._by_slices(compute, windows, 0)

    def _volumes(self, compute: Compute, windows: np.ndarray) -> np.ndarray:
        size = windows.shape[2:]
        inner = self._padded(size)
        if inner == size:
            return compute(windows)
        before = [(to - length) // 8 * 4 for length, to in zip(size, inner, strict=True)]
        sides = [(first, to - length - first) for first, to, length in zip(before, inner, size, strict=True)]
        logits = compute(np.pad(windows, [(0, 0), (0, 0), *sides], mode="edge"))
        x, y, z = (slice(first, first + length) for first, length in zip(before, size, strict=True))
        return logits[:, :, x, y, z]

    def _padded(self, size: Sequence[int]) -> Size:
        x, y, z = (-(-length // multiple) * multiple for length, multiple in zip(size, self.multiples, strict=True))
        # One bottleneck voxel has no variance.
        return (2 * x, 2 * y, 2 * z) if (x, y, z) == self.multiples else (x, y, z)

    def _by_slices(self, compute: Compute, windows: np.ndarray, surroundings: int) -> np.ndarray:
        batch, channels, *plane, depth = windows.shape
        slices = np.moveaxis(windows, 4, 1).reshape(batch * depth, channels, *plane)
        logits = self._slices(compute, slices, surroundings)
        return np.moveaxis(logits.reshape(batch, depth, *logits.shape[1:]), 1, 4)

    def _slices(self, compute: Compute, slices: np.ndarray, surroundings: int) -> np.ndarray:
        height, width = (length + 2 * (surroundings - self.margin) for length in slices.shape[2:])
        inner = [self.fitting(length + 2 * surroundings) for length in slices.shape[2:]]
        if self.margin == 0 and inner[0] * inner[1] == self.multiple**2 > 1:
            inner = [2 * self.multiple, 2 * self.multiple]
        return compute(mirrored(slices, surroundings, inner))[:, :, :height, :width]


def mirrored(array: np.ndarray, before: int, size: Sequence[int]) -> np.ndarray:
    """Continue axes 2 and 3 by reflection: `before` voxels on the near sides, the rest of `size` on the far ones."""
    for axis, length in zip((2, 3), size, strict=True):
        if (have := array.shape[axis]) != length:
            place = np.arange(-before, length - before) % max(2 * have - 2, 1)
            array = array.take(np.minimum(place, 2 * have - 2 - place) if have > 1 else place, axis)
    return array
