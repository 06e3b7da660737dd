"""Scans that lack a channel or a label."""

from collections.abc import Sequence
from pathlib import Path

from msseg.cases.layout import Layout
from msseg.cases.names import counted, listing
from msseg.cases.scans import Scan, Values
from msseg.errors import InputError


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
    parts = [f"no {what} for {_who(names, len(scans))}" for what, names in lacks.items() if names]
    if not parts:
        return
    number = len({name for names in lacks.values() for name in names})
    raise InputError(
        f"{number} of {counted(len(scans), 'scan')} in {root} (layout {layout.name})"
        f" {'lacks' if number == 1 else 'lack'} files: {'; '.join(parts)}; {_advice(wanted, scans)}"
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


def _who(names: Sequence[str], total: int) -> str:
    return f"any of the {counted(total, 'scan')}" if len(names) == total > 1 else listing(names)


def _advice(wanted: Sequence[str], scans: Sequence[Scan]) -> str:
    ways = ["add them", "leave scans out with data.select"]
    complete = [channel for channel in wanted if all(channel in scan.images for scan in scans)]
    if 0 < len(complete) < len(wanted):
        ways.append(f"ask only for channels that all have (data.channels: [{', '.join(complete)}])")
    return f"{', '.join(ways[:-1])} or {ways[-1]}"
