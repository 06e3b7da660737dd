"""What files of slices say about themselves: TIFF, PNG and HDF5, without reading a pixel."""

from pathlib import Path

import h5py
import numpy as np
import tifffile
from PIL import Image

from msseg.cases.containers import split_container
from msseg.cases.pages import TIFF_ERRORS, count_pages
from msseg.errors import InputError
from msseg.volumes.header import Header, Kind
from msseg.volumes.sources import reason, require_file
from msseg.volumes.suffixes import HDF5_SUFFIXES, PNG_SUFFIXES, volume_suffix

_DAMAGED = (*TIFF_ERRORS, SyntaxError, OSError)
"""What tifffile, h5py and Pillow raise on damaged files."""


def read_stack_header(path: Path) -> Header:
    """Shape (rows, columns, slices) and type of a stack; its affine is the identity.

    Raises:
        InputError: The file is missing, damaged or of another kind.
    """
    suffix = (volume_suffix(path) or "").lower()
    kind: Kind = "hdf5" if suffix in HDF5_SUFFIXES else "png" if suffix in PNG_SUFFIXES else "tiff"
    require_file(split_container(path)[0])
    try:
        slices = count_pages(path)
        (rows, columns), dtype = _slice(path, kind)
    except _DAMAGED as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); save it anew") from error
    return Header(kind, (rows, columns, slices), np.eye(4), dtype, oriented=False)


def _slice(path: Path, kind: Kind) -> tuple[tuple[int, int], np.dtype]:
    """Size and type of one slice."""
    if kind == "hdf5":
        container, name = split_container(path)
        with h5py.File(container) as file:
            data = file[name]
            return (int(data.shape[-2]), int(data.shape[-1])), data.dtype
    if kind == "png":
        with Image.open(path, formats=["PNG"]) as image:
            deep = image.mode.startswith("I")
            return (image.height, image.width), np.dtype(np.uint16 if deep else np.uint8)
    with tifffile.TiffFile(path) as file:
        page = file.series[0].keyframe
        return (int(page.imagelength), int(page.imagewidth)), np.dtype(page.dtype)
