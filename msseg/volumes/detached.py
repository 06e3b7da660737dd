"""Text headers of NRRD and MetaImage, and the files of voxels that they point to."""

import re
from collections.abc import Sequence
from pathlib import Path

from msseg.errors import InputError
from msseg.volumes.sources import reason, require_file

LONGEST_HEADER = 1 << 20
"""Bytes in which a text header has to end."""

MOST_FILES = 100_000
"""Files that one header may name."""

_COUNTER = re.compile(r"%(0?)(\d{0,2})d")


def read_start(path: Path) -> bytes:
    """The bytes of a file among which its text header is.

    Raises:
        InputError: The file is missing or empty.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_HEADER)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    if not start:
        raise InputError(f"{path} is empty; copy or convert it anew")
    return start


def numbers(text: str, count: int, field: str) -> list[float]:
    """Numbers separated by blanks.

    Raises:
        ValueError: There are others than `count`, or some are no numbers.
    """
    words = text.split()
    if len(words) != count:
        raise ValueError(f"{field} holds {len(words)} values, not {count}")
    return [float(word) for word in words]


def sizes(text: str, count: int, field: str) -> list[int]:
    """Lengths of axes; as `numbers`, but whole and of at most 10 digits, since Python's may be of any length.

    Raises:
        ValueError: As `numbers`.
    """
    words = text.split()
    if len(words) != count or not all(re.fullmatch(r"[+-]?\d{1,10}", word) for word in words):
        raise ValueError(f"{field} is {text[:60]!r}, not {count} whole numbers")
    return [int(word) for word in words]


def named_files(path: Path, names: Sequence[str]) -> list[Path]:
    """The files that a header names, which lie beside it unless they say otherwise.

    Raises:
        InputError: One is missing; it is named, and the header that wants it.
    """
    if not 1 <= len(names) <= MOST_FILES:
        raise InputError(f"{path} is damaged: it names {len(names)} files of voxels; copy or convert it anew")
    files = [path.parent / name.replace("\\", "/") for name in names]
    for file in files:
        try:
            require_file(file)
        except InputError as error:
            raise InputError(
                f"{path} keeps its voxels in another file, and {error}; keep both files together"
            ) from error
    return files


def counted_names(pattern: str, first: int, last: int, step: int) -> list[str]:
    """Names by C's printf: `slice%03d.raw` from `first` to `last`.

    Raises:
        ValueError: The pattern has not exactly one `%d`, or the range is empty or endless.
    """
    if len(_COUNTER.findall(pattern)) != 1 or pattern.count("%") != 1:
        raise ValueError(f"the file names {pattern!r} hold not one number as %03d")
    counted = range(first, last + (1 if step > 0 else -1), step) if step else range(0)
    if not 1 <= len(counted) <= MOST_FILES:
        raise ValueError(f"the file names run from {first} to {last} by {step}")
    return [pattern % number for number in counted]
