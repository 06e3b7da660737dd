"""Connected components of a mask, and how far those of two masks cover each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cc3d
import numpy as np
from numpy.typing import NDArray

from msseg.metrics.overlap import Mask

Connectivity = Literal[6, 18, 26]
"""Neighbours that belong together: those that share a face, an edge as well, or a corner as well."""

Counts = NDArray[np.int64]

VOLUME_TOLERANCE = 1e-6
"""Voxel edges come from affines in single precision: 3 mm^3 are 3 voxels of 1.0000001 mm^3."""


@dataclass(frozen=True, eq=False)
class Components:
    """The connected components of a mask (X, Y, Z) from a smallest size on, numbered from 1 with the largest first.

    Attributes:
        mask: The mask, with the components that were left out for their size.
        labels: (X, Y, Z) the components' numbers in the order of their first voxels, small ones included; 0 elsewhere.
        number_of: For each of these its number by size; 0 for those that were left out and for background.
        sizes: (count,) voxels of the components 1, 2, ...
    """

    mask: Mask
    labels: NDArray[np.unsignedinteger]
    number_of: Counts
    sizes: Counts

    def __len__(self) -> int:
        return len(self.sizes)

    def centroids(self) -> NDArray[np.float64]:
        """(count, 3) the mean voxel indices of each component."""
        numbers = self.number_of[self.labels[self.mask]]
        places = np.nonzero(self.mask)
        sums = [np.bincount(numbers, weights=axis, minlength=len(self) + 1)[1:] for axis in places]
        return np.stack(sums, axis=-1) / self.sizes[:, None]


class Shared(NamedTuple):
    """The pairs of components of two masks that share voxels, each pair once.

    Attributes:
        first: Number of the first mask's component, less 1.
        second: Number of the second mask's component, less 1.
        voxels: How many voxels they share.
    """

    first: Counts
    second: Counts
    voxels: Counts


def label_components(mask: Mask, connectivity: Connectivity, smallest: int = 1) -> Components:
    """Number the connected components of a boolean mask (X, Y, Z) that have at least `smallest` voxels."""
    mask = np.ascontiguousarray(mask)
    # As bytes: for booleans and 26 neighbours cc3d 4.1.1 reserves too few labels in small volumes of isolated voxels.
    labels = cc3d.connected_components(mask.view(np.uint8), connectivity=connectivity)
    sizes = np.bincount(labels[mask], minlength=1)
    order = np.argsort(-sizes, kind="stable")
    kept = order[sizes[order] >= max(smallest, 1)]  # background has no voxel inside the mask, so 0 is never kept
    number_of = np.zeros(len(sizes), dtype=np.int64)
    number_of[kept] = np.arange(1, len(kept) + 1)
    return Components(mask, labels, number_of, sizes[kept].astype(np.int64))


def shared_voxels(first: Components, second: Components) -> Shared:
    """Which components of two masks of one shape share how many voxels."""
    both = first.mask & second.mask
    ours, theirs = (components.number_of[components.labels[both]] for components in (first, second))
    kept = (ours > 0) & (theirs > 0)
    keys, voxels = np.unique((ours[kept] - 1) * (len(second) + 1) + theirs[kept] - 1, return_counts=True)
    rows, columns = np.divmod(keys, len(second) + 1)
    return Shared(rows, columns, voxels.astype(np.int64))


def voxels_at_least(volume_mm3: float, spacing_mm: Sequence[float]) -> int:
    """The fewest voxels whose volume is not below `volume_mm3`."""
    return math.ceil(volume_mm3 / math.prod(spacing_mm) - VOLUME_TOLERANCE)


def voxels_above(volume_mm3: float, spacing_mm: Sequence[float]) -> int:
    """The fewest voxels whose volume is above `volume_mm3`."""
    return math.floor(volume_mm3 / math.prod(spacing_mm) + VOLUME_TOLERANCE) + 1
