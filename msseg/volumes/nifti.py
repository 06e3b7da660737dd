"""Opening NIfTI files; whatever is wrong with one ends in one sentence."""

import gzip
import zlib
from io import BufferedIOBase
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from msseg.errors import InputError
from msseg.volumes.suffixes import NIFTI_SUFFIXES, volume_suffix

FLATTEST_VOXEL = 1e-6
"""Smallest ratio of a voxel's volume to the product of its edges: below it, the edges lie in one plane."""

_GZIP_MAGIC = b"\x1f\x8b"
_KINDS = {nib.Nifti1Header.sizeof_hdr: nib.Nifti1Image, nib.Nifti2Header.sizeof_hdr: nib.Nifti2Image}
_DAMAGED = (
    EOFError,
    ValueError,
    zlib.error,
    HeaderDataError,
    ImageFileError,
    WrapStructError,
    OverflowError,
    MemoryError,
)


def load_nifti(path: Path, dtype: type[np.floating]) -> tuple[np.ndarray, nib.Nifti1Image]:
    """Read all voxels of a file, scaled, and its header.

    nibabel reads from a stream that is opened here, and not by itself, for two reasons: it stops before the checksum
    at the end of a .gz file, so damage inside goes unnoticed; and it maps .nii files into memory, where a file that
    changes later would change the voxels.

    Args:
        path: The file.
        dtype: Type of the voxels in memory.

    Returns:
        Voxels, shape (X, Y, Z), and the image, of which only affine and header are to be used.

    Raises:
        InputError: The file is missing, no NIfTI, damaged, not 3D, not of grey values, or has an unusable affine.
    """
    _require_file(path)
    try:
        with _open(path) as stream:
            image = _read_header(stream, path)
            _check_header(image, path)
            return _read_voxels(image, stream, dtype, path), image
    except gzip.BadGzipFile as error:
        raise InputError(f"{path} is damaged ({reason(error)}); copy or convert it anew") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What an exception says, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__


def _require_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a NIfTI file")
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path} is a link to {path.readlink()}, which is not there; fetch the data (datalad get)")
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if volume_suffix(path, NIFTI_SUFFIXES) is None:
            raise InputError(f"{path} is not a NIfTI file: its name has to end in .nii or .nii.gz")
        if not path.is_file():
            raise InputError(f"{path} is a device or a pipe, not a NIfTI file")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error


def _open(path: Path) -> BufferedIOBase:
    """The file's bytes, uncompressed where its name says that they are compressed."""
    zipped = path.name.lower().endswith(".gz")
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        raise InputError(f"{path} is empty; copy or convert it anew")
    if zipped and start != _GZIP_MAGIC:
        raise InputError(
            f"{path} is not compressed by gzip as its name says (it begins with {start!r}):"
            " rename it to end in .nii if it is NIfTI"
        )
    if not zipped and start == _GZIP_MAGIC:
        raise InputError(f"{path} is compressed by gzip, which its name does not say: rename it to end in .nii.gz")
    return gzip.GzipFile(path) if zipped else path.open("rb")


def _read_header(stream: BufferedIOBase, path: Path) -> nib.Nifti1Image:
    try:
        start = stream.read(4)
        if not start:
            raise InputError(f"{path} is empty; copy or convert it anew")
        stream.seek(0)
        size = next((size for order in ("<i4", ">i4") if (size := _number(start, order)) in _KINDS), 0)
        if not size:
            raise InputError(f"{path} is not a NIfTI file: it begins with {start!r} and not with the size of a header")
        kind = _KINDS[size]
        return kind.from_file_map(kind.make_file_map({"header": stream, "image": stream}), mmap=False)
    except _DAMAGED as error:
        raise InputError(
            f"{path} is damaged: its header cannot be read ({reason(error)}); copy or convert it anew"
        ) from error


def _number(start: bytes, order: str) -> int:
    return int(np.frombuffer(start.ljust(4, b"\0"), order)[0])


def _check_header(image: nib.Nifti1Image, path: Path) -> None:
    shape = image.shape
    if len(shape) < 3 or min(shape) < 1 or any(size != 1 for size in shape[3:]):
        raise InputError(f"{path} has the shape {' x '.join(map(str, shape))}; one 3D volume is needed")
    kind = image.get_data_dtype()
    if kind.names or np.issubdtype(kind, np.complexfloating):
        raise InputError(
            f"{path} holds {'colours' if kind.names else 'complex numbers'}; one grey value per voxel is needed"
        )
    affine = image.affine
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    usable = np.isfinite(affine).all() and lengths.min() > 0
    if not usable or abs(np.linalg.det(affine[:3, :3] / lengths)) < FLATTEST_VOXEL:
        raise InputError(
            f"{path} has an affine that places no volume in the world (voxels of zero or non-finite size):"
            " mend its header"
        )


def _read_voxels(image: nib.Nifti1Image, stream: BufferedIOBase, dtype: type[np.floating], path: Path) -> np.ndarray:
    try:
        # A float64 file may hold numbers beyond float32's range: they become infinite, and the caller looks for those.
        with np.errstate(over="ignore", invalid="ignore"):
            data = np.asarray(image.get_fdata(dtype=dtype, caching="unchanged"))
        if isinstance(stream, gzip.GzipFile):
            while stream.read(1 << 20):  # to the end, where the checksum is compared
                pass
    except (*_DAMAGED, OSError) as error:
        raise InputError(
            f"{path} is damaged: its voxels cannot be read ({reason(error)}); copy or convert it anew"
        ) from error
    return data.reshape(data.shape[:3])
