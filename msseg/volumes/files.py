"""Reading and writing volumes, and whether two of them lie on one grid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from msseg.cases.names import counted
from msseg.errors import InputError
from msseg.volumes.header import Header
from msseg.volumes.metaimage import read_metaimage_header
from msseg.volumes.mgh import read_mgh_header
from msseg.volumes.nifti import is_analyze, read_nifti_header
from msseg.volumes.nrrd import read_nrrd_header
from msseg.volumes.suffixes import (
    HDF5_SUFFIXES,
    IMG_SUFFIXES,
    METAIMAGE_SUFFIXES,
    MGH_SUFFIXES,
    NIFTI_SUFFIXES,
    NRRD_SUFFIXES,
    PAIR_SUFFIXES,
    PNG_SUFFIXES,
    STACK_SUFFIXES,
    TIFF_SUFFIXES,
    VOLUME_SUFFIXES,
    WRITTEN_SUFFIXES,
    family_suffix,
    volume_stem,
    volume_suffix,
)
from msseg.volumes.volume import Volume
from msseg.volumes.voxels import read_voxels
from msseg.volumes.writing import write_grid

if TYPE_CHECKING:
    from msseg.volumes.tiff import Colour

__all__ = [
    "HDF5_SUFFIXES",
    "NIFTI_SUFFIXES",
    "STACK_SUFFIXES",
    "VOLUME_SUFFIXES",
    "WRITTEN_SUFFIXES",
    "output_suffix",
    "read_header",
    "read_label",
    "read_raw",
    "read_volume",
    "require_same_grid",
    "same_grid",
    "volume_stem",
    "volume_suffix",
    "write_volume",
]

LABEL_THRESHOLD = 0.5
GRID_TOLERANCE_MM = 1e-2


def _read_stack_header(path: Path) -> Header:
    from msseg.volumes.stacks import read_stack_header  # TIFF and HDF5 libraries: a tenth of a second

    return read_stack_header(path)


READERS: dict[tuple[str, ...], Callable[[Path], Header]] = {
    (*NIFTI_SUFFIXES, *PAIR_SUFFIXES, *IMG_SUFFIXES): read_nifti_header,
    NRRD_SUFFIXES: read_nrrd_header,
    METAIMAGE_SUFFIXES: read_metaimage_header,
    MGH_SUFFIXES: read_mgh_header,
    STACK_SUFFIXES: _read_stack_header,
}
"""What reads and checks the header of which files."""

_LOG = logging.getLogger(__name__)
_SAID: set[str] = set()
"""Notes on files that were given already: a file may be read many times, for training, validation and report."""


def read_header(path: Path | str) -> Header:
    """What a file says about its volume, checked, without its voxels.

    Raises:
        InputError: The file is missing, of no known kind, damaged, or describes no volume that can be used.
    """
    path = Path(path)
    for suffixes, reader in READERS.items():
        if volume_suffix(path, suffixes) is not None:
            return reader(path)
    endings = ", ".join((*VOLUME_SUFFIXES, ".img"))
    raise InputError(f"{path} is of no known kind: its name has to end in one of {endings}")


def output_suffix(path: Path) -> str:
    """The ending of what is predicted from a file: its own where that is written, else its family's; of stacks .tif."""
    suffix = family_suffix(path)
    if suffix == ".hdr" and not is_analyze(path):
        return ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"
    return suffix


def read_volume(
    path: Path | str,
    dtype: type[np.floating] = np.float32,
    pages: Sequence[int] | None = None,
    colour: Colour = "refuse",
) -> Volume:
    """Read a volume, with its scaling applied: NIfTI-1 or -2, Analyze, NRRD, MetaImage, MGH; or a stack of slices.

    A stack is a multi-page TIFF, a PNG (one slice), or a data set of an HDF5 file (`stack.h5` or `stack.h5/name`); its
    volume has the shape (rows, columns, slices), and a voxel is 1 x 1 x 1, since such files seldom say better. Voxels
    that are NaN or infinite, which some tools write outside the brain, become 0, and a warning is logged.

    Args:
        path: The file. Further axes of length one are dropped.
        dtype: Type of the voxels in memory.
        pages: Of a stack, the slices to read, from 0; None: all.
        colour: What becomes of colours in TIFF and PNG: refused, or turned into brightness.

    Raises:
        InputError: The file is missing, of no known kind, damaged, of another shape, or has an unusable affine or no
            finite voxel.
    """
    path = Path(path)
    if is_stack(path):
        with np.errstate(over="ignore"):
            data = read_raw(path, pages, colour).astype(dtype)
        return Volume(_finite(data, path), np.eye(4), path=path)
    header = read_header(path)
    for note in header.notes:
        if (sentence := f"{path}: {note}") not in _SAID:
            _SAID.add(sentence)
            _LOG.warning("%s", sentence)
    scaling = (header.slope, header.intercept)
    data = read_voxels(path, header.blocks, header.shape, header.dtype, scaling, dtype)
    return Volume(_finite(data, path), header.affine, header.native, path)


def is_stack(path: Path) -> bool:
    """Whether a file holds slices without a place in the world."""
    return volume_suffix(path, STACK_SUFFIXES) is not None


def read_raw(path: Path, pages: Sequence[int] | None = None, colour: Colour = "refuse") -> np.ndarray:
    """Slices of a stack in the file's own type, shape (rows, columns, slices).

    Raises:
        InputError: As `read_volume`.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file")
    suffix = (volume_suffix(path) or "").lower()
    if suffix in HDF5_SUFFIXES:
        from msseg.volumes.hdf5 import load_hdf5

        return load_hdf5(path, pages)
    from msseg.volumes.tiff import load_png, load_tiff

    if suffix in TIFF_SUFFIXES:
        return load_tiff(path, pages, colour)
    if suffix in PNG_SUFFIXES:
        return load_png(path, colour)
    raise ValueError(f"{path} is no stack")


def read_label(path: Path | str, threshold: float = LABEL_THRESHOLD) -> Volume:
    """Read a mask (or a probability map): boolean voxels, true above the threshold.

    Raises:
        InputError: As `read_volume`.
    """
    volume = read_volume(path)
    return Volume(volume.data > threshold, volume.affine, volume.header, volume.path)


def write_volume(path: Path, data: np.ndarray, like: Volume) -> None:
    """Write voxels on another volume's grid, in the family of the target's ending.

    Where `like` was read from the same family, its header's codes are kept: NIfTI's qform, sform and units, the space
    of an NRRD. Otherwise a fresh header gets its affine.

    Args:
        path: Target, with one of WRITTEN_SUFFIXES; written under a temporary name and renamed. `X.hdr` brings `X.img`.
        data: Array of `like`'s shape. Boolean is stored as uint8: 0 and 1, but 0 and 255 in TIFF, where people
            look at them. A TIFF has one page for each slice, compressed (zlib) unless it holds floating point.
        like: The volume whose grid and header are kept.

    Raises:
        InputError: The folder cannot be written to.
        ValueError: The shapes differ, or the name has another ending.
    """
    suffix = volume_suffix(path, WRITTEN_SUFFIXES)
    if suffix is None:
        raise ValueError(f"the name {path.name} does not end in {', '.join(WRITTEN_SUFFIXES)}")
    if data.shape != like.shape:
        raise ValueError(f"data of shape {data.shape} does not lie on a grid of shape {like.shape}")
    if suffix.lower() in TIFF_SUFFIXES:
        from msseg.volumes.tiff import write_tiff

        write_tiff(path, data)
        return
    write_grid(path, suffix.lower(), data.astype(np.uint8) if data.dtype == bool else data, like)


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether two volumes have the same shape and their corners lie at the same places (to a hundredth of a mm)."""
    return first.shape == second.shape and _farthest_corners(first, second) <= GRID_TOLERANCE_MM


def require_same_grid(first: Volume, second: Volume) -> None:
    """Refuse two volumes that do not lie on the same grid.

    Raises:
        InputError: Names both files and both grids.
    """
    if same_grid(first, second):
        return
    if all(of.path is not None and is_stack(of.path) for of in (first, second)):
        raise InputError(
            f"{second.path} has {_describe_slices(second)}, but {first.path} has {_describe_slices(first)}: they have"
            " to be of the same size, pixel on pixel"
        )
    apart = ""
    if first.shape == second.shape:  # the difference may be a tilt that the descriptions do not show
        apart = f", corners up to {_farthest_corners(first, second):.3g} mm apart"
    raise InputError(
        f"{second.path or 'the second volume'} does not lie on the grid of {first.path or 'the first'}:"
        f" {second.describe_grid()} against {first.describe_grid()}{apart}; resample one onto the other"
    )


def _describe_slices(stack: Volume) -> str:
    rows, columns, slices = stack.shape
    return f"{slices} {'slice' if slices == 1 else 'slices'} of {rows} x {columns} pixels"


def _farthest_corners(first: Volume, second: Volume) -> float:
    """Largest distance (mm) along one axis between corresponding corners of two volumes of one shape."""
    ends = np.array(np.meshgrid(*[(0, size - 1) for size in first.shape])).reshape(3, -1)
    corners = np.vstack([ends, np.ones(ends.shape[1])])
    return float(np.abs((first.affine - second.affine) @ corners).max())


def _finite(data: np.ndarray, path: Path) -> np.ndarray:
    bad = int(data.size - np.count_nonzero(np.isfinite(data)))
    if bad == data.size:
        raise InputError(f"{path} holds no finite number")
    if bad:
        _LOG.warning("%s: %s with NaN or infinity, taken as background (0)", path, counted(bad, "voxel"))
        data = np.where(np.isfinite(data), data, 0).astype(data.dtype)
    return data
