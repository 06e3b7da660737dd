"""Reading and writing volumes, and whether two of them lie on one grid."""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np

from msseg.atomic import replacing
from msseg.cases.names import counted
from msseg.errors import InputError
from msseg.volumes.nifti import NIFTI_SUFFIXES, load_nifti, volume_suffix
from msseg.volumes.volume import Volume

__all__ = [
    "NIFTI_SUFFIXES",
    "read_label",
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


def volume_stem(path: Path) -> str:
    """The file name without its NIfTI ending: 'a/X.nii.gz' -> 'X'."""
    return path.name.removesuffix(volume_suffix(path) or path.suffix)


def read_volume(path: Path | str, dtype: type[np.floating] = np.float32) -> Volume:
    """Read a 3D NIfTI-1 or NIfTI-2 file, gzipped or not, with its intensity scaling applied.

    Voxels that are NaN or infinite, which some tools write outside the brain, become 0, and a warning is logged.

    Args:
        path: The file. Further axes of length one are dropped.
        dtype: Type of the voxels in memory.

    Raises:
        InputError: The file is missing, no NIfTI, damaged, not 3D, or has an unusable affine or no finite voxel.
    """
    path = Path(path)
    data, image = load_nifti(path, dtype)
    affine = np.asarray(image.affine, dtype=np.float64)
    return Volume(_finite(data, path), affine, image.header, path)


def read_label(path: Path | str, threshold: float = LABEL_THRESHOLD) -> Volume:
    """Read a mask (or a probability map): boolean voxels, true above the threshold.

    Raises:
        InputError: As `read_volume`.
    """
    volume = read_volume(path)
    return Volume(volume.data > threshold, volume.affine, volume.header, volume.path)


def write_volume(path: Path, data: np.ndarray, like: Volume) -> None:
    """Write voxels on another volume's grid, with its affine, qform and sform codes and units.

    Args:
        path: Target, ending in .nii or .nii.gz; written under a temporary name and renamed.
        data: Array of `like`'s shape; boolean is stored as uint8.
        like: The volume whose grid and header are kept.

    Raises:
        InputError: The folder cannot be written to.
        ValueError: The shapes differ, or the name has another ending.
    """
    if volume_suffix(path) is None:
        raise ValueError(f"the name {path.name} does not end in .nii or .nii.gz")
    if data.shape != like.shape:
        raise ValueError(f"data of shape {data.shape} does not lie on a grid of shape {like.shape}")
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
    apart = ""
    if first.shape == second.shape:  # the difference may be a tilt that the descriptions do not show
        apart = f", corners up to {_farthest_corners(first, second):.3g} mm apart"
    raise InputError(
        f"{second.path or 'the second volume'} does not lie on the grid of {first.path or 'the first'}:"
        f" {second.describe_grid()} against {first.describe_grid()}{apart}; resample one onto the other"
    )


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
