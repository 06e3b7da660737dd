"""Splits that name who trains, validates and is tested."""

from collections import defaultdict
from collections.abc import Sequence

from msseg.cases.case import Case
from msseg.cases.draw import PARTS
from msseg.cases.names import listing, matches
from msseg.cases.ranges import SliceRange, describe_cases, parse_range
from msseg.config.data import SplitConfig
from msseg.config.problems import nearest
from msseg.errors import InputError


def by_lists(cases: Sequence[Case], split: SplitConfig) -> dict[str, str]:
    """Part by id, for the cases that are listed.

    An entry is the name of a patient, stack, scan or case (`*` stands for anything), or else slice numbers:
    `1-24` of every stack, `stack3:1-100` of one.

    Raises:
        InputError: An entry stands for nothing, slices are not in the stack, or two parts list one case.
    """
    parts: dict[str, str] = {}
    entries: dict[str, str] = {}
    for part in PARTS:
        for entry in getattr(split, part) or ():
            for case in _meant(entry, part, cases):
                if parts.setdefault(case.id, part) != part:
                    raise InputError(
                        f"case {case.id} is listed twice: in split.{parts[case.id]} by"
                        f" '{entries[case.id]}' and in split.{part} by '{entry}'"
                    )
                entries.setdefault(case.id, entry)
    return parts


def _meant(entry: str, part: str, cases: Sequence[Case]) -> list[Case]:
    """The cases an entry stands for: those of a name, else those of slice numbers."""
    meant = [
        case for case in cases if any(matches(name, entry) for name in {case.group, case.stack, case.scan, case.id})
    ]
    if meant:
        return meant
    place = f"split.{part}"
    slices = parse_range(entry, place) if any(case.slice_number is not None for case in cases) else None
    if slices is not None:
        return _slices(entry, slices, place, cases)
    groups = sorted({case.group for case in cases})
    names = [*groups, *sorted({name for case in cases for name in (case.stack, case.scan, case.id)} - set(groups))]
    what = "stack, slice or range of slices (1-24)" if cases[0].slice_number is not None else "patient, scan or case"
    raise InputError(
        f"{place} lists '{entry}', which is no {what}{nearest(entry, names)} There are: {listing(names, limit=10)}"
    )


def _slices(entry: str, wanted: SliceRange, place: str, cases: Sequence[Case]) -> list[Case]:
    stacks: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if wanted.stack is None or matches(case.stack, wanted.stack) or matches(case.group, wanted.stack):
            stacks[case.stack].append(case)
    if not stacks:
        there = sorted({case.stack for case in cases})
        raise InputError(
            f"{place} lists '{entry}', but there is no stack {wanted.stack}{nearest(str(wanted.stack), there)}"
            f" There are: {listing(there, limit=10)}"
        )
    for name, members in stacks.items():
        _refuse_beyond(entry, wanted, place, name, members)
    meant = [case for case in cases if case.stack in stacks and (case.slice_number or 0) in wanted]
    if not meant:
        raise InputError(
            f"{place} lists the slices '{entry}', but none of them has a label; those that have:"
            f" {describe_cases([case for members in stacks.values() for case in members])}"
        )
    return meant


def _refuse_beyond(entry: str, wanted: SliceRange, place: str, stack: str, cases: Sequence[Case]) -> None:
    """Refuse a range that reaches beyond the stack."""
    span = cases[0].slice_span
    if span is not None and any(first < span[0] or last > span[1] for first, last in wanted.spans):
        there = f"{span[0]}-{span[1]}"
        raise InputError(
            f"{place} lists the slices '{entry}', but the stack {stack} has the slices {there};"
            f" name slices that it has, or one stack alone ({stack}:{there})"
        )
