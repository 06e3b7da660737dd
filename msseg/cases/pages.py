"""How many slices a file has, without reading any of them.

The libraries of TIFF and HDF5 are imported where such files are opened: with NIfTI they would be a third of the start.
"""

from __future__ import annotations

import logging
import struct
import zlib
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from msseg.cases.containers import split_container
from msseg.cases.names import listing
from msseg.cases.tiff_chain import require_chain_that_ends
from msseg.errors import InputError

if TYPE_CHECKING:
    import h5py

TIFF_SUFFIXES = (".tif", ".tiff")
PNG_SUFFIXES = (".png",)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_ERRORS = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,
    AssertionError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
"""What tifffile raises on files that are damaged or no TIFFs; its own TiffFileError is a ValueError."""
# tifffile's remarks on tags are not for users; what matters in them is looked for where files are read.
logging.getLogger("tifffile").propagate = False
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_stack_file(path: Path) -> bool:
    """Whether the file is of a kind that may hold several slices: TIFF, or a data set in an HDF5 file."""
    file, dataset = split_container(path)
    return dataset is not None or file.suffix.lower() in TIFF_SUFFIXES


def count_pages(path: Path) -> int:
    """The number of slices: pages of a TIFF file, length of the first axis of an HDF5 data set, 1 for PNG.

    Raises:
        InputError: The file is missing, damaged or of another kind, or lacks the data set (those there are named).
    """
    file, dataset = split_container(path)
    try:
        if dataset is not None:
            return _hdf5_pages(file, dataset)
        if file.suffix.lower() in TIFF_SUFFIXES:
            return _tiff_pages(file)
        if file.suffix.lower() in PNG_SUFFIXES:
            return _png_pages(file)
    except FileNotFoundError as error:
        raise InputError(f"the file {file} does not exist") from error
    except OSError as error:
        kind = "HDF5" if dataset is not None else "image"
        raise InputError(f"{file} cannot be read as an {kind} file: {error.strerror or error}") from error
    raise InputError(
        f"{path} cannot be opened into slices; stacks are TIFF (.tif, .tiff), HDF5 (.h5, .hdf5) or PNG files"
    )


def _tiff_pages(path: Path) -> int:
    """Pages of the first series, since ImageJ writes large stacks with one directory for all pages."""
    import tifffile

    require_chain_that_ends(path)
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            return prod(size for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YXS")
    except TIFF_ERRORS as error:
        raise InputError(
            f"{path} is no TIFF file that can be read ({error or type(error).__name__}); save it anew, e.g. from Fiji"
        ) from error


def _hdf5_pages(path: Path, dataset: str) -> int:
    import h5py

    with h5py.File(path) as file:
        data = file.get(dataset)
        if not isinstance(data, h5py.Dataset):
            raise InputError(_no_dataset(file, path, dataset))
        shape = tuple(data.shape)
    if len(shape) not in (2, 3):
        raise InputError(
            f"the data set /{dataset} of {path} has the shape {' x '.join(map(str, shape)) or 'of one number'};"
            " slices x rows x columns are needed"
        )
    return shape[0] if len(shape) == 3 else 1


def _no_dataset(file: h5py.File, path: Path, dataset: str) -> str:
    import h5py

    there: list[str] = []
    file.visititems(lambda name, item: there.append(name) if isinstance(item, h5py.Dataset) else None)
    if not there:
        return f"{path} has no data set /{dataset}, nor any other"
    return (
        f"{path} has no data set /{dataset}; it has {listing([f'/{name}' for name in there], limit=10)}: name one"
        f" in a table or a layout of your own, as in {path.name}/{there[0]}"
    )


def _png_pages(path: Path) -> int:
    with path.open("rb") as file:
        if file.read(len(_PNG_SIGNATURE)) != _PNG_SIGNATURE:
            raise InputError(f"{path} is no PNG file; save it anew")
    return 1
