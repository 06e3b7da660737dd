"""A lesion: an ovoid that appears, grows and is drawn onto a grid."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.fields import FloatArray, smooth_field

EDGE_MM = 2.2  # over which a lesion fades into white matter


@dataclass(frozen=True)
class Lesion:
    """An ovoid in millimetres from the grid's first voxel."""

    centre_mm: NDArray[np.float64]
    axis: NDArray[np.float64]
    """Unit vector along the longest half axis."""
    radius_mm: float
    """The two short half axes."""
    elongation: float
    """Longest half axis over the short ones."""
    water: float
    """0: as white matter, 1: as much free water (long T2) as lesions have."""
    destruction: float
    """0: T1 of white matter, as most young lesions have it; 1: a black hole on T1-weighted images."""
    onset: int
    """First session that shows it."""
    growth: float
    """Relative change of the radius per session."""

    def radius_at(self, session: int) -> float:
        """Short half axis in a session; 0 before the onset."""
        return 0.0 if session < self.onset else self.radius_mm * (1 + self.growth) ** (session - self.onset)


class LesionMaps(NamedTuple):
    """Lesions on the grid, each (X, Y, Z) with values from 0 to about 1."""

    extent: FloatArray
    """Share of the voxel's tissue that is lesion."""
    water: FloatArray
    destruction: FloatArray


def render_lesions(lesions: tuple[Lesion, ...], anatomy: Anatomy, session: int, rng: np.random.Generator) -> LesionMaps:
    """The lesions of one session.

    The extent fades over `EDGE_MM` at an irregular border. A generator in the same state for every session
    of a patient keeps the border's shape.
    """
    extent = np.zeros(anatomy.shape, dtype=np.float32)
    water, destruction = extent.copy(), extent.copy()
    irregularity = np.maximum(1 + 0.18 * smooth_field(anatomy.shape, anatomy.spacing_mm, 5.0, rng), 0.4)
    for lesion in lesions:
        radius_mm = lesion.radius_at(session)
        if radius_mm <= 0:
            continue
        box, offsets_mm = _surroundings(lesion.centre_mm, radius_mm * lesion.elongation + 2 * EDGE_MM, anatomy)
        along = np.tensordot(lesion.axis, offsets_mm, axes=1)
        across2 = np.maximum((offsets_mm**2).sum(axis=0) - along**2, 0)
        relative = np.sqrt((along / lesion.elongation) ** 2 + across2) / (radius_mm * irregularity[box])
        inside = np.clip((1 - relative) * radius_mm / EDGE_MM + 0.5, 0, 1)
        leads = inside > extent[box]
        water[box][leads] = lesion.water
        destruction[box][leads] = lesion.destruction
        extent[box] = np.maximum(extent[box], inside)
    return LesionMaps(extent, water, destruction)


def _surroundings(
    centre_mm: NDArray[np.float64], reach_mm: float, anatomy: Anatomy
) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """The box of voxels within reach, and their offsets (3, x, y, z) from the centre in millimetres."""
    low = np.maximum(np.floor((centre_mm - reach_mm) / anatomy.spacing_mm), 0).astype(int)
    high = np.minimum(np.ceil((centre_mm + reach_mm) / anatomy.spacing_mm) + 1, anatomy.shape).astype(int)
    box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    lines = [
        np.arange(part.start, part.stop) * anatomy.spacing_mm - at for part, at in zip(box, centre_mm, strict=True)
    ]
    return box, np.stack(np.meshgrid(*lines, indexing="ij"))
