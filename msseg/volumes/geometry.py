"""The way of a volume to the network's grid and back: axis order, axis direction, spacing, crop, size."""

import math
from dataclasses import dataclass, replace
from typing import Any

import nibabel as nib
import numpy as np

from msseg.volumes.masks import Interpolation, resample_mask
from msseg.volumes.resample import apply_weights, linear_weights, nearest_weights, take_nearest

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Spacing = tuple[float, float, float]

SAME_SPACING = 1e-3
"""Relative difference of two edge lengths up to which they are the same: headers round."""


@dataclass(frozen=True)
class Grid:
    """How the source array maps to the network's array.

    Attributes:
        source_shape: Shape of the array in the file.
        axes: For each axis of the source, the axis of the network's grid that it becomes.
        flips: For each axis of the source, 1, or -1 where it is reversed.
        box: First and last-plus-one index of the crop along each axis, after reorienting and resampling.
        resized: Length of the first two axes after resizing every slice; None: as the crop left them.
        steps: Length of a voxel of the network's grid along each of its axes, in voxels of the source; None: they are
            the source's voxels. Both grids have the same centre.
    """

    source_shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    flips: tuple[int, int, int]
    box: Box
    resized: tuple[int, int] | None = None
    steps: tuple[float, float, float] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the network's array."""
        x, y, z = self._cropped
        return (x, y, z) if self.resized is None else (*self.resized, z)

    @property
    def _cropped(self) -> tuple[int, int, int]:
        (x0, x1), (y0, y1), (z0, z1) = self.box
        return x1 - x0, y1 - y0, z1 - z0

    @property
    def reoriented_shape(self) -> tuple[int, int, int]:
        """Shape of the source's array with its axes in the network's order."""
        sizes = [0, 0, 0]
        for size, axis in zip(self.source_shape, self.axes, strict=True):
            sizes[axis] = size
        return sizes[0], sizes[1], sizes[2]

    @property
    def whole_shape(self) -> tuple[int, int, int]:
        """Shape of the network's grid before the crop."""
        return _resampled_shape(self.reoriented_shape, self.steps)

    def resampled(self, steps: tuple[float, float, float]) -> "Grid":
        """This grid, not yet cropped, with voxels of other lengths; steps close to 1 are left out."""
        x, y, z = (1.0 if abs(step - 1) <= SAME_SPACING else step for step in steps)
        if (x, y, z) == (1, 1, 1):
            return self
        whole = _resampled_shape(self.reoriented_shape, (x, y, z))
        return replace(self, steps=(x, y, z), box=tuple((0, size) for size in whole))  # type: ignore[arg-type]

    def cropped(self, box: Box) -> "Grid":
        """This grid cropped to a box in the reoriented source's voxels: to all voxels that reach into it."""
        if self.steps is None:
            return replace(self, box=box)
        ends = []
        for (first, stop), size, whole, step in zip(
            box, self.reoriented_shape, self.whole_shape, self.steps, strict=True
        ):
            low = math.floor((first - size / 2) / step + whole / 2 + 1e-6)
            high = math.ceil((stop - size / 2) / step + whole / 2 - 1e-6)
            low = min(max(low, 0), whole - 1)
            ends.append((low, min(max(high, low + 1), whole)))
        return replace(self, box=(ends[0], ends[1], ends[2]))

    def reorient(self, data: np.ndarray) -> np.ndarray:
        """Bring an array of the source's shape to the network's axes, without the crop."""
        if data.shape != self.source_shape:
            raise ValueError(f"an array of shape {data.shape} is not on a grid of shape {self.source_shape}")
        return nib.orientations.apply_orientation(data, np.column_stack([self.axes, self.flips]))

    def to_network(self, data: np.ndarray) -> np.ndarray:
        """Reorient, resample, crop and resize an array of the source's shape (X, Y, Z).

        Floating point is interpolated linearly and smoothed where voxels become larger, anything else takes the
        nearest value.
        """
        reoriented = self.reorient(data)
        if self.steps is None:
            cropped = reoriented[tuple(slice(*ends) for ends in self.box)]
        elif data.dtype.kind == "f":
            weights = [
                None if at is None else linear_weights(size, at, step)
                for size, at, step in zip(reoriented.shape, self._positions(), self.steps, strict=True)
            ]
            cropped = apply_weights(self._part(reoriented), weights).astype(data.dtype, copy=False)
        else:
            index = [
                None if at is None else nearest_weights(size, at)
                for size, at in zip(reoriented.shape, self._positions(), strict=True)
            ]
            cropped = take_nearest(self._part(reoriented), index)
        return cropped if self.resized is None else resize_slices(cropped, self.resized)

    def mask_to_network(self, mask: np.ndarray, interpolation: Interpolation, spacing: Spacing) -> np.ndarray:
        """As `to_network` for a mask, resampled as asked for; `spacing` is the source's, along the network's axes."""
        if self.steps is None or interpolation == "nearest":
            return self.to_network(mask)
        reoriented = self.reorient(mask)
        return resample_mask(self._part(reoriented), self._positions(), interpolation, spacing)

    def _positions(self) -> list[np.ndarray | None]:
        """Centres of the voxels along each axis in the reoriented source's; None where they are its own."""
        assert self.steps is not None
        return [
            None if step == 1 else (np.arange(*ends) + 0.5 - whole / 2) * step + size / 2 - 0.5
            for ends, whole, size, step in zip(
                self.box, self.whole_shape, self.reoriented_shape, self.steps, strict=True
            )
        ]

    def _part(self, reoriented: np.ndarray) -> np.ndarray:
        """The array cropped along the axes that are not resampled."""
        assert self.steps is not None
        return reoriented[
            tuple(slice(*ends) if step == 1 else slice(None) for ends, step in zip(self.box, self.steps, strict=True))
        ]

    def to_source(self, data: np.ndarray, fill: float = 0) -> np.ndarray:
        """Undo `to_network`; voxels outside the crop get `fill`."""
        if data.shape != self.shape:
            raise ValueError(f"an array of shape {data.shape} is not on a grid of shape {self.shape}")
        if self.resized is not None:
            data = resize_slices(data, self._cropped[:2])
        box = self.box
        if self.steps is not None:
            data, box = self._resample_back(data, fill)
        inverse = self._inverse()
        place = [slice(0)] * 3
        for (axis, flip), (first, end), length in zip(inverse, box, self.reoriented_shape, strict=True):
            place[int(axis)] = slice(first, end) if flip == 1 else slice(length - end, length - first)
        # Of zeros the system gives pages only where something is written: a head is a third of its volume.
        source = np.full(self.source_shape, fill, data.dtype) if fill else np.zeros(self.source_shape, data.dtype)
        source[tuple(place)] = nib.orientations.apply_orientation(data, inverse)
        return source

    def _resample_back(self, data: np.ndarray, fill: float) -> tuple[np.ndarray, Box]:
        """The crop in the reoriented source's voxels, fading into `fill` at its sides, and where it lies in them."""
        assert self.steps is not None
        positions: list[np.ndarray | None] = []
        box, padding = [], []
        for ends, whole, size, step in zip(self.box, self.whole_shape, self.reoriented_shape, self.steps, strict=True):
            if step == 1:
                positions.append(None)
                box.append(ends)
                padding.append((0, 0))
                continue
            at = (np.arange(size) + 0.5 - size / 2) / step + whole / 2 - 0.5 - ends[0]
            before, after = int(ends[0] > 0), int(ends[1] < whole)
            length = ends[1] - ends[0]
            touched = np.flatnonzero(((at > -1) | (before == 0)) & ((at < length) | (after == 0)))
            box.append((int(touched[0]), int(touched[-1]) + 1) if touched.size else (0, size))
            positions.append(at[slice(*box[-1])] + before)
            padding.append((before, after))
        padded = np.pad(data, padding, constant_values=fill)
        place: Box = (box[0], box[1], box[2])
        if data.dtype.kind != "f":
            index = [
                None if at is None else nearest_weights(size, at)
                for size, at in zip(padded.shape, positions, strict=True)
            ]
            return take_nearest(padded, index), place
        weights = [
            None if at is None else linear_weights(size, at, 1 / step)
            for size, at, step in zip(padded.shape, positions, self.steps, strict=True)
        ]
        back = apply_weights(padded, weights)
        # Rounding must not make more of a probability than there was.
        return np.clip(back, padded.min(), padded.max(), out=back).astype(data.dtype, copy=False), place

    def _inverse(self) -> np.ndarray:
        inverse = np.zeros((3, 2))
        for source, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            inverse[axis] = source, flip
        return inverse

    def to_json_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for a JSON file."""
        return {
            "source_shape": list(self.source_shape),
            "axes": list(self.axes),
            "flips": list(self.flips),
            "box": [list(ends) for ends in self.box],
            "resized": None if self.resized is None else list(self.resized),
            "steps": None if self.steps is None else list(self.steps),
        }

    @classmethod
    def from_json_dict(cls, values: dict[str, Any]) -> "Grid":
        """The inverse of `to_json_dict`."""
        box = tuple((int(first), int(last)) for first, last in values["box"])
        resized, steps = values.get("resized"), values.get("steps")
        return cls(
            tuple(values["source_shape"]),
            tuple(values["axes"]),
            tuple(values["flips"]),
            box,  # type: ignore[arg-type]
            None if resized is None else (int(resized[0]), int(resized[1])),
            None if steps is None else (float(steps[0]), float(steps[1]), float(steps[2])),
        )


def whole_grid(shape: tuple[int, int, int], affine: np.ndarray, orientation: str) -> Grid:
    """The grid of a whole volume in a given orientation ('RAS', or 'keep' for the file's own), not yet cropped."""
    target = None if orientation == "keep" else nib.orientations.axcodes2ornt(orientation)
    source = nib.orientations.io_orientation(affine)
    if target is None:
        axes, flips = (0, 1, 2), (1, 1, 1)
    else:
        transform = nib.orientations.ornt_transform(source, target)
        axes, flips = (tuple(int(value) for value in column) for column in transform.T)  # type: ignore[assignment]
    grid = Grid(shape, axes, flips, ((0, 0), (0, 0), (0, 0)))
    return replace(grid, box=tuple((0, size) for size in grid.reoriented_shape))  # type: ignore[arg-type]


def spacing_along(grid: Grid, source: Spacing) -> Spacing:
    """Voxel edge lengths of the source, along the network's axes."""
    lengths = [0.0, 0.0, 0.0]
    for length, axis in zip(source, grid.axes, strict=True):
        lengths[axis] = length
    return lengths[0], lengths[1], lengths[2]


def _resampled_shape(shape: tuple[int, int, int], steps: tuple[float, float, float] | None) -> tuple[int, int, int]:
    x, y, z = (max(math.floor(size / step + 0.5), 1) for size, step in zip(shape, steps or (1, 1, 1), strict=True))
    return x, y, z


def bounding_box(mask: np.ndarray) -> Box:
    """Smallest box that holds all true voxels of (X, Y, Z); the whole array where there is none."""
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append((int(hit[0]), int(hit[-1]) + 1) if hit.size else (0, mask.shape[axis]))
    return tuple(box)  # type: ignore[return-value]


def resize_slices(data: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize every slice of (X, Y, Z): linear, smoothed where it shrinks; boolean takes the nearest voxel's value."""
    if data.shape[:2] == tuple(size):
        return data
    from skimage.transform import resize

    shape = (*size, data.shape[2])
    if data.dtype == bool:
        return resize(data, shape, order=0, mode="edge", anti_aliasing=False)
    smooth = size[0] < data.shape[0] or size[1] < data.shape[1]
    return resize(data, shape, order=1, mode="edge", anti_aliasing=smooth, preserve_range=True).astype(data.dtype)
