"""The way of a volume to the network's grid and back: axis order, axis direction, crop, size."""

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Grid:
    """How the source array maps to the network's array.

    Attributes:
        source_shape: Shape of the array in the file.
        axes: For each axis of the source, the axis of the network's grid that it becomes.
        flips: For each axis of the source, 1, or -1 where it is reversed.
        box: First and last-plus-one index of the crop along each axis, after reorienting.
        resized: Length of the first two axes after resizing every slice; None: as the crop left them.
    """

    source_shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    flips: tuple[int, int, int]
    box: Box
    resized: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the network's array."""
        x, y, z = self._cropped
        return (x, y, z) if self.resized is None else (*self.resized, z)

    @property
    def _cropped(self) -> tuple[int, int, int]:
        (x0, x1), (y0, y1), (z0, z1) = self.box
        return x1 - x0, y1 - y0, z1 - z0

    def reorient(self, data: np.ndarray) -> np.ndarray:
        """Bring an array of the source's shape to the network's axes, without the crop."""
        if data.shape != self.source_shape:
            raise ValueError(f"an array of shape {data.shape} is not on a grid of shape {self.source_shape}")
        return nib.orientations.apply_orientation(data, np.column_stack([self.axes, self.flips]))

    def to_network(self, data: np.ndarray) -> np.ndarray:
        """Reorient, crop and resize an array of the source's shape (X, Y, Z); boolean takes the nearest value."""
        cropped = self.reorient(data)[tuple(slice(*ends) for ends in self.box)]
        return cropped if self.resized is None else resize_slices(cropped, self.resized)

    def to_source(self, data: np.ndarray, fill: float = 0) -> np.ndarray:
        """Undo `to_network`; voxels outside the crop get `fill`."""
        if data.shape != self.shape:
            raise ValueError(f"an array of shape {data.shape} is not on a grid of shape {self.shape}")
        if self.resized is not None:
            data = resize_slices(data, self._cropped[:2])
        reoriented_shape = [0, 0, 0]
        for size, axis in zip(self.source_shape, self.axes, strict=True):
            reoriented_shape[axis] = size
        whole = np.full(reoriented_shape, fill, dtype=data.dtype)
        whole[tuple(slice(*ends) for ends in self.box)] = data
        back = nib.orientations.apply_orientation(whole, self._inverse())
        return np.ascontiguousarray(back)

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
        }

    @classmethod
    def from_json_dict(cls, values: dict[str, Any]) -> "Grid":
        """The inverse of `to_json_dict`."""
        box = tuple((int(first), int(last)) for first, last in values["box"])
        resized = values.get("resized")
        return cls(
            tuple(values["source_shape"]),
            tuple(values["axes"]),
            tuple(values["flips"]),
            box,  # type: ignore[arg-type]
            None if resized is None else (int(resized[0]), int(resized[1])),
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
    sizes = [0, 0, 0]
    for size, axis in zip(shape, axes, strict=True):
        sizes[axis] = size
    return Grid(shape, axes, flips, tuple((0, size) for size in sizes))  # type: ignore[arg-type]


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
