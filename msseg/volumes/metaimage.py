"""MetaImage files (.mha with their voxels, .mhd beside them), read and written; why not by SimpleITK, `nrrd` says."""

import re
import zlib
from math import prod
from pathlib import Path

import numpy as np

from msseg.errors import InputError
from msseg.volumes.detached import counted_names, named_files, numbers, read_start, sizes
from msseg.volumes.header import Header, require_affine, require_one_volume, require_scaling, require_spacing
from msseg.volumes.sources import damaged
from msseg.volumes.voxels import Block, Encoding

TYPES = {
    "MET_CHAR": "int8",
    "MET_UCHAR": "uint8",
    "MET_SHORT": "int16",
    "MET_USHORT": "uint16",
    "MET_INT": "int32",
    "MET_UINT": "uint32",
    "MET_LONG": "int32",  # MetaIO stores 4 bytes on every system
    "MET_ULONG": "uint32",
    "MET_LONG_LONG": "int64",
    "MET_ULONG_LONG": "uint64",
    "MET_FLOAT": "float32",
    "MET_DOUBLE": "float64",
}
TO_RAS = np.array([-1.0, -1.0, 1.0])
"""MetaImage's world is LPS."""

_LAST_KEY = re.compile(rb"^[ \t]*ElementDataFile[ \t]*[=:][ \t]*([^\r\n]*)\r?(?:\n|\Z)", re.MULTILINE | re.IGNORECASE)


def read_metaimage_header(path: Path) -> Header:
    """Read and check the header of `X.mha` or `X.mhd`.

    Raises:
        InputError: A file is missing or damaged, or the header describes no volume that can be used.
    """
    start = read_start(path)
    if not re.match(rb"\s*(ObjectType|NDims|Comment|ObjectSubType|TransformType)\s*=", start):
        raise InputError(f"{path} is not a MetaImage file: it begins with {start[:12]!r} and not with ObjectType")
    try:
        last = _LAST_KEY.search(start)
        if last is None:
            raise ValueError("ElementDataFile, which ends it, is missing")
        fields = {}
        for line in start[: last.start()].decode("latin-1").splitlines():
            key, _, value = line.partition("=")
            fields[key.strip().lower()] = value.strip()
        data_file = last[1].decode("latin-1").strip()
        with np.errstate(all="ignore"):
            return _described(path, fields, data_file, start[last.end() :], last.end())
    except (ValueError, OverflowError) as error:
        raise damaged(path, "header", error) from error


def _described(path: Path, fields: dict[str, str], data_file: str, behind: bytes, end: int) -> Header:
    if fields.get("objecttype", "Image").lower() != "image":
        raise InputError(f"{path} holds the object {fields['objecttype'][:40]!r}, not an image")
    axes = sizes(fields.get("ndims", ""), 1, "NDims")[0]
    if not 1 <= axes <= 10:
        raise ValueError(f"it has {axes} axes")
    lengths = sizes(fields.get("dimsize", ""), axes, "DimSize")
    if (parts := sizes(fields.get("elementnumberofchannels", "1"), 1, "ElementNumberOfChannels")[0]) != 1:
        raise InputError(f"{path} holds colours or vectors of {parts} numbers; one grey value per voxel is needed")
    kind = fields.get("elementtype", "").upper()
    if kind not in TYPES:
        raise InputError(f"{path} holds voxels of the type {kind[:40]!r}; one number per voxel is needed")
    shape = require_one_volume(path, lengths)
    affine = _place(path, fields, axes)
    slope = numbers(fields.get("elementtointensityfunctionslope", "1"), 1, "ElementToIntensityFunctionSlope")[0]
    intercept = numbers(fields.get("elementtointensityfunctionoffset", "0"), 1, "ElementToIntensityFunctionOffset")[0]
    require_scaling(path, slope, intercept)
    big = _true(fields, "elementbyteordermsb", "binarydatabyteordermsb")
    dtype = np.dtype(TYPES[kind]).newbyteorder(">" if big else "<")
    encoding: Encoding = "raw"
    if "binarydata" in fields and not _true(fields, "binarydata"):
        encoding = "ascii"
    elif _true(fields, "compresseddata"):
        encoding = "zlib"
    blocks = _blocks(path, fields, data_file, behind, end, encoding, prod(shape) * dtype.itemsize)
    return Header("metaimage", shape, affine, dtype, slope, intercept, native=True, blocks=blocks)


def _true(fields: dict[str, str], *keys: str) -> bool:
    return any(fields.get(key, "").lower() in ("true", "1", "yes") for key in keys)


def _first(fields: dict[str, str], keys: tuple[str, ...], default: str) -> str:
    return next((fields[key] for key in keys if key in fields), default)


def _place(path: Path, fields: dict[str, str], axes: int) -> np.ndarray:
    """Affine (RAS). MetaIO gives the direction of one axis after the other, each a column here."""
    spacing = np.array(numbers(_first(fields, ("elementspacing", "elementsize"), "1 " * axes), axes, "ElementSpacing"))
    require_spacing(path, spacing[:3])
    identity = " ".join(str(number) for number in np.eye(axes).ravel())
    matrix = _first(fields, ("transformmatrix", "orientation", "rotation"), identity)
    directions = np.array(numbers(matrix, axes * axes, "TransformMatrix")).reshape(axes, axes).T
    offset = np.array(numbers(_first(fields, ("offset", "position", "origin"), "0 " * axes), axes, "Offset"))
    affine = np.eye(4)
    affine[:3, :3] = directions[:3, :3] * spacing[:3]
    affine[:3, 3] = offset[:3]
    affine[:3] *= TO_RAS[:, np.newaxis]
    affine += 0.0  # no -0
    require_affine(path, affine, "TransformMatrix")
    return affine


def _blocks(
    path: Path, fields: dict[str, str], data_file: str, behind: bytes, end: int, encoding: Encoding, size: int
) -> tuple[Block, ...]:
    """Where the voxels lie."""
    skip = sizes(fields.get("headersize", "0"), 1, "HeaderSize")[0]
    if skip < -1 or (skip == -1 and encoding != "raw"):
        raise ValueError(f"HeaderSize is {skip}")
    if data_file.upper() == "LOCAL":
        return (Block(path, end, encoding),)
    words = data_file.split()
    if not words:
        raise ValueError("ElementDataFile names no file")
    if words[0].upper() == "LIST":
        names = [line.strip() for line in behind.decode("latin-1").splitlines() if line.strip()]
    elif "%" in words[0] and len(words) == 4:
        names = counted_names(words[0], *sizes(" ".join(words[1:]), 3, "ElementDataFile"))
    else:
        names = [data_file]
    files = named_files(path, names)
    if size % len(files):
        raise ValueError(f"{size} bytes of voxels are not in {len(files)} files of one size")
    if encoding == "raw":
        return tuple(Block(file, 0, "raw", skip) for file in files)
    return tuple(Block(file, skip, encoding) for file in files)


def write_metaimage(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write an .mha file, compressed.

    Args:
        path: Target.
        data: Shape (X, Y, Z).
        affine: 4 x 4, RAS; shears are kept in TransformMatrix, which ITK reads as it stands.
    """
    world = affine[:3] * TO_RAS[:, np.newaxis] + 0.0
    spacing = np.linalg.norm(world[:, :3], axis=0)
    stored = np.asarray(data, dtype=data.dtype.newbyteorder("<"))
    packed = zlib.compress(stored.tobytes(order="F"), 6)
    kinds = {dtype: kind for kind, dtype in reversed(TYPES.items())}
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {len(packed)}",
        f"TransformMatrix = {_words((world[:, :3] / spacing).T.ravel())}",
        f"Offset = {_words(world[:, 3])}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_words(spacing)}",
        f"DimSize = {' '.join(map(str, data.shape))}",
        f"ElementType = {kinds[data.dtype.name]}",
        "ElementDataFile = LOCAL\n",
    ]
    path.write_bytes("\n".join(lines).encode("ascii") + packed)


def _words(values: np.ndarray) -> str:
    return " ".join(repr(float(value)) for value in values)
