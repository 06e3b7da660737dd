"""What a head is made of: tissue maps on a grid, and a simple ellipsoidal head for tests."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.fields import FloatArray

LESION_IN_GREY = 0.6


@dataclass(frozen=True)
class Anatomy:
    """Tissue maps (X, Y, Z) with values in [0, 1], and their grid (RAS+, isotropic, millimetres)."""

    white: FloatArray
    """Fraction of white matter in each voxel."""
    grey: FloatArray
    """Fraction of grey matter, cortical and deep."""
    fluid: FloatArray
    """Fraction of cerebrospinal fluid, in the ventricles and around the brain."""
    ventricles: FloatArray
    """The part of the fluid that lies inside the lateral ventricles."""
    infratentorial: FloatArray
    """1 in brain stem and cerebellum."""
    deep_grey: FloatArray
    """The part of the grey matter that holds iron: basal ganglia and thalamus."""
    origin_mm: tuple[float, float, float]
    """World position of the first voxel's centre."""
    spacing_mm: float
    """Edge of a voxel."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return self.white.shape

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel index to world millimetres."""
        affine = np.diag([self.spacing_mm] * 3 + [1.0])
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def brain(self) -> NDArray[np.bool_]:
        """What a skull strip leaves: voxels that are tissue or fluid for more than a half."""
        return (self.white + self.grey + self.fluid) > 0.5

    def maps(self) -> dict[str, FloatArray]:
        """The tissue maps by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    @property
    def room_for_lesions(self) -> FloatArray:
        """Share of each voxel that a lesion can take: white matter, less of grey matter, no fluid."""
        return self.white + np.float32(LESION_IN_GREY) * self.grey

    @property
    def smallness(self) -> float:
        """1 for an adult's head, less for a small one: what shifts and distances are scaled by."""
        return min(1.0, min(self.shape) * self.spacing_mm / 160)

    def distance_mm(self, region: NDArray[np.bool_]) -> FloatArray:
        """Distance (X, Y, Z) to a region's nearest voxel; 0 inside, a metre everywhere if it is empty."""
        if not region.any():
            return np.full(self.shape, 1e3, dtype=np.float32)
        return np.asarray(ndimage.distance_transform_edt(~region, sampling=self.spacing_mm), dtype=np.float32)


def ellipsoid_anatomy(shape: tuple[int, int, int], spacing_mm: float = 1.5) -> Anatomy:
    """A head of nested ellipsoids: fluid, a cortical shell, white matter, and two lateral ventricles in it.

    It fills the grid (at least 8 voxels along each axis): a small brain with large ventricles, made in a
    millisecond and without the template. The lowest part of the white matter counts as infratentorial.
    """
    if min(shape) < 8:
        raise ValueError(f"a small head needs at least 8 voxels along each axis, but the shape is {shape}")
    half_mm = min(shape) / 2 * spacing_mm
    # From -1 to 1 across the head, which leaves a voxel of background at each side.
    x, y, z = np.ogrid[tuple(slice(-1, 1, complex(0, size)) for size in shape)]
    x, y, z = (axis * size / (size - 2) for axis, size in zip((x, y, z), shape, strict=True))
    radius = np.sqrt(x**2 + y**2 + z**2)
    depth = (1 - radius) * half_mm
    ventricle_radius = np.sqrt(((np.abs(x) - 0.22) / 0.13) ** 2 + (y / 0.42) ** 2 + ((z - 0.1) / 0.25) ** 2)
    ventricles = _soft_step((1 - ventricle_radius) * 0.15 * half_mm, spacing_mm)

    brain = _soft_step(depth, spacing_mm)
    cortex = _soft_step(depth - 2.0, spacing_mm)
    core = _soft_step(depth - 5.5, spacing_mm)
    infratentorial = np.broadcast_to(z < -0.55, shape).astype(np.float32)
    return Anatomy(
        white=core * (1 - ventricles),
        grey=(cortex - core) * (1 - ventricles),
        fluid=(brain - cortex) * (1 - ventricles) + brain * ventricles,
        ventricles=brain * ventricles,
        infratentorial=infratentorial,
        deep_grey=np.zeros_like(core),
        origin_mm=(
            _first_mm(shape[0], spacing_mm),
            _first_mm(shape[1], spacing_mm),
            _first_mm(shape[2], spacing_mm),
        ),
        spacing_mm=spacing_mm,
    )


def _first_mm(size: int, spacing_mm: float) -> float:
    """World position of the first of `size` voxels that lie around 0."""
    return -(size - 1) / 2 * spacing_mm


def _soft_step(depth_mm: NDArray[np.floating], width_mm: float) -> FloatArray:
    """Share of a voxel of the given width that lies below a surface at depth 0."""
    return np.clip(depth_mm / width_mm + 0.5, 0, 1).astype(np.float32)
