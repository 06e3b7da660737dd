"""Opening TIFF and PNG files as stacks of grey slices; whatever is wrong with one ends in one sentence."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Literal

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from msseg.atomic import replacing
from msseg.cases.pages import TIFF_ERRORS
from msseg.cases.tiff_chain import require_chain_that_ends
from msseg.errors import InputError
from msseg.volumes.lzw import is_valid_lzw
from msseg.volumes.sources import reason
from msseg.volumes.voxels import require_memory

Colour = Literal["refuse", "grey"]

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (ITU-R BT.601, as Pillow and Fiji's weighted conversion)."""
READABLE_COMPRESSIONS = {
    tifffile.COMPRESSION.NONE,
    tifffile.COMPRESSION.LZW,
    tifffile.COMPRESSION.DEFLATE,
    tifffile.COMPRESSION.ADOBE_DEFLATE,
    tifffile.COMPRESSION.PACKBITS,
    tifffile.COMPRESSION.ZSTD,
    tifffile.COMPRESSION.LZMA,
    tifffile.COMPRESSION.JPEG,
}
SLICE_AXES = frozenset("ZTIQ")
"""tifffile's letters for axes along which slices or frames follow one another."""

_LOG = logging.getLogger(__name__)
_TIFFFILE_LOG = logging.getLogger("tifffile")


def load_tiff(path: Path, pages: Sequence[int] | None = None, colour: Colour = "refuse") -> np.ndarray:
    """Read slices of a TIFF file, in the file's own type.

    Args:
        path: Multi-page TIFF, ImageJ hyperstack or OME-TIFF with one axis of slices at most.
        pages: Slices to read, from 0; None: all.
        colour: What becomes of colours: refused, or turned into brightness.

    Returns:
        Shape (rows, columns, slices).

    Raises:
        InputError: The file is missing, no TIFF, damaged, compressed in an unknown way, of colours, or has more axes.
    """
    try:
        require_chain_that_ends(path)
        with _complaints() as complaints, tifffile.TiffFile(path) as file:
            _check(file, path)
            if any("page offset" in text for text in complaints):
                raise InputError(_cut_off(path))
            data = _grey(_read(file, path, pages), file.series[0], path, colour)
            if file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE and data.dtype.kind in "bu":
                _LOG.warning("%s says that its zeros are white (photometric tag): its values are inverted", path)
                data = ~data
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except TIFF_ERRORS as error:
        raise InputError(
            f"{path} is no TIFF file that can be read ({reason(error)}); save it anew, e.g. from Fiji"
        ) from error
    return np.moveaxis(data, 0, -1)


def load_png(path: Path, colour: Colour = "refuse") -> np.ndarray:
    """Read a PNG file, in its own type: shape (rows, columns, 1).

    Raises:
        InputError: The file is missing, no PNG, damaged, or of colours.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            grey = image.mode in ("1", "L", "I", "I;16", "P", "F")
            if not grey and colour == "refuse":
                raise InputError(_colours(path))
            data = np.asarray(image if grey else image.convert("RGB").convert("L"))
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no PNG file; save it anew") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except (*TIFF_ERRORS, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is damaged ({reason(error)}); save it anew") from error
    return data[:, :, np.newaxis]


def write_tiff(path: Path, data: np.ndarray) -> None:
    """Write slices (rows, columns, slices), boolean as 0 and 255, one page each; complete or not at all.

    Raises:
        InputError: The folder cannot be written to.
    """
    values = data.astype(np.uint8) * np.uint8(255) if data.dtype == bool else data
    compression = None if values.dtype.kind == "f" else "zlib"
    with replacing(path) as temporary:
        # Without "minisblack", three slices would be one RGB image for other programs.
        tifffile.imwrite(
            temporary, np.moveaxis(values, -1, 0), photometric="minisblack", compression=compression, metadata=None
        )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What tifffile logs: it stops at pages that are not there, and says so nowhere else."""
    heard: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    _TIFFFILE_LOG.addHandler(handler)
    try:
        yield heard
    finally:
        _TIFFFILE_LOG.removeHandler(handler)


def _cut_off(path: Path) -> str:
    return f"{path} is cut off: it ends before its last slice; copy it anew"


def _check(file: tifffile.TiffFile, path: Path) -> None:
    """Refuse, by the tags alone, what a decoder could stumble over."""
    series = file.series[0]
    sizes = {page.shape for page in file.pages if isinstance(page, tifffile.TiffPage)}
    if len(file.series) > 1 and not file.series[0].is_pyramidal:
        shapes = ", ".join(" x ".join(map(str, one.shape)) for one in file.series[:3])
        raise InputError(f"{path} holds images of different sizes or types ({shapes}): a stack's slices are alike")
    if not sizes or 0 in series.shape:
        raise InputError(f"{path} holds no image")
    page = series.keyframe
    if page.compression not in READABLE_COMPRESSIONS:
        name = getattr(page.compression, "name", None)
        raise InputError(
            f"{path} is compressed in a way that cannot be read ({name or 'unknown'}, code {int(page.compression)}):"
            " save it uncompressed, or with LZW or zlib"
        )
    if series.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {series.dtype}; grey values are needed")
    length = file.filehandle.size
    for one in series.pages:
        if one is not None and any(
            start + count > length for start, count in zip(one.dataoffsets, one.databytecounts, strict=True)
        ):
            raise InputError(_cut_off(path))


def _read(file: tifffile.TiffFile, path: Path, pages: Sequence[int] | None) -> np.ndarray:
    """Slices (N, rows, columns), or with samples (N, rows, columns, S) or (N, S, rows, columns)."""
    series = file.series[0]
    axes = "".join(axis for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX")
    others = [axis for axis in axes if axis not in "YXS"]
    if len(others) > 1 or not set(others) <= SLICE_AXES:
        shape = " x ".join(map(str, series.shape))
        raise InputError(
            f"{path} has the axes {series.axes} ({shape}); one axis of slices is needed: split channels and time"
            " points into files of their own, or make them slices (Fiji: Image > Properties)"
        )
    count = series.shape[series.axes.index(others[0])] if others else 1
    wanted = list(range(count)) if pages is None else list(pages)
    if wanted and max(wanted) >= count:
        raise InputError(f"{path} has {count} slices; slice {max(wanted) + 1} is asked for")
    whole = pages is None or len(file.pages) != count
    require_memory(path, prod(series.shape) // count * (count if whole else len(wanted)) * series.dtype.itemsize)
    if series.keyframe.compression == tifffile.COMPRESSION.LZW:
        for number in range(len(series.pages)) if whole else wanted:
            _require_lzw(file, series.pages[number], path, series.keyframe.fillorder == tifffile.FILLORDER.LSB2MSB)
    data = file.asarray(series=0) if whole else file.asarray(key=wanted)
    data = data.reshape((count if whole else len(wanted), *(series.keyframe.shape)))
    return data[wanted] if whole else data


def _require_lzw(
    file: tifffile.TiffFile, page: tifffile.TiffPage | tifffile.TiffFrame | None, path: Path, reverse: bool
) -> None:
    if page is None:
        return
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.filehandle.seek(start)
        stream = bytes(file.filehandle.read(count))
        if reverse:
            stream = bytes(imagecodecs.bitorder_decode(stream))
        if count and not is_valid_lzw(stream):
            raise InputError(f"{path} is damaged: its LZW compression does not decode; save it anew, e.g. from Fiji")


def _grey(data: np.ndarray, series: tifffile.TiffPageSeries, path: Path, colour: Colour) -> np.ndarray:
    """Slices (N, rows, columns)."""
    page = series.keyframe
    data = np.squeeze(data, axis=tuple(axis for axis in range(3, data.ndim) if data.shape[axis] == 1))
    if data.ndim == 3:
        return data
    if colour == "refuse":
        raise InputError(_colours(path, separate=page.planarconfig == tifffile.PLANARCONFIG.SEPARATE))
    samples = data if page.planarconfig == tifffile.PLANARCONFIG.CONTIG else np.moveaxis(data, 1, -1)
    if samples.shape[-1] < 3:
        return samples[..., 0]
    return np.tensordot(samples[..., :3].astype(np.float32), np.array(LUMINANCE, np.float32), axes=1)


def _colours(path: Path, separate: bool = False) -> str:
    slices = "; if its planes are slices, save it as a stack of grey pages (photometric minisblack)" if separate else ""
    return (
        f"{path} holds colours (RGB), and grey values are needed: convert it to grey, or set preprocessing.colour: grey"
        f" (`msseg predict --colour grey`) to take the brightness{slices}"
    )
