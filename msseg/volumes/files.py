"""Reading and writing NIfTI files; whatever is wrong with a file ends in one sentence."""

import gzip
import os
import secrets
import warnings
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from msseg.errors import InputError
from msseg.volumes.volume import Volume

NIFTI_SUFFIXES = (".nii.gz", ".nii")
LABEL_THRESHOLD = 0.5
GRID_TOLERANCE_MM = 1e-2

_DAMAGED = (OSError, EOFError, ValueError, zlib.error, HeaderDataError, ImageFileError, OverflowError, MemoryError)


def volume_suffix(path: Path) -> str | None:
    """The file name's NIfTI ending ('.nii.gz' or '.nii') as written, or None."""
    for suffix in NIFTI_SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[-len(suffix) :]
    return None


def volume_stem(path: Path) -> str:
    """The file name without its NIfTI ending: 'a/X.nii.gz' -> 'X'."""
    return path.name.removesuffix(volume_suffix(path) or path.suffix)


def read_volume(path: Path | str, dtype: type[np.generic] = np.float32) -> Volume:
    """Read a 3D NIfTI-1 or NIfTI-2 file, gzipped or not, with its intensity scaling applied.

    Args:
        path: The file. A fourth axis of length one is dropped.
        dtype: Type of the voxels in memory.

    Raises:
        InputError: The file is missing, no NIfTI, damaged, not 3D, or has an unusable affine or non-finite voxels only.
    """
    path = Path(path)
    _require_file(path)
    image = _open(path)
    _check_header(image, path)
    try:
        data = np.asarray(image.get_fdata(dtype=dtype, caching="unchanged"))
    except _DAMAGED as error:
        raise InputError(
            f"{path} is damaged: its voxels cannot be read ({_reason(error)}); copy or convert it anew"
        ) from error
    data = data.reshape(data.shape[:3])
    return Volume(_finite(data, path), np.asarray(image.affine, dtype=np.float64), image.header, path)


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
    """
    if data.shape != like.shape:
        raise ValueError(f"data of shape {data.shape} does not lie on a grid of shape {like.shape}")
    data = data.astype(np.uint8) if data.dtype == bool else data
    header = like.header.copy()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, 0
    header["intent_code"], header["intent_name"] = 0, b""
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    # A header without any transform has no affine of its own to keep; nibabel then stores the one that it assumed.
    affine = None if header["sform_code"] or header["qform_code"] else like.affine
    image = kind(data, affine, header)
    ending = volume_suffix(path) or ".nii.gz"
    temporary = path.with_name(f".{secrets.token_hex(4)}{ending.lower()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {_reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether two volumes have the same shape and their corners lie at the same places (to a hundredth of a mm)."""
    if first.shape != second.shape:
        return False
    ends = np.array(np.meshgrid(*[(0, size - 1) for size in first.shape])).reshape(3, -1)
    corners = np.vstack([ends, np.ones(ends.shape[1])])
    return bool(np.abs((first.affine - second.affine) @ corners).max() <= GRID_TOLERANCE_MM)


def require_same_grid(first: Volume, second: Volume) -> None:
    """Refuse two volumes that do not lie on the same grid.

    Raises:
        InputError: Names both files and both grids.
    """
    if not same_grid(first, second):
        raise InputError(
            f"{second.path} does not lie on the grid of {first.path}: {second.describe_grid()} against"
            f" {first.describe_grid()}; resample one onto the other"
        )


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a NIfTI file")
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if volume_suffix(path) is None:
        raise InputError(f"{path} is not a NIfTI file: its name has to end in .nii or .nii.gz")


def _open(path: Path) -> nib.Nifti1Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nibabel's remarks on odd headers; what matters is checked below
            image = nib.load(path)
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {_reason(error)}") from error
    except (gzip.BadGzipFile, *_DAMAGED) as error:
        raise InputError(f"{path} is not a readable NIfTI file ({_reason(error)})") from error
    if not isinstance(image, nib.Nifti1Image):
        raise InputError(f"{path} is not a NIfTI file but {type(image).__name__}; convert it to NIfTI")
    return image


def _check_header(image: nib.Nifti1Image, path: Path) -> None:
    shape = image.shape
    if len(shape) < 3 or min(shape) < 1 or any(size != 1 for size in shape[3:]):
        raise InputError(f"{path} has the shape {' x '.join(map(str, shape))}; one 3D volume is needed")
    kind = image.get_data_dtype()
    if kind.names or np.issubdtype(kind, np.complexfloating):
        raise InputError(f"{path} holds {'colours' if kind.names else 'complex numbers'}; one grey channel is needed")
    affine = image.affine
    if affine is None or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise InputError(f"{path} has an affine that maps no volume to the world (zero or non-finite voxel size)")


def _finite(data: np.ndarray, path: Path) -> np.ndarray:
    """NaN and infinity, which some tools write outside the brain, become 0 with a warning."""
    bad = int(data.size - np.count_nonzero(np.isfinite(data)))
    if bad == data.size:
        raise InputError(f"{path} holds no finite number")
    if bad:
        warnings.warn(f"{path}: {bad} voxels are NaN or infinite and count as background (0)", stacklevel=3)
        data = np.where(np.isfinite(data), data, 0).astype(data.dtype)
    return data


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__
