"""Reading what an interrupted run left behind: whatever is absent or damaged is noted, nothing raises."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from msseg.config.yaml_source import load_plain

Columns = Mapping[str, Sequence[float]]
"""A table of numbers by column; an empty cell is NaN."""


def read_text(path: Path, missing: list[str]) -> str:
    """The file's text; empty with a note in `missing` where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        missing.append(f"no {path.name}")
    except OSError as error:
        missing.append(f"{path.name} cannot be read ({error.strerror})")
    return ""


def read_json(path: Path, missing: list[str]) -> Any:
    """The file's JSON value; None with a note in `missing` where there is none."""
    text = read_text(path, missing)
    try:
        return json.loads(text) if text else None
    except ValueError as error:
        missing.append(f"{path.name} is damaged ({error})")
        return None


def parse_yaml(text: str, name: str, missing: list[str]) -> Any:
    """The text's YAML value; None with a note in `missing` where it is not valid."""
    try:
        return load_plain(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        missing.append(f"{name} is damaged: it is not valid YAML")
        return None


def read_columns(path: Path, key: str, missing: list[str]) -> Columns:
    """The columns of a CSV table of numbers; rows without a number in `key` (cut short) are left out."""
    text = read_text(path, missing)
    rows = [row for row in csv.DictReader(text.splitlines()) if not math.isnan(_number(row.get(key)))]
    if text and not rows:
        missing.append(f"{path.name} holds no {key}")
    names = [name for name in rows[0] if name] if rows else []
    return {name: [_number(row[name]) for row in rows] for name in names}


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is a dictionary, else an empty one."""
    return value if isinstance(value, dict) else {}


def names(value: Any) -> tuple[str, ...]:
    """The value's entries as text where it is a list, else none."""
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
