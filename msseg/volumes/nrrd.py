"""NRRD files, attached and detached (Kindlmann 2004, "Definition of NRRD File Format"), read and written.

Read here and not by SimpleITK: a header that is checked before a library sees it has been read, and what is left are
bytes; importing SimpleITK would take 0.3 s, and a fault in it would end the process.
"""

import gzip
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from msseg.errors import InputError
from msseg.volumes.detached import counted_names, named_files, numbers, sizes
from msseg.volumes.header import Header, require_affine, require_one_volume, require_spacing
from msseg.volumes.nrrd_text import Fields, in_space, read_fields, vectors
from msseg.volumes.sources import damaged
from msseg.volumes.voxels import Block, Encoding

_TYPES = {
    "int8": "signed char, int8, int8_t",
    "uint8": "uchar, unsigned char, uint8, uint8_t",
    "int16": "short, short int, signed short, signed short int, int16, int16_t",
    "uint16": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "int32": "int, signed int, int32, int32_t",
    "uint32": "uint, unsigned int, uint32, uint32_t",
    "int64": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "uint64": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "float32": "float",
    "float64": "double",
}
TYPES = {name: dtype for dtype, names in _TYPES.items() for name in names.split(", ")}

ENCODINGS: dict[str, Encoding] = {
    "raw": "raw",
    "gzip": "gzip",
    "gz": "gzip",
    "bzip2": "bzip2",
    "bz2": "bzip2",
    "ascii": "ascii",
    "txt": "ascii",
    "text": "ascii",
}

SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
"""Signs that turn a space's coordinates into RAS."""
WITH_TIME = {f"{name}-time": signs for name, signs in SPACES.items()} | {"rast": (1, 1, 1), "last": (-1, 1, 1)}
WITH_TIME |= {"lpst": (-1, -1, 1)}
"""The same with an axis of time, of which files have one frame; what is written has none."""

ITKS_SPACE = (-1, -1, 1)
"""Where no anatomical space is named, ITK and all that builds on it take LPS."""

LONGEST_SPEC = 4096
"""Characters of a file's name; Linux opens none that is longer."""

COLOUR_KINDS = ("color", "colour", "complex", "vector", "point", "normal", "matrix", "quaternion")


@dataclass(frozen=True)
class NrrdHeader:
    """What of an NRRD header is written again: the space in which directions are given; None: no anatomical one."""

    space: str | None = "left-posterior-superior"


def read_nrrd_header(path: Path) -> Header:
    """Read and check the header of `X.nrrd` or `X.nhdr`.

    Raises:
        InputError: A file is missing or damaged, or the header describes no volume that can be used.
    """
    fields = read_fields(path)
    try:
        with np.errstate(all="ignore"):
            return _described(path, fields)
    except (ValueError, OverflowError) as error:
        raise damaged(path, "header", error) from error


def _described(path: Path, fields: Fields) -> Header:
    dimension = sizes(fields["dimension"], 1, "dimension")[0]
    if not 1 <= dimension <= 16:
        raise ValueError(f"it has {dimension} axes")
    lengths = sizes(fields["sizes"], dimension, "sizes")
    kind = fields["type"].lower()
    if kind not in TYPES:
        raise InputError(f"{path} holds voxels of the type {kind[:40]!r}; one number per voxel is needed")
    encoding = ENCODINGS.get(fields["encoding"].lower())
    if encoding is None:
        raise InputError(
            f"{path} is encoded as {fields['encoding'][:40]!r}, which cannot be read:"
            " save it as raw, gzip, bzip2 or ascii"
        )
    spatial = _spatial_axes(path, fields, lengths)
    shape = require_one_volume(path, [lengths[axis] for axis in spatial])
    affine, space, oriented = _place(path, fields, spatial, dimension)
    dtype = np.dtype(TYPES[kind])
    if dtype.itemsize > 1 and encoding != "ascii":
        order = fields["endian"].lower()
        if order not in ("little", "big"):
            raise ValueError(f"endian is {order[:20]!r}, neither little nor big")
        dtype = dtype.newbyteorder("<" if order == "little" else ">")
    blocks = _blocks(path, fields, encoding, prod(shape) * dtype.itemsize)
    notes = () if oriented else ("it names no anatomical space: left, posterior, superior is taken, as ITK does",)
    unit = fields.values.get("space units", "")
    if unit and not set(re.findall(r'"([^"]*)"', unit)) <= {"mm", "millimeter", "millimetre", "???", ""}:
        notes = (*notes, f"its header gives lengths in {unit[:40]}; its numbers are taken as mm")
    return Header("nrrd", shape, affine, dtype, oriented=oriented, notes=notes, native=NrrdHeader(space), blocks=blocks)


def _spatial_axes(path: Path, fields: Fields, lengths: list[int]) -> list[int]:
    """The three axes of space; others have to be of length one."""
    kinds = fields.values.get("kinds", "").lower().split()
    for axis, kind in enumerate(kinds[: len(lengths)]):
        if lengths[axis] > 1 and any(word in kind for word in COLOUR_KINDS):
            what = "complex numbers" if kind == "complex" else f"colours or vectors (an axis of the kind {kind[:30]})"
            raise InputError(f"{path} holds {what}; one grey value per voxel is needed")
    directions = vectors(fields.values.get("space directions", ""))
    placed = [axis for axis, vector in enumerate(directions) if vector is not None] if directions else []
    if len(placed) == 3 and len(directions) == len(lengths):
        others = [axis for axis in range(len(lengths)) if axis not in placed]
        return [*placed, *others]
    return list(range(len(lengths)))


def _place(path: Path, fields: Fields, spatial: list[int], dimension: int) -> tuple[np.ndarray, str | None, bool]:
    """Affine (RAS), the space's name, and whether it says which side is left."""
    named = fields.values.get("space")
    signs = (SPACES | WITH_TIME).get((named or "").lower())
    affine = np.eye(4)
    if "space directions" in fields.values:
        directions = vectors(fields["space directions"])
        chosen = [directions[axis] for axis in spatial[:3]] if len(directions) == dimension else []
        origin = vectors(fields.values.get("space origin", "(0,0,0)"))
        if len(chosen) != 3 or len(origin) != 1 or not all(in_space(vector) for vector in (*chosen, *origin)):
            raise ValueError(
                f"space directions are {fields['space directions'][:60]!r}, not three of three numbers,"
                f" or space origin, {fields.values.get('space origin', '')[:40]!r}, is not three numbers"
            )
        affine[:3] = np.array([vector[:3] for vector in (*chosen, *origin) if vector is not None]).T
    else:
        affine[:3] = _without_directions(path, fields, spatial, dimension)
    affine[:3] *= np.array(signs or ITKS_SPACE)[:, np.newaxis]
    affine += 0.0  # no -0
    require_affine(path, affine, "space directions")
    kept = named if (named or "").lower() in SPACES else NrrdHeader().space
    return affine, kept if signs else None, signs is not None


def _without_directions(path: Path, fields: Fields, spatial: list[int], dimension: int) -> np.ndarray:
    """Spacings and, of cells or nodes, the places of the first: as ITK takes them."""
    spacings = np.ones(dimension)
    if "spacings" in fields.values:
        spacings = np.array(numbers(fields["spacings"], dimension, "spacings"))
    spacing = spacings[spatial[:3]]
    require_spacing(path, spacing)
    rows = np.column_stack([np.diag(spacing), np.zeros(3)])
    if "axis mins" in fields.values:
        first = np.array(numbers(fields["axis mins"], dimension, "axis mins"))[spatial[:3]]
        centers = (fields.values.get("centers", "").lower().split() + ["cell"] * dimension)[:dimension]
        middle = np.array([0.0 if centers[axis] == "node" else 0.5 for axis in spatial[:3]])
        rows[:, 3] = np.where(np.isfinite(first), first + middle * spacing, 0)
    return rows


def _blocks(path: Path, fields: Fields, encoding: Encoding, size: int) -> tuple[Block, ...]:
    """Where the voxels lie."""
    skip = sizes(fields.values.get("byte skip", "0"), 1, "byte skip")[0]
    lines = sizes(fields.values.get("line skip", "0"), 1, "line skip")[0]
    if skip < -1 or not 0 <= lines <= 100_000 or (skip == -1 and encoding != "raw"):
        raise ValueError(f"byte skip is {skip} and line skip is {lines}")
    if "data file" not in fields.values:
        if not fields.closed:
            raise ValueError("no empty line ends it, and it names no data file")
        return (Block(path, _after_lines(path, fields.end, lines), encoding, skip),)
    spec = fields["data file"]
    if len(spec) > LONGEST_SPEC:
        raise ValueError("the name of its data file is endless")
    if spec.startswith("LIST"):
        names = fields.after
    elif counted := re.fullmatch(r"(.*%\d*d\S*)((?:\s+-?\d{1,9}){3,4})", spec):
        first, last, step = (int(word) for word in counted[2].split()[:3])
        names = counted_names(counted[1], first, last, step)
    else:
        names = [spec]
    files = named_files(path, names)
    if size % len(files):
        raise ValueError(f"{size} bytes of voxels are not in {len(files)} files of one size")
    return tuple(Block(file, _after_lines(file, 0, lines), encoding, skip) for file in files)


def _after_lines(path: Path, start: int, lines: int) -> int:
    if not lines:
        return start
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(lines):
            if not file.readline(1 << 20):
                raise ValueError("it ends within the lines to skip")
        return file.tell()


def write_nrrd(path: Path, data: np.ndarray, affine: np.ndarray, native: NrrdHeader | None = None) -> None:
    """Write an attached NRRD file, compressed by gzip.

    Args:
        path: Target.
        data: Shape (X, Y, Z).
        affine: 4 x 4, RAS; shears are kept.
        native: In which space directions are given.
    """
    space = (native or NrrdHeader()).space
    signs = SPACES[space.lower()] if space else ITKS_SPACE
    columns = (affine[:3] * np.array(signs)[:, np.newaxis] + 0.0).T
    written = ["(" + ",".join(repr(float(value)) for value in column) + ")" for column in columns]
    stored = np.asarray(data, dtype=data.dtype.newbyteorder("<"))
    lines = [
        "NRRD0004",
        f"type: {_TYPES[data.dtype.name].split(', ')[-1]}",
        "dimension: 3",
        f"space: {space}" if space else "space dimension: 3",
        f"sizes: {' '.join(map(str, data.shape))}",
        f"space directions: {' '.join(written[:3])}",
        "kinds: domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {written[3]}",
    ]
    header = ("\n".join(lines) + "\n\n").encode("latin-1")
    path.write_bytes(header + gzip.compress(stored.tobytes(order="F"), compresslevel=6, mtime=0))
