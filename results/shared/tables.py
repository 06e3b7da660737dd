"""Tables in Markdown, scores in JSON, and the marks of a README between which scripts write."""

import json
import math
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from msseg.atomic import write_text
from msseg.errors import InputError


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def number(value: float | None, digits: int) -> str:
    """The value, or a dash where there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def machine() -> str:
    """Processor, cores and torch, without the machine's name."""
    names = re.findall(r"^model name\s*:\s*(.+)$", _processor_facts(), flags=re.MULTILINE)
    count = len(names) or torch.get_num_threads()
    return f"{names[0] if names else platform.machine()}, {count} cores, torch {version('torch')}"


def _processor_facts() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def read_scores(path: Path) -> dict[str, Any]:
    """What an earlier call wrote; empty where there is nothing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_scores(path: Path, content: dict[str, Any]) -> None:
    """JSON with what is not defined as null."""
    write_text(path, json.dumps(_defined(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _defined(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def fill(readme: Path, mark: str, text: str) -> None:
    """Replace what stands between a mark of a README and its end.

    Raises:
        InputError: The README has no such mark.
    """
    content = readme.read_text(encoding="utf-8")
    filled, count = re.subn(
        rf"(<!-- {re.escape(mark)} -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{text}\n\n{found[2]}",
        content,
        flags=re.DOTALL,
    )
    if not count:
        raise InputError(f"{readme} has no place for the {mark}: put '<!-- {mark} -->' and '<!-- end -->' into it")
    write_text(readme, filled)
