"""A patch as it is drawn: its size, the edges of its voxels, what lies beyond it, and along which axes it is moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose

import numpy as np

from msseg.config.patches import Affine, Augmentation, Beyond, Elastic

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
Plane = tuple[int, int]

Warp = Affine | Elastic
"""Entries that interpolate, and for which a margin is drawn."""


def slice_axis(size: Shape) -> int | None:
    """The axis along which a patch has one voxel (the last of several); None where it has more along all of them."""
    return max((axis for axis in range(3) if size[axis] == 1), default=None)


def plane_of(entry: Augmentation, size: Shape) -> Plane | None:
    """The axes in which an interpolating entry moves a patch slice by slice; None for all others."""
    across = 2 if isinstance(entry, Warp) and entry.in_plane else slice_axis(size)
    if across is None or not isinstance(entry, Warp):
        return None
    first, second = (axis for axis in range(3) if axis != across)
    return first, second


def margin_along(entries: Sequence[Augmentation], size: Shape, margin: int) -> Shape:
    """The margin along each axis of a patch: none where nothing moves, or where the patch has one voxel."""
    moved = {axis for entry in entries if isinstance(entry, Warp) for axis in plane_of(entry, size) or (0, 1, 2)}
    x, y, z = (margin if axis in moved and size[axis] > 1 else 0 for axis in range(3))
    return x, y, z


def framed(size: Shape, margin: Shape) -> Shape:
    """The size of a patch with its margin."""
    x, y, z = (voxels + 2 * extra for voxels, extra in zip(size, margin, strict=True))
    return x, y, z


@dataclass(frozen=True)
class Frame:
    """What spatial augmentation has to know of a patch.

    Attributes:
        size: Voxels along each axis, the margin included.
        spacing: Voxel edge lengths (mm, or what else the volume is measured in).
        beyond: What a movement finds where it reaches beyond the patch: zeros, or the patch mirrored.
    """

    size: Shape
    spacing: Spacing
    beyond: Beyond = "zero"

    @property
    def is_square(self) -> bool:
        """Whether a quarter turn in the first two axes maps the patch onto itself."""
        return self.size[0] == self.size[1] and isclose(self.spacing[0], self.spacing[1], rel_tol=1e-3)

    def displacement(self, entry: Elastic) -> tuple[float, float, float]:
        """Largest displacement of a control point along each axis (mm).

        As asked for, but nothing along one voxel, and nowhere half the distance of two control points: beyond that
        the field can fold over itself.
        """
        extents = np.array(self.size) * np.array(self.spacing)
        bounds = 0.99 * extents / (entry.control_points - 1) / 2
        x, y, z = np.where(np.array(self.size) > 1, np.minimum(entry.max_displacement, bounds), 0.0).tolist()
        return x, y, z
