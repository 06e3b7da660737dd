"""The text at the start of an NRRD file: its fields, and the vectors in them."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from msseg.errors import InputError
from msseg.volumes.detached import read_start

_OTHER_NAMES = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip", "axismins": "axis mins"}
_OTHER_NAMES |= {"axismaxs": "axis maxs", "centerings": "centers"}


@dataclass
class Fields:
    """A header's lines.

    Attributes:
        path: Its file.
        values: Fields by name, lower case.
        after: Lines behind `data file: LIST`.
        end: Byte behind the empty line.
        closed: Whether there is an empty line.
    """

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)
    end: int = 0
    closed: bool = False

    def __getitem__(self, name: str) -> str:
        if name not in self.values:
            raise ValueError(f"the field '{name}' is missing")
        return self.values[name]


def read_fields(path: Path) -> Fields:
    """Split the text into fields; comments and key/value pairs (`key:=value`) are left out.

    Raises:
        InputError: The file is missing, empty or no NRRD file.
    """
    start = read_start(path)
    if not re.match(rb"NRRD\d{4}\r?\n", start):
        raise InputError(f"{path} is not an NRRD file: it begins with {start[:8]!r} and not with NRRD0004")
    fields = Fields(path)
    while fields.end < len(start):
        stop = start.find(b"\n", fields.end)
        stop = len(start) if stop < 0 else stop
        line = start[fields.end : stop].rstrip(b"\r").decode("latin-1")
        fields.end = min(stop + 1, len(start))
        if not line.strip():
            fields.closed = True
            break
        if "LIST" in fields.values.get("data file", "")[:4]:
            fields.after.append(line.strip())
        elif not line.startswith("#") and ":=" not in line and (parts := line.split(":", 1))[1:]:
            name = parts[0].strip().lower()
            fields.values[_OTHER_NAMES.get(name, name)] = parts[1].strip()
    return fields


def vectors(text: str) -> list[list[float] | None]:
    """`(1,0,0) none (0,1,0)` as lists of numbers, None for none."""
    found: list[list[float] | None] = []
    for vector in re.findall(r"\([^()]*\)|none", text):
        found.append(None if vector == "none" else [float(number) for number in vector[1:-1].split(",")])
    return found


def in_space(vector: list[float] | None) -> bool:
    """Whether a vector has three numbers; or four, of space and time, as ITK writes them."""
    return vector is not None and (len(vector) == 3 or (len(vector) == 4 and vector[3] == 0))
