"""Stacks opened into slices: each page of a stack file is a case, and so is each file of a series."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msseg.cases.case import Case
from msseg.cases.names import counted, listing
from msseg.cases.pages import count_pages
from msseg.errors import InputError

DIGITS = 3
"""Page numbers in ids have at least so many digits, so that names sort as slices do."""


def open_stack(case: Case, with_label: bool) -> list[Case]:
    """The slices of a case whose files are stacks, as cases that share these files.

    Args:
        case: With the stacks as images and label.
        with_label: Whether the label has to have as many slices.

    Raises:
        InputError: A file cannot be opened into slices, or image and label have different numbers of them.
    """
    label = [case.label] if case.label is not None and with_label else []
    count = _common_count(case.stack, [*case.images.values(), *label])
    digits = max(DIGITS, len(str(count)))
    return [
        replace(
            case,
            id=f"{case.id}_{number:0{digits}d}",
            slice_index=number - 1,
            slice_number=number,
            slice_span=(1, count),
        )
        for number in range(1, count + 1)
    ]


def link_series(cases: Sequence[Case]) -> list[Case]:
    """Slices that are files of their own, each with its place among the files of its stack (`case.group`).

    Args:
        cases: Each with `slice_number`; several may have one number (labels of several raters).

    Raises:
        InputError: A file holds more than one slice, or two images are of one slice.
    """
    stacks: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        stacks[case.group].append(case)
    return [linked for stack in stacks.values() for linked in _linked(stack)]


def _linked(cases: Sequence[Case]) -> list[Case]:
    """The slices of one stack."""
    images: dict[int, Mapping[str, Path]] = {}
    for case in cases:
        if images.setdefault(_number(case), case.images) != case.images:
            raise InputError(
                f"the stack {case.group} has several images of slice {case.slice_number}, in case {case.id} and"
                " another; give every slice a number of its own"
            )
    files = [path for case in cases for path in (*case.images.values(), case.label) if path is not None]
    for path in dict.fromkeys(files):
        _require_one_page(path)
    numbers = sorted(images)
    channels = set().union(*images.values())
    for number in numbers:
        if lacking := sorted(channels - set(images[number])):
            raise InputError(
                f"slice {number} of the stack {cases[0].group} has no {listing(lacking)}, but other slices have; a"
                " channel may be missing from whole stacks alone"
            )
    series = {channel: tuple(images[number][channel] for number in numbers) for channel in cases[0].images}
    places = {number: index for index, number in enumerate(numbers)}
    span = (numbers[0], numbers[-1])
    return [replace(case, slice_index=places[_number(case)], series=series, slice_span=span) for case in cases]


def _number(case: Case) -> int:
    if case.slice_number is None:
        raise ValueError(f"case {case.id} has no slice number")
    return case.slice_number


def _require_one_page(path: Path) -> None:
    count = count_pages(path)
    if count > 1:
        raise InputError(
            f"{path} has {counted(count, 'slice')}, but it is meant to be a single slice of a stack of files; store"
            " every slice in a file of its own, or set data.slices: false to take files as volumes (3D)"
        )


def _common_count(stack: str, files: Sequence[Path]) -> int:
    counts = {path: count_pages(path) for path in files}
    (first, count), *others = counts.items()
    if count == 0:
        raise InputError(f"the stack {first} has no slices")
    for path, other in others:
        if other != count:
            raise InputError(
                f"the stack {stack} has {counted(count, 'slice')} in {first} but {other} in {path}; image and"
                " label have to be of the same slices"
            )
    return count
