"""Headers of FreeSurfer's MGH and MGZ files."""

import gzip
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from msseg.errors import InputError
from msseg.volumes.header import Header, require_affine, require_one_volume, require_spacing
from msseg.volumes.sources import damaged, is_gzipped, open_decoded, reason, require_file
from msseg.volumes.voxels import Block

VOXELS_AT = 284
"""Byte of the first voxel (FreeSurfer wiki, MghFormat)."""

CORONAL = np.array([[-1, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Directions (RAS) of the three axes where a file has none, as FreeSurfer takes them."""


def read_mgh_header(path: Path) -> Header:
    """Read and check the header of `X.mgh` or `X.mgz`.

    Raises:
        InputError: The file is missing, damaged or no MGH file, or describes no volume that can be used.
    """
    require_file(path)
    try:
        with open_decoded(path) as stream:
            start = stream.read(VOXELS_AT)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(path, "header", error) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    if len(start) < VOXELS_AT:
        raise damaged(path, "header", f"it ends after {len(start)} of {VOXELS_AT} bytes")
    try:
        with np.errstate(all="ignore"):
            return _described(path, start)
    except (HeaderDataError, ValueError, KeyError) as error:
        raise damaged(path, "header", error) from error


def _described(path: Path, start: bytes) -> Header:
    version = int.from_bytes(start[:4], "big")
    if version != 1:
        raise InputError(f"{path} is not an MGH file: its version is {version}, not 1")
    oriented = int.from_bytes(start[28:30], "big") != 0
    native = nib.MGHImage.header_class(start, check=False)
    if not oriented:
        native["Mdc"] = CORONAL  # nibabel sets its transpose
    shape = require_one_volume(path, native["dims"])
    try:
        dtype = native.get_data_dtype()
    except KeyError:
        raise HeaderDataError(f"its type of voxels has the unknown number {int(native['type'])}") from None
    if oriented:
        require_spacing(path, native["delta"])
    affine = np.asarray(native.get_affine(), dtype=np.float64)
    require_affine(path, affine)
    notes = () if oriented else ("it has no orientation; FreeSurfer's default (1 mm, coronal, LIA) is taken",)
    block = Block(path, 0, "gzip" if is_gzipped(path) else "raw", VOXELS_AT)
    return Header(
        "mgh", shape, affine, dtype.newbyteorder(">"), oriented=oriented, notes=notes, native=native, blocks=(block,)
    )
