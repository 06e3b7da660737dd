"""From the bytes of a file to voxels: complete or refused, and never in more memory than the file's size explains."""

import bz2
import gzip
import os
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from nibabel.volumeutils import apply_read_scaling

from msseg.errors import InputError
from msseg.volumes.sources import damaged, reason, require_file

Encoding = Literal["raw", "gzip", "zlib", "bzip2", "ascii"]

LARGEST_RATIO = {"gzip": 1032, "zlib": 1032, "bzip2": 50_000}
"""Bytes that one compressed byte can stand for at most (deflate: zlib's documentation; bzip2: measured on zeros)."""

CHUNK = 1 << 24
MOST_BEHIND = 1 << 28
"""Bytes that may follow the voxels in a compressed file and are read for its checksum."""

_DAMAGED = (EOFError, ValueError, zlib.error, OverflowError, MemoryError, OSError)


@dataclass(frozen=True)
class Block:
    """A run of voxels in a file.

    Attributes:
        path: The file.
        start: Byte of the file from which on it is encoded.
        encoding: How.
        skip: Bytes to pass over after decoding; -1: the voxels are the last bytes.
    """

    path: Path
    start: int = 0
    encoding: Encoding = "raw"
    skip: int = 0


def read_voxels(
    path: Path,
    blocks: Sequence[Block],
    shape: Sequence[int],
    stored: np.dtype[Any],
    scaling: tuple[float, float],
    dtype: type[np.floating],
) -> np.ndarray:
    """Read and scale the voxels of a volume.

    Args:
        path: The file that describes them, for messages.
        blocks: Where they lie, in equal parts; the first axis is the fastest.
        shape: Voxels along each axis.
        stored: Their type in the file, with its byte order.
        scaling: Slope and intercept.
        dtype: Their type in memory. Numbers beyond its range become infinite.

    Raises:
        InputError: A file is missing, shorter than the shape asks for, damaged, or needs more memory than there is.
    """
    count = prod(shape)
    require_memory(path, count * (stored.itemsize + np.dtype(dtype).itemsize))
    for block in blocks:
        _require_bytes(block, count // len(blocks), stored.itemsize)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            if blocks[0].encoding == "ascii":
                numbers = np.concatenate([_read_numbers(block, count // len(blocks)) for block in blocks])
            else:
                numbers = _read_bytes(blocks, count * stored.itemsize).view(stored)
            data = numbers.reshape(tuple(shape), order="F")
            if scaling != (1.0, 0.0):
                # float64, so that large integers keep their last digits on the way
                data = apply_read_scaling(data, *map(np.float64, scaling))
            return data.astype(dtype, copy=False)
    except gzip.BadGzipFile as error:
        raise damaged(blocks[0].path, "compressed voxels", error) from error
    except _DAMAGED as error:
        raise damaged(blocks[0].path, "voxels", error) from error


def require_memory(path: Path, needed: int) -> None:
    """Refuse what no patience helps with: a damaged or hostile header may promise any number of voxels.

    Args:
        path: For the message.
        needed: Bytes that reading takes.

    Raises:
        InputError: This machine does not have as many.
    """
    try:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return
    if 0 < available < needed:
        raise InputError(
            f"{path} needs {needed / 1e9:.3g} GB of memory by its header, and this machine has"
            f" {available / 1e9:.3g} GB: crop it, or check that its header is sound"
        )


def _require_bytes(block: Block, count: int, itemsize: int) -> None:
    """Compare what the header promises with the size of the file, before anything is allocated."""
    require_file(block.path)
    try:
        there = block.path.stat().st_size - block.start
    except OSError as error:
        raise InputError(f"{block.path} cannot be read: {reason(error)}") from error
    if block.encoding == "ascii":
        fits, needed = there >= 2 * count - 1, f"{count} numbers"
    else:
        wanted = count * itemsize + max(block.skip, 0)
        fits, needed = there * LARGEST_RATIO.get(block.encoding, 1) >= wanted, f"{wanted} bytes"
    if not fits:
        raise InputError(
            f"{block.path} is damaged: its voxels cannot be read (the header promises {needed}, and the file has"
            f" {max(there, 0)} bytes left for them, {block.encoding}); copy or convert it anew"
        )


def _read_bytes(blocks: Sequence[Block], size: int) -> np.ndarray:
    whole = np.empty(size, dtype=np.uint8)  # its pages are not taken up before they are written to
    part = size // len(blocks)
    for number, block in enumerate(blocks):
        _fill(block, memoryview(whole.data)[number * part : (number + 1) * part])
    return whole


def _fill(block: Block, target: memoryview) -> None:
    with ExitStack() as stack:
        file = stack.enter_context(block.path.open("rb"))
        if block.skip < 0:
            file.seek(-len(target), os.SEEK_END)
        else:
            file.seek(block.start)
        stream = stack.enter_context(_decoded(file, block.encoding))
        passed = 0
        while passed < block.skip:
            got = len(stream.read(min(CHUNK, block.skip - passed)))
            if not got:
                raise EOFError("the file ends before the first voxel")
            passed += got
        done = 0
        while done < len(target):
            got = stream.readinto(target[done : done + CHUNK])
            if not got:
                raise EOFError(f"the file ends after {done} of {len(target)} bytes")
            done += got
        if block.encoding != "raw":
            _check_end(stream)


def _decoded(file: BinaryIO, encoding: Encoding) -> BufferedIOBase:
    match encoding:
        case "gzip":
            return gzip.GzipFile(fileobj=file)
        case "bzip2":
            return bz2.BZ2File(file)
        case "zlib":
            return cast(BufferedIOBase, _Inflated(file))
        case _:
            return cast(BufferedIOBase, file)


def _check_end(stream: BufferedIOBase) -> None:
    """Read on to the end, where checksums are compared: readers that stop before it do not notice damage."""
    behind = 0
    while got := len(stream.read(1 << 20)):
        behind += got
        if behind > MOST_BEHIND:
            raise ValueError("far more follows its voxels than its header says")


class _Inflated:
    """A zlib or gzip stream as MetaImage stores it, of which the end is checked and what follows is left alone."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # either kind, by its first bytes

    def __enter__(self) -> "_Inflated":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, size: int) -> bytes:
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._file.read(1 << 20)
            if not packed:
                raise EOFError("the compressed data end too early")
            if plain := self._inflater.decompress(packed, size):
                return plain
        return b""

    def readinto(self, target: memoryview) -> int:
        plain = self.read(len(target))
        target[: len(plain)] = plain
        return len(plain)


def _read_numbers(block: Block, count: int) -> np.ndarray:
    """Numbers written as text."""
    with block.path.open("rb") as file:
        file.seek(block.start)
        words = file.read().replace(b",", b" ").split()
    if len(words) < count:
        raise EOFError(f"there are {len(words)} of {count} numbers")
    return np.fromiter(map(float, words[:count]), dtype=np.float64, count=count)
