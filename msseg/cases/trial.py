"""Trying a layout on a folder: what each of its patterns finds, which scans come of it, and what is left over."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msseg.cases.containers import split_container
from msseg.cases.layout import Layout, describe_layouts
from msseg.cases.listed import with_listed_channels
from msseg.cases.missing import noun_of
from msseg.cases.names import counted, listing
from msseg.cases.scans import Match, Scan, Values, join_scans, match_files, selected
from msseg.cases.tree import describe_files, file_kind, files_below, relative
from msseg.errors import InputError

MOST_SCANS = 20
"""So many scans are listed one by one."""
MOST_EXAMPLES = 3
IMAGE_KINDS = (
    *(".nii", ".nii.gz", ".hdr", ".hdr.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh"),
    *(".tif", ".tiff", ".png", ".h5", ".hdf5"),
)
"""Files that one may have wished to be found; they are shown before others."""


@dataclass(frozen=True)
class Trial:
    """What a layout makes of a folder."""

    layout: Layout
    root: Path
    files: tuple[Path, ...]
    images: tuple[Match, ...]
    labels: tuple[Match, ...]
    kept: frozenset[Path]
    """Images and labels that the layout's `select` keeps."""
    ignored: int
    """Number of files that the layout's `ignore` leaves aside."""
    scans: tuple[Scan, ...]
    problem: str = ""
    """Why the files do not make scans; then there are none."""

    @property
    def missed(self) -> tuple[Path, ...]:
        """Files that fit no pattern."""
        found = {match.path for match in (*self.images, *self.labels)}
        found |= {split_container(path)[0] for path in found}
        return tuple(path for path in self.files if path not in found)


def try_layout(layout: Layout, root: Path) -> Trial:
    """Match all files below a folder, and join them to scans as far as that goes.

    Raises:
        InputError: The folder cannot be read, or the file that names the channels is not there.
    """
    layout = with_listed_channels(layout, root)
    files = files_below(root, layout.ignore)
    ignored = len(files_below(root)) - len(files) if layout.ignore else 0
    images, labels, scans = list[Match](), list[Match](), list[Scan]()
    problem = ""
    try:
        images, labels = match_files(files, layout)
        kept = selected(images, layout, {}), selected(labels, layout, {})
        scans = join_scans(*kept, layout, root)
    except InputError as error:
        problem, kept = str(error), (images, labels)
    paths = frozenset(match.path for matches in kept for match in matches)
    return Trial(layout, root, tuple(files), tuple(images), tuple(labels), paths, ignored, tuple(scans), problem)


def describe_trial(trial: Trial) -> Iterator[str]:
    """The trial as lines of text."""
    layout = trial.layout
    yield f"layout {layout.name} in {trial.root}: {counted(len(trial.files), 'file')}"
    spelled = [f"{name} ({' or '.join(texts)})" for name, texts in layout.channels.items()]
    yield f"channels: {', '.join(spelled)}"
    for kind, patterns, found in (("images", layout.images, trial.images), ("labels", layout.labels, trial.labels)):
        yield ""
        yield f"{kind}: {counted(len(found), 'file')}"
        for pattern in patterns:
            yield from _of_pattern(pattern, [match for match in found if match.pattern == pattern], trial)
    if trial.problem:
        yield from ("", f"problem: {trial.problem}")
    else:
        yield from _scans(trial)
    yield from _left_over(trial)


def _of_pattern(pattern: str, found: Sequence[Match], trial: Trial) -> Iterator[str]:
    yield f"  {pattern}"
    if not found:
        yield "    no file"
        return
    yield f"    {counted(len(found), 'file')}, such as"
    for match in found[:MOST_EXAMPLES]:
        values = {name: value for name, value in match.values.items() if value}
        if "channel" in values:
            values["channel"] = trial.layout.channel_of(values)
        fields = ", ".join(f"{name} {value}" for name, value in values.items())
        yield f"    {relative(match.path, trial.root)}  ({fields})"


def _scans(trial: Trial) -> Iterator[str]:
    """A table: a line for each scan, a column for each channel and the labels."""
    scans, layout = trial.scans, trial.layout
    noun = noun_of(scans, layout)
    groups = len({scan.group for scan in scans})
    yield from ("", f"{counted(len(scans), noun)} of {counted(groups, 'group')} (what a split keeps together)")
    if not scans:
        return
    rows = [("", *layout.channels, "label", "group")]
    for scan in scans[:MOST_SCANS]:
        there = ("yes" if channel in scan.images else "-" for channel in layout.channels)
        rows.append((scan.id, *there, _labels(scan), scan.group))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
    if len(scans) > MOST_SCANS:
        yield f"  and {len(scans) - MOST_SCANS} more"
    lacks = {channel: [scan.id for scan in scans if channel not in scan.images] for channel in layout.channels}
    lacks["label"] = [scan.id for scan in scans if not scan.labels]
    for what, names in lacks.items():
        if names:
            some = f"{listing(names)} ({len(names)} of {len(scans)})"
            yield f"  no {what}: {'all' if len(names) == len(scans) else some}"


def _labels(scan: Scan) -> str:
    return ", ".join(map(_variant, scan.labels)) if scan.labels else "-"


def _variant(values: Values) -> str:
    return " ".join(f"{name} {value}" for name, value in values) or "yes"


def _left_over(trial: Trial) -> Iterator[str]:
    """Files that were found but not kept, that fit nothing, and that were not looked at."""
    others = [match for match in (*trial.images, *trial.labels) if match.path not in trial.kept]
    if others:
        chosen = ", ".join(f"{name} {_texts(texts)}" for name, texts in trial.layout.select.items())
        yield from ("", f"not kept by the layout's select ({chosen}): {counted(len(others), 'file')}, such as")
        yield from (
            f"  {relative(match.path, trial.root)}  ({_chosen(match, trial)})" for match in others[:MOST_EXAMPLES]
        )
    missed = trial.missed
    yield ""
    if not missed:
        yield "every file fits a pattern"
    else:
        images = [path for path in missed if file_kind(path).lower() in IMAGE_KINDS]
        kinds = Counter(map(file_kind, missed)).most_common()
        numbers = listing([f"{number} {kind}" for kind, number in kinds], limit=6)
        yield f"fit no pattern: {counted(len(missed), 'file')} ({numbers})"
        yield from (f"  {relative(path, trial.root)}" for path in (images or missed)[:10])
        if len(images or missed) > 10:
            yield f"  and {len(images or missed) - 10} more"
    if trial.ignored:
        yield f"left aside by the layout's ignore ({', '.join(trial.layout.ignore)}): {counted(trial.ignored, 'file')}"
    if not trial.images:
        yield from _nothing(trial)


def _nothing(trial: Trial) -> Iterator[str]:
    yield f"no image is found: {describe_files(trial.files, trial.root)}"
    others = [layout for layout in describe_layouts() if layout.name != trial.layout.name]
    fitting = [layout.name for layout in others if match_files(trial.files, layout, by_name=True)[0]]
    if fitting:
        yield f"layout {listing(fitting)} fits some of them"


def _chosen(match: Match, trial: Trial) -> str:
    return ", ".join(f"{name} {match.values[name] or repr('')}" for name in trial.layout.select if name in match.values)


def _texts(texts: Sequence[str]) -> str:
    return " or ".join(text or repr("") for text in texts)
