"""Who is on more than one side of a split: patients, scans, and stacks whose slices were divided."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from msseg.cases.case import Case
from msseg.cases.draw import PARTS, Unit
from msseg.cases.names import listing
from msseg.cases.ranges import nearest_distance, spans_of
from msseg.config.data import SplitConfig
from msseg.errors import InputError

Parts = Mapping[str, Sequence[Case]]
"""Cases by part."""


def unit_of(case: Case, group_by: str) -> Unit:
    """What a draw keeps together: the patient, or else the scan (of slices: the stack)."""
    return (case.group,) if group_by == "patient" else (case.group, case.stack)


def noun_of(cases: Sequence[Case], group_by: str) -> str:
    """What a sentence calls the units of `unit_of`: a patient whose data are one stack is a stack."""
    slices = any(case.slice_number is not None for case in cases)
    if slices and (group_by != "patient" or lone_stacks(cases) == {case.group for case in cases}):
        return "stack"
    return "scan" if group_by == "scan" else "patient"


def lone_stacks(cases: Sequence[Case]) -> set[str]:
    """Groups of slices that are all of one stack."""
    stacks: dict[str, set[str | None]] = defaultdict(set)
    for case in cases:
        stacks[case.group].add(case.stack if case.slice_number is not None else None)
    return {group for group, members in stacks.items() if len(members) == 1 and None not in members}


def shared_patients(parts: Parts) -> dict[str, list[str]]:
    """Patients in more than one part, with those parts.

    A stack is no patient: that its slices are divided is said by `divided_stacks`.
    """
    stacks = lone_stacks(_all(parts))
    shared = _on_several_sides(parts, {case.id: (case.group,) for case in _all(parts)})
    return {unit[-1]: sides for unit, sides in shared.items() if unit[-1] not in stacks}


def refuse_leak(parts: Parts, split: SplitConfig) -> None:
    """Refuse lists that divide what belongs together; slices of one stack may be divided, the labels of one not.

    Raises:
        InputError: Names the patients, scans or slices and their parts.
    """
    if split.leak == "warn":
        return
    stacks = lone_stacks(_all(parts))
    units = {case.id: _indivisible(case, split.group_by, stacks) for case in _all(parts)}
    leaks = _on_several_sides(parts, units)
    if leaks:
        named = [f"{unit[-1]} (in {' and '.join(sides)})" for unit, sides in leaks.items()]
        kind = "slice" if any(len(unit) > 2 for unit in leaks) else noun_of(_all(parts), split.group_by)
        raise InputError(
            f"the lists in split put one {kind} on both sides: {listing(named)}; scores would say"
            f" little about new {kind}s, so list it on one side, or set split.leak: warn if this is meant"
        )


def divided_stacks(parts: Parts) -> list[str]:
    """For each stack in more than one part: `stack3 (1-100 in train; 101-169 in test; 1 apart)`."""
    stacks: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for part in PARTS:
        for case in parts[part]:
            if case.slice_number is not None:
                stacks[case.stack][part].append(case.slice_number)
    return [_divided(name, sides) for name, sides in sorted(stacks.items()) if len(sides) > 1]


def _divided(stack: str, sides: Mapping[str, Sequence[int]]) -> str:
    apart = min(nearest_distance(first, second) for first, second in combinations(sides.values(), 2))
    slices = "; ".join(f"{spans_of(numbers)} in {part}" for part, numbers in sides.items())
    return f"{stack} ({slices}; {apart} apart)"


def _indivisible(case: Case, group_by: str, stacks: set[str]) -> Unit:
    if case.slice_number is None or (group_by == "patient" and case.group not in stacks):
        return unit_of(case, group_by)
    return case.group, case.stack, f"{case.stack} slice {case.slice_number}"


def _on_several_sides(parts: Parts, units: Mapping[str, Unit]) -> dict[Unit, list[str]]:
    sides: dict[Unit, list[str]] = defaultdict(list)
    for part in PARTS:
        for unit in {units[case.id] for case in parts[part]}:
            sides[unit].append(part)
    return {unit: names for unit, names in sorted(sides.items()) if len(names) > 1}


def _all(parts: Parts) -> list[Case]:
    return [case for part in PARTS for case in parts[part]]
