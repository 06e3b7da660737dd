"""Slice numbers in lists and sentences: `1-24`, `stack3:1-100`, `1-10, 21-30`."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from msseg.cases.case import Case
from msseg.cases.names import listing
from msseg.errors import InputError

_SPAN = r"\d+(?:\s*-\s*\d+)?"
_ENTRY = re.compile(rf"(?:(?P<stack>[^:]+)\s*:\s*)?(?P<spans>{_SPAN}(?:\s*,\s*{_SPAN})*)")


@dataclass(frozen=True)
class SliceRange:
    """Slices that an entry of a split stands for."""

    stack: str | None
    """The stack (wildcards allowed); None: every stack."""
    spans: tuple[tuple[int, int], ...]
    """First and last number of each span, both included."""

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self.spans)


def parse_range(entry: str, place: str) -> SliceRange | None:
    """What an entry says if it is slice numbers, else None.

    Args:
        entry: As in `split.train`.
        place: Where it stands, for messages (`split.train`).

    Raises:
        InputError: A span ends before it begins.
    """
    found = _ENTRY.fullmatch(entry.strip())
    if found is None:
        return None
    spans = []
    for text in found["spans"].split(","):
        first, _, last = text.partition("-")
        spans.append((int(first), int(last or first)))
        if spans[-1][0] > spans[-1][1]:
            raise InputError(
                f"{place} lists the slices '{text.strip()}', which end before they begin; write"
                f" {int(last)}-{int(first)}"
            )
    return SliceRange(found["stack"].strip() if found["stack"] else None, tuple(spans))


def spans_of(numbers: Sequence[int]) -> str:
    """Slice numbers in few words: `1-24` or `2, 5 and 21-23`, cut short where there are many pieces."""
    pieces: list[list[int]] = []
    for number in sorted(set(numbers)):
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1][1] = number
        else:
            pieces.append([number, number])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in pieces)


def nearest_distance(first: Sequence[int], second: Sequence[int]) -> int:
    """The smallest difference between a number of the one and a number of the other."""
    return min(abs(one - other) for one in first for other in second)


def describe_cases(cases: Sequence[Case]) -> str:
    """Names for a sentence: ids, but slices by stack and numbers (`train 25-30`)."""
    stacks: dict[str, list[int]] = defaultdict(list)
    for case in cases:
        if case.slice_number is not None:
            stacks[case.stack].append(case.slice_number)
    names = [case.id for case in cases if case.slice_number is None]
    return listing([*names, *(f"{stack} {spans_of(numbers)}" for stack, numbers in stacks.items())], limit=20)
