"""Writing volumes in the family that a file's name asks for, complete or not at all."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from msseg.atomic import replacing
from msseg.volumes.metaimage import write_metaimage
from msseg.volumes.mgh import VOXELS_AT
from msseg.volumes.nrrd import NrrdHeader, write_nrrd
from msseg.volumes.suffixes import METAIMAGE_SUFFIXES, MGH_SUFFIXES, NRRD_SUFFIXES, PAIR_SUFFIXES
from msseg.volumes.volume import Volume

MGH_HEADER = nib.freesurfer.mghformat.header_dtype.itemsize
"""Bytes of an MGH header without the room behind it."""

GRID_DIFFERS_MM = 1e-3
"""An Analyze or MGH header that places voxels farther away than this does not hold a volume's affine."""


def write_grid(path: Path, suffix: str, data: np.ndarray, like: Volume) -> None:
    """Write voxels on another volume's grid.

    Args:
        path: Target.
        suffix: Its ending, lower case.
        data: Shape of `like`, any real type.
        like: Affine, and the header where it is of the same family; else a fresh one gets the affine.

    Raises:
        InputError: The folder cannot be written to.
    """
    if suffix in PAIR_SUFFIXES:
        _write_pair(path, data, like)
        return
    with replacing(path) as temporary:
        if suffix in NRRD_SUFFIXES:
            write_nrrd(temporary, data, like.affine, like.header if isinstance(like.header, NrrdHeader) else None)
        elif suffix in METAIMAGE_SUFFIXES:
            write_metaimage(temporary, data, like.affine)
        elif suffix in MGH_SUFFIXES:
            _write_mgh(temporary, data, like, zipped=suffix == ".mgz")
        else:
            nib.save(_nifti(data, like), temporary)


def _nifti(data: np.ndarray, like: Volume) -> nib.Nifti1Image:
    """The image to write: `like`'s header without what belongs to its own voxels."""
    if not isinstance(like.header, nib.Nifti1Header):
        return nib.Nifti1Image(data, like.affine, dtype=data.dtype)
    header = like.header.copy()
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    header["cal_min"], header["cal_max"] = 0, 0
    header["intent_code"], header["intent_name"] = 0, b""
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    # nibabel leaves qform, sform and their codes alone where the header gives this affine already.
    return kind(data, like.affine, header)


def _write_mgh(path: Path, data: np.ndarray, like: Volume, zipped: bool) -> None:
    """MGH knows fewer types: what it lacks becomes int32 or float32. nibabel would round the affine once more."""
    stored = _as_one_of(data, (np.uint8, np.int16, np.int32, np.float32))
    header = like.header if isinstance(like.header, nib.MGHImage.header_class) else None
    if header is None or not np.allclose(header.get_affine(), like.affine, rtol=0, atol=GRID_DIFFERS_MM):
        image = nib.MGHImage(stored, like.affine)
        image.update_header()
        header = image.header
    header = header.copy()
    header["dims"] = (*stored.shape, 1)  # set_data_shape would reset the size of the voxels
    header.set_data_dtype(stored.dtype)
    with gzip.open(path, "wb", compresslevel=6) if zipped else path.open("wb") as file:
        header.writehdr_to(file)
        file.write(bytes(VOXELS_AT - MGH_HEADER))
        file.write(np.asarray(stored, stored.dtype.newbyteorder(">")).tobytes(order="F"))
        header.writeftr_to(file)


def _as_one_of(data: np.ndarray, known: tuple[type[np.generic], ...]) -> np.ndarray:
    """The data in a type that a family knows."""
    if data.dtype in [np.dtype(kind) for kind in known]:
        return data
    return data.astype(np.float32 if data.dtype.kind == "f" else np.int32)


def _write_pair(path: Path, data: np.ndarray, like: Volume) -> None:
    """Analyze where the header is and holds the affine, else a NIfTI pair; first the voxels, last the header."""
    voxels = path.with_suffix(".IMG" if path.suffix.isupper() else ".img")
    header, stored = _analyze(data, like) if _holds_affine(like) else _nifti_pair(data, like)
    with replacing(path) as header_file, replacing(voxels) as voxel_file:
        voxel_file.write_bytes(np.asarray(stored, stored.dtype.newbyteorder(header.endianness)).tobytes(order="F"))
        with header_file.open("wb") as file:
            header.write_to(file)


def _holds_affine(like: Volume) -> bool:
    if not isinstance(like.header, nib.Spm2AnalyzeHeader):
        return False
    header = like.header.copy()
    header.set_data_shape(like.shape)  # without an origin the volume lies around its middle
    return np.allclose(header.get_best_affine(), like.affine, rtol=0, atol=GRID_DIFFERS_MM)


def _analyze(data: np.ndarray, like: Volume) -> tuple[Any, np.ndarray]:
    """Analyze knows fewer types: whole numbers become int32 where they are not uint8 or int16."""
    stored = _as_one_of(data, (np.uint8, np.int16, np.int32, np.float32, np.float64))
    header = like.header.copy()
    header.set_data_shape(stored.shape)
    header.set_data_dtype(stored.dtype)
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = 1, 0, 0
    for name in ("cal_min", "cal_max", "glmin", "glmax"):
        header[name] = 0
    return header, stored


def _nifti_pair(data: np.ndarray, like: Volume) -> tuple[Any, np.ndarray]:
    image = _nifti(data, like)
    image.update_header()
    pairs = {nib.Nifti1Header: nib.Nifti1Pair, nib.Nifti2Header: nib.Nifti2Pair}
    kind = pairs[nib.Nifti2Header if isinstance(image.header, nib.Nifti2Header) else nib.Nifti1Header].header_class
    header = kind(image.header.binaryblock, endianness=image.header.endianness, check=False)
    header["magic"], header["vox_offset"] = kind.pair_magic, 0
    header["scl_slope"], header["scl_inter"] = 1, 0
    return header, data
