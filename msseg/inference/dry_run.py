"""`msseg predict --dry-run`: what would be computed, and what it would cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msseg.inference.places import Size

TOO_MUCH = "not enough memory"


@dataclass(frozen=True)
class CaseForecast:
    """What predicting one case will take.

    Attributes:
        name: The case.
        source: Shape of its files' grid.
        crop: Shape of what the network sees of it.
        window: Size of the windows.
        windows: How many are not background.
        copies: Mirrored and turned copies of each that are averaged.
        models: Models that are averaged.
        seconds: Computing alone, without reading and writing; None where it was not measured.
        memory: Peak of the process in bytes.
        available: Bytes that the process may have in all; None where that is not known.
    """

    name: str
    source: Sequence[int]
    crop: Sequence[int]
    window: Size
    windows: int
    copies: int
    models: int
    seconds: float | None
    memory: int
    available: int | None

    @property
    def fits(self) -> bool:
        """Whether there is enough memory, as far as is known."""
        return self.available is None or self.memory <= self.available


def describe_dry_run(cases: Sequence[CaseForecast], engine: str, precision: str, window: str, reason: str = "") -> str:
    """The forecast as text: a line on how it is computed, one for each case, and the sum.

    Args:
        cases: The forecasts, at least one.
        engine: What computes.
        precision: In what arithmetic.
        window: In what windows, as `inference.window` names them.
        reason: Why these, in a few words.
    """
    head = f"{engine}, {precision}, window {window}" + (f" ({reason})" if reason else "")
    return "\n".join([head, *map(_line, cases), *_sum(cases)])


def _line(case: CaseForecast) -> str:
    what = f"{case.windows} window{'' if case.windows == 1 else 's'} of {_size(case.window)}"
    more = [f"{case.copies} orientations"] if case.copies > 1 else []
    more += [f"{case.models} models"] if case.models > 1 else []
    parts = [
        f"{case.name}: {_size(case.source)}, crop {_size(case.crop)}",
        ", ".join([what, *more]),
        "time unknown" if case.seconds is None else _seconds(case.seconds),
        f"{_bytes(case.memory)} of memory" if case.fits else _shortage(case),
    ]
    return "  ".join(parts)


def _sum(cases: Sequence[CaseForecast]) -> list[str]:
    if len(cases) == 1:
        return []
    times = [case.seconds for case in cases]
    total = "time unknown" if None in times else _seconds(math.fsum(time for time in times if time is not None))
    return [f"{len(cases)} cases: {total}, at most {_bytes(max(case.memory for case in cases))} of memory"]


def _shortage(case: CaseForecast) -> str:
    assert case.available is not None
    return f"{TOO_MUCH}: {_bytes(case.memory)} needed, {_bytes(case.available)} there"


def _size(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.1f} s" if seconds < 10 else f"about {seconds:.0f} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
