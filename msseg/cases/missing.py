"""Scans that lack a channel or a label."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msseg.cases.case import Case
from msseg.cases.channels import distinct
from msseg.cases.layout import Layout
from msseg.cases.names import counted, listing
from msseg.cases.scans import Scan, Values
from msseg.config.data import Missing
from msseg.errors import InputError

_LOG = logging.getLogger(__name__)


def usable_scans(
    scans: Sequence[Scan],
    models: Sequence[Sequence[str]],
    missing: Missing,
    layout: Layout,
    root: Path,
    incomplete: bool = False,
) -> list[Scan]:
    """The scans that `data.missing` lets through: without those that it skips; what is skipped or filled is logged.

    Where `incomplete`, scans without any channel of a model are let through too, unless they are skipped.

    Raises:
        InputError: All lack something, or a scan has none of the channels of a model.
    """
    if missing == "skip" and not any(set(distinct(models)) <= set(scan.images) for scan in scans):
        refuse_incomplete(scans, distinct(models), None, layout, root)
    there = {scan.id: scan.images for scan in scans}
    kept = _usable(there, models, missing, f"{root} (layout {layout.name})", noun_of(scans, layout), incomplete)
    return [scan for scan in scans if scan.id in kept]


def usable_cases(
    cases: Sequence[Case], models: Sequence[Sequence[str]], missing: Missing, table: Path, incomplete: bool = False
) -> list[Case]:
    """The same for the rows of a table.

    Raises:
        InputError: As `usable_scans`.
    """
    if missing == "skip" and not any(set(distinct(models)) <= set(case.images) for case in cases):
        raise InputError(f"no row of {table} has all of the channels {', '.join(distinct(models))}: none is left")
    kept = _usable({case.id: case.images for case in cases}, models, missing, str(table), "case", incomplete)
    return [case for case in cases if case.id in kept]


def _usable(
    there: Mapping[str, Collection[str]],
    models: Sequence[Sequence[str]],
    missing: Missing,
    place: str,
    noun: str,
    incomplete: bool,
) -> set[str]:
    """Ids that are kept, of ids with their channels."""
    lacks = {
        channel: [name for name, of in there.items() if channel not in of]
        for channel in distinct(models)
        if any(channel not in of for of in there.values())
    }
    lacking = {name for names in lacks.values() for name in names}
    if missing == "error" or not lacking:
        return set(there)
    for model in models if missing == "zero" and not incomplete else ():
        without = [name for name, of in there.items() if not set(model) & set(of)]
        if without:
            raise InputError(
                f"data.missing is zero, but {listing(without)} in {place} {'has' if len(without) == 1 else 'have'} no"
                f" image of {' or '.join(model)} at all: leave them out (data.missing: skip)"
            )
    parts = "; ".join(f"no {channel} for {listing(names)}" for channel, names in lacks.items())
    what = "left out (data.missing: skip)" if missing == "skip" else "filled with zeros (data.missing: zero)"
    verbs = ("lacks a channel and is", "lack a channel and are")[len(lacking) > 1]
    _LOG.warning("%d of %s in %s %s %s: %s", len(lacking), counted(len(there), noun), place, verbs, what, parts)
    return set(there) - lacking if missing == "skip" else set(there)


def complete_scans(
    scans: Sequence[Scan], layout: Layout, select: Mapping[str, Sequence[str]], root: Path
) -> list[Scan]:
    """The scans that have an image and a label; how many lack one is logged.

    Args:
        scans: What was found.
        layout: Says what was looked for.
        select: What was kept, `data.select` over the layout's.
        root: The data set's folder.
    """
    complete = [scan for scan in scans if scan.images and scan.labels]
    chosen = "".join(f" of {name} {' or '.join(select[name])}" for name in layout.label_fields if name in select)
    unlabelled = sum(not scan.labels for scan in scans)
    imageless = sum(not scan.images for scan in scans)
    for number, what in ((unlabelled, f"no label{chosen}"), (imageless, "a label but no image")):
        if number and complete:
            verbs = ("has", "is") if number == 1 else ("have", "are")
            total = counted(len(scans), noun_of(scans, layout))
            _LOG.warning("%d of %s in %s %s %s and %s left out", number, total, root, verbs[0], what, verbs[1])
    return complete


def noun_of(scans: Sequence[Scan], layout: Layout) -> str:
    """What a sentence calls the scans of a layout."""
    if any(scan.slice_number is not None for scan in scans):
        return "slice"
    return "stack" if layout.slices else "scan"


def refuse_incomplete(
    scans: Sequence[Scan],
    wanted: Sequence[str],
    variants: Sequence[Values] | None,
    layout: Layout,
    root: Path,
) -> None:
    """Refuse scans without a wanted channel or without a label.

    Args:
        scans: What was found.
        wanted: The channels that have to be there.
        variants: The labels that have to be there (one for each rater); None: labels are not needed.
        layout: Says what was looked for.
        root: The data set's folder.

    Raises:
        InputError: Says what is missing, for which scans and how many of them.
    """
    lacks = _channels_lacking(scans, wanted, layout)
    if variants is not None:
        lacks |= _labels_lacking(scans, variants, layout)
    noun = noun_of(scans, layout)
    parts = [f"no {what} for {_who(names, len(scans), noun)}" for what, names in lacks.items() if names]
    if not parts:
        return
    number = len({name for names in lacks.values() for name in names})
    raise InputError(
        f"{number} of {counted(len(scans), noun)} in {root} (layout {layout.name})"
        f" {'lacks' if number == 1 else 'lack'} files: {'; '.join(parts)}; {_advice(wanted, scans, noun)}"
    )


def _channels_lacking(scans: Sequence[Scan], wanted: Sequence[str], layout: Layout) -> dict[str, list[str]]:
    """What is looked for -> the scans that do not have it."""
    return {
        f"{channel} ({' or '.join(layout.channels[channel])} in the file's name)": [
            scan.id for scan in scans if channel not in scan.images
        ]
        for channel in wanted
    }


def _labels_lacking(scans: Sequence[Scan], variants: Sequence[Values], layout: Layout) -> dict[str, list[str]]:
    """What is looked for -> the scans that do not have it."""
    patterns = f"({' or '.join(layout.labels)})"
    if not variants:
        return {f"label {patterns}": [scan.id for scan in scans]}
    lacks = {}
    for variant in variants:
        of_whom = "".join(f" of {name} {value}" for name, value in variant)
        lacks[f"label{of_whom} {patterns}"] = [scan.id for scan in scans if variant not in scan.labels]
    return lacks


def _who(names: Sequence[str], total: int, noun: str) -> str:
    return f"any of the {counted(total, noun)}" if len(names) == total > 1 else listing(names)


def _advice(wanted: Sequence[str], scans: Sequence[Scan], noun: str) -> str:
    ways = ["add them", f"leave {noun}s out with data.select or data.missing: skip"]
    complete = [channel for channel in wanted if all(channel in scan.images for scan in scans)]
    if 0 < len(complete) < len(wanted):
        ways.append(f"ask only for channels that all have (data.channels: [{', '.join(complete)}])")
    return f"{', '.join(ways[:-1])} or {ways[-1]}"
