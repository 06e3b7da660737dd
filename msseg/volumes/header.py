"""What a volume's file says about it before its voxels are read; what cannot be used is refused here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from msseg.errors import InputError
from msseg.volumes.voxels import Block

Kind = Literal["nifti1", "nifti2", "analyze", "mgh", "nrrd", "metaimage", "tiff", "png", "hdf5"]

FLATTEST_VOXEL = 1e-6
"""Smallest ratio of a voxel's volume to the product of its edges: below it, the edges lie in one plane."""

SMALLEST_VOXEL_MM = 1e-9
"""An atom is a hundred times as wide."""

LARGEST_COORDINATE_MM = 1e9
"""Beyond this, coordinates of neighbouring voxels are equal in float32, and products of them overflow."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says about its volume.

    Attributes:
        kind: The file's family.
        shape: Voxels along each axis.
        affine: 4 x 4 matrix from voxel indices to millimetres (RAS+), whatever the file's own convention.
        dtype: Type of the voxels in the file, with its byte order.
        slope: A voxel's value is `slope` times the stored number plus `intercept`.
        intercept: See `slope`.
        qform_sform_mm: NIfTI with both forms: how far apart (mm) they place the farthest corner; None: not both.
        oriented: Whether the file says which side is left; else a convention was taken.
        notes: What a user should know about how the file was understood: sentences without its name.
        native: The family's own header, for writing the same family again; None for stacks of slices.
        blocks: Where the voxels lie, in order (first axis fastest); empty for stacks of slices.
    """

    kind: Kind
    shape: tuple[int, int, int]
    affine: np.ndarray
    dtype: np.dtype[Any]
    slope: float = 1.0
    intercept: float = 0.0
    qform_sform_mm: float | None = None
    oriented: bool = True
    notes: tuple[str, ...] = ()
    native: Any = None
    blocks: tuple[Block, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths (mm)."""
        x, y, z = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z


def require_one_volume(path: Path, shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape of one 3D volume; further axes of length one are dropped.

    Raises:
        InputError: There are fewer axes, empty ones, or several frames.
    """
    sizes = [int(size) for size in shape]
    shown = " x ".join(map(str, sizes))
    if len(sizes) < 3 or min(sizes) < 1:
        raise InputError(f"{path} has the shape {shown}; one 3D volume is needed")
    if any(size != 1 for size in sizes[3:]):
        raise InputError(
            f"{path} has the shape {shown}; one 3D volume is needed: split its frames into files of their own"
        )
    x, y, z = sizes[:3]
    return x, y, z


def require_spacing(path: Path, spacing: Sequence[float] | np.ndarray) -> None:
    """Refuse voxel sizes that are zero, negative, NaN or infinite.

    Raises:
        InputError: Names the sizes.
    """
    values = np.asarray(spacing, dtype=np.float64)
    if not np.isfinite(values).all() or (values <= 0).any():
        shown = " x ".join(f"{value:g}" for value in values)
        raise InputError(
            f"{path} has a voxel size of {shown} mm in its header; sizes have to be above zero: mend the header"
        )


def require_affine(path: Path, affine: np.ndarray, source: str = "affine") -> None:
    """Refuse an affine that places no volume in the world.

    Args:
        path: For the message.
        affine: 4 x 4 matrix.
        source: What the file calls it.

    Raises:
        InputError: A number is not finite, an edge has no length, edges lie in one plane, or places are absurdly far.
    """
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    usable = (
        bool(np.isfinite(affine).all())
        and lengths.min() > SMALLEST_VOXEL_MM
        and np.abs(affine).max() < LARGEST_COORDINATE_MM
    )
    if not usable or abs(np.linalg.det(affine[:3, :3] / lengths)) < FLATTEST_VOXEL:
        rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in affine[:3])
        raise InputError(
            f"{path} has an affine that places no volume in the world (its {source} is [{rows}], which is singular, not"
            " finite, or too small or large): mend its header"
        )


def require_grey(path: Path, dtype: np.dtype[Any]) -> None:
    """Refuse colours and complex numbers.

    Raises:
        InputError: Says which.
    """
    if dtype.names or dtype.kind == "V":
        raise InputError(f"{path} holds colours; one grey value per voxel is needed")
    if dtype.kind == "c":
        raise InputError(f"{path} holds complex numbers; one grey value per voxel is needed")
    if dtype.kind not in "biuf":
        raise InputError(f"{path} holds {dtype}; one grey value per voxel is needed")


def require_scaling(path: Path, slope: float, intercept: float) -> None:
    """Refuse a scaling that is not finite or makes all voxels equal.

    Raises:
        InputError: Names both numbers.
    """
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        raise InputError(
            f"{path} scales its voxels by {slope:g} and adds {intercept:g}, which no value survives: mend its header"
        )
