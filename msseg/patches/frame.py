"""A patch as it is drawn: its size, the edges of its voxels, and what lies beyond it."""

from dataclasses import dataclass

import numpy as np

from msseg.config.patches import Beyond, Elastic

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


def slice_axis(size: Shape) -> int | None:
    """The axis along which a patch has one voxel (the last of several); None where it has more along all of them."""
    return max((axis for axis in range(3) if size[axis] == 1), default=None)


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

    def displacement(self, entry: Elastic) -> tuple[float, float, float]:
        """Largest displacement of a control point along each axis (mm).

        As asked for, but nothing along one voxel, and nowhere half the distance of two control points: beyond that
        the field can fold over itself.
        """
        extents = np.array(self.size) * np.array(self.spacing)
        bounds = 0.99 * extents / (entry.control_points - 1) / 2
        x, y, z = np.where(np.array(self.size) > 1, np.minimum(entry.max_displacement, bounds), 0.0).tolist()
        return x, y, z
