"""Who trains, who validates, who is tested: by patient unless told otherwise, seeded."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msseg.cases.blocks import by_blocks
from msseg.cases.case import Case
from msseg.cases.draw import PARTS, by_folds, by_fractions
from msseg.cases.leaks import divided_stacks, noun_of, refuse_leak, shared_patients, unit_of
from msseg.cases.lists import by_lists
from msseg.cases.names import counted, listing
from msseg.cases.ranges import describe_cases
from msseg.config.data import SplitConfig
from msseg.errors import InputError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """The cases of each part, sorted by id."""

    train: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]
    shared_patients: tuple[str, ...] = ()
    """Patients with cases in more than one part: scores on the test then say little about new patients. Stacks
    whose slices are divided are named among the warnings."""
    unused: tuple[Case, ...] = ()
    """Cases in no part."""
    warnings: tuple[str, ...] = ()
    """Sentences that a user should read; they were logged when the split was made."""
    made_by: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The settings that the split was made by."""

    def to_json_dict(self) -> dict[str, Any]:
        """Ids of each part, the patients, and how the split was made, for `split.json` of a run."""
        parts = {part: [case.id for case in getattr(self, part)] for part in (*PARTS, "unused")}
        cases = [case for part in parts for case in getattr(self, part)]
        return {
            **parts,
            "groups": {case.id: case.group for case in sorted(cases, key=lambda case: case.id)},
            "shared_patients": list(self.shared_patients),
            "warnings": list(self.warnings),
            "made_by": dict(self.made_by),
        }


def make_split(cases: Sequence[Case], split: SplitConfig) -> Split:
    """Divide cases as the settings say; warnings are logged and kept in the result.

    The order of the cases does not matter: names are sorted before the draw.

    Raises:
        InputError: There are too few patients (or scans, or slices), lists name someone or slices that are not
            there or name a case twice, or a patient is on both sides although `leak` is `error`.
    """
    if not cases:
        raise InputError("there are no cases to split")
    parts = _parts(cases, split)
    ordered = {part: tuple(_sorted(case for case in cases if parts.get(case.id) == part)) for part in PARTS}
    unused = tuple(_sorted(case for case in cases if case.id not in parts))
    refuse_leak(ordered, split)
    shared = tuple(shared_patients(ordered))
    warnings = tuple(_warnings(ordered, shared, unused, split))
    for warning in warnings:
        _LOG.warning(warning)
    return Split(
        **ordered,
        shared_patients=shared,
        unused=unused,
        warnings=warnings,
        made_by=split.model_dump(mode="json"),
    )


def split_from_json(cases: Sequence[Case], content: Mapping[str, Any]) -> Split:
    """The split that `to_json_dict` wrote, for the cases as they are found now; new cases are unused.

    Raises:
        InputError: A case of the split is not among the cases, or belongs to another patient now.
    """
    known = {case.id: case for case in cases}
    try:
        ids = {part: [str(name) for name in content[part]] for part in PARTS}
        groups = {str(name): str(group) for name, group in content["groups"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the stored split is not one of msseg's (it lacks or garbles {error})") from error
    listed = {name for names in ids.values() for name in names}
    gone = sorted(listed - set(known))
    if gone:
        raise InputError(
            f"the stored split has {counted(len(gone), 'case')} that the data do not have any more:"
            f" {listing(gone)}; give the data the run began with, or begin a new run"
        )
    moved = sorted(name for name in listed if groups.get(name, known[name].group) != known[name].group)
    if moved:
        raise InputError(
            f"{listing(moved)} had another patient when the split was made; give the data the run began with,"
            " or begin a new run"
        )
    ordered = {part: tuple(_sorted(known[name] for name in names)) for part, names in ids.items()}
    return Split(
        **ordered,
        shared_patients=tuple(shared_patients(ordered)),
        unused=tuple(_sorted(case for case in cases if case.id not in listed)),
        warnings=tuple(content.get("warnings", ())),
        made_by=dict(content.get("made_by", {})),
    )


def _parts(cases: Sequence[Case], split: SplitConfig) -> dict[str, str]:
    """Part by id."""
    if split.train is not None:
        return by_lists(cases, split)
    if split.group_by == "slice":
        return by_blocks(cases, split)
    units = sorted({unit_of(case, split.group_by) for case in cases})
    if split.folds is not None:
        if len(units) < split.folds:
            raise InputError(_too_few(cases, len(units), split.folds, split.group_by))
        drawn = by_folds(units, split.folds, split.fold, split.seed)
    else:
        if len(units) == 1 and max(split.fractions) < 1:
            raise InputError(_only_one(cases, split))
        drawn = by_fractions(units, split.fractions, split.seed)
    return {case.id: drawn[unit_of(case, split.group_by)] for case in cases}


def _sorted(cases: Iterable[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: case.order)


def _too_few(cases: Sequence[Case], units: int, folds: int, group_by: str) -> str:
    noun = noun_of(cases, group_by)
    blocks = ", divide the slices (split.group_by: slice)" if cases[0].slice_number is not None else ""
    return (
        f"{folds} folds need at least as many {noun}s, but the data have {counted(units, noun)};"
        f" set split.folds lower{blocks} or use fractions or lists"
    )


def _only_one(cases: Sequence[Case], split: SplitConfig) -> str:
    noun = noun_of(cases, split.group_by)
    ways = ["add others", "train on everything (split.fractions: [1, 0, 0])"]
    if len({case.stack for case in cases}) > 1:
        ways[1:1] = ["divide the scans (split.group_by: scan), which tests the network on a patient it knows"]
    if cases[0].slice_number is not None:
        ways[1:1] = [_ranges(cases), "divide it into blocks of slices (split.group_by: slice)"]
    size = counted(len(cases), "case" if cases[0].slice_number is None else "slice")
    return (
        f"there is only one {noun} ({cases[0].group}, {size}), so nothing is"
        f" left to test on: {', '.join(ways[:-1])} or {ways[-1]}"
    )


def _ranges(cases: Sequence[Case]) -> str:
    """An example of slice ranges for this stack: its first four fifths, and the rest."""
    numbers = sorted({case.slice_number for case in cases if case.slice_number is not None})
    cut = max(1, len(numbers) * 4 // 5)
    train, test = (f"{part[0]}-{part[-1]}" for part in (numbers[:cut], numbers[cut:] or numbers[-1:]))
    return f"give slice ranges (split.train: {train}, split.test: {test})"


def _warnings(
    ordered: Mapping[str, Sequence[Case]], shared: Sequence[str], unused: Sequence[Case], split: SplitConfig
) -> Iterator[str]:
    if shared:
        yield (
            f"{counted(len(shared), 'patient')} on more than one side of the split"
            f" ({listing(shared, limit=20)}): scores on the test cases say little about new patients"
        )
    stacks = divided_stacks(ordered)
    if stacks:
        yield (
            f"slices of {counted(len(stacks), 'stack')} on more than one side of the split:"
            f" {listing(stacks, limit=20)}: slices near each other look alike, so scores say little about new stacks"
        )
    asked = split.folds is not None or (split.train is None and split.fractions[1] > 0)
    if asked and not ordered["validation"]:
        noun = noun_of([case for part in PARTS for case in ordered[part]], split.group_by)
        yield (
            f"there are too few {noun}s to set some aside for validation: training cannot stop"
            " early and keeps its last state"
        )
    if unused:
        yield f"{counted(len(unused), 'case')} in no list of split and not used: {describe_cases(unused)}"
