"""Reading and writing volumes, and whether two of them lie on one grid."""

import logging
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from msseg.atomic import replacing
from msseg.cases.names import counted
from msseg.errors import InputError
from msseg.volumes.hdf5 import load_hdf5
from msseg.volumes.nifti import load_nifti
from msseg.volumes.suffixes import (
    HDF5_SUFFIXES,
    NIFTI_SUFFIXES,
    PNG_SUFFIXES,
    STACK_SUFFIXES,
    TIFF_SUFFIXES,
    VOLUME_SUFFIXES,
    WRITTEN_SUFFIXES,
    output_suffix,
    volume_stem,
    volume_suffix,
)
from msseg.volumes.tiff import Colour, load_png, load_tiff, write_tiff
from msseg.volumes.volume import Volume

__all__ = [
    "HDF5_SUFFIXES",
    "NIFTI_SUFFIXES",
    "STACK_SUFFIXES",
    "VOLUME_SUFFIXES",
    "WRITTEN_SUFFIXES",
    "output_suffix",
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

_LOG = logging.getLogger(__name__)


def read_volume(
    path: Path | str,
    dtype: type[np.floating] = np.float32,
    pages: Sequence[int] | None = None,
    colour: Colour = "refuse",
) -> Volume:
    """Read a volume: NIfTI-1 or NIfTI-2, gzipped or not, with its scaling applied; or a stack of slices.

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
    data, image = load_nifti(path, dtype)
    affine = np.asarray(image.affine, dtype=np.float64)
    return Volume(_finite(data, path), affine, image.header, path)


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
        return load_hdf5(path, pages)
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
    """Write voxels on another volume's grid: NIfTI with its affine, qform and sform codes and units, or TIFF.

    Args:
        path: Target, ending in .nii, .nii.gz, .tif or .tiff; written under a temporary name and renamed.
        data: Array of `like`'s shape. Boolean is stored as uint8: 0 and 1 in NIfTI, 0 and 255 in TIFF, where people
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
        write_tiff(path, data)
        return
    image = _image(data.astype(np.uint8) if data.dtype == bool else data, like)
    with replacing(path) as temporary:
        nib.save(image, temporary)


def _image(data: np.ndarray, like: Volume) -> nib.Nifti1Image:
    """The image to write: `like`'s header without what belongs to its own voxels."""
    header = like.header.copy()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header["cal_min"], header["cal_max"] = 0, 0
    header["intent_code"], header["intent_name"] = 0, b""
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    # nibabel leaves qform, sform and their codes alone where the header gives this affine already.
    return kind(data, like.affine, header)


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
