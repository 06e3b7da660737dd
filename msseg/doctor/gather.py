"""SOURCE -> cases, without refusing anything that a finding can say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from msseg.cases.case import Case
from msseg.cases.layout import Layout, describe_layouts, read_layout
from msseg.cases.listed import with_listed_channels
from msseg.cases.pages import count_pages, is_stack_file
from msseg.cases.scans import Scan, join_scans, match_files, selected
from msseg.cases.stacks import open_stack
from msseg.cases.table import read_table
from msseg.cases.tree import absolute, describe_files, files_below
from msseg.config.data import LabelMeaning
from msseg.doctor.kinds import Observation
from msseg.errors import InputError
from msseg.volumes.files import volume_stem, volume_suffix

TABLE_SUFFIXES = (".csv", ".tsv")
LABEL_ENDINGS = ("_mask", "_label", "_labels", "_lesion", "_lesions", "_seg", "_gt", "_consensus_gt")
"""Of loose files in a folder, X_mask is the label of X."""
LOOSE_CHANNEL = "IMAGE"


@dataclass(frozen=True)
class Gathered:
    """Cases to examine.

    Attributes:
        cases: They may lack channels and labels.
        layout: Name of the layout; empty for a table or files.
        meaning: What labels' values stand for.
        problems: What was met on the way.
    """

    cases: tuple[Case, ...]
    layout: str
    meaning: LabelMeaning
    problems: tuple[Observation, ...] = ()


def gather(
    source: Path,
    layout: str | None = None,
    channels: Sequence[str] = (),
    select: Mapping[str, Sequence[str]] | None = None,
    missing: Literal["error", "skip", "zero"] = "error",
    table: Path | None = None,
) -> Gathered:
    """The cases of a file, a folder of files, a table or a data set.

    Args:
        source: Its path.
        layout: Name or file of the layout; None: the one that fits most files, or else every file is a case.
        channels: The channels to look at; empty: all.
        select: As `data.select`.
        missing: As `data.missing`: where it says what becomes of cases without a channel, they are a note.
        table: A table whose relative paths start from SOURCE, in place of a layout.

    Raises:
        InputError: There is nothing to examine, or the layout does not tell files apart.
    """
    if table is not None:
        gathered = _of_table(table, channels, source)
    else:
        gathered = _gathered(source, layout, channels, select or {})
    if missing == "error":
        return gathered
    said = [replace(of, severity="note") if of.kind == "missing_channel" else of for of in gathered.problems]
    return replace(gathered, problems=tuple(said))


def _gathered(
    source: Path, layout: str | None, channels: Sequence[str], select: Mapping[str, Sequence[str]]
) -> Gathered:
    if not source.exists() and volume_suffix(source) is None:
        raise InputError(f"{source} does not exist: name a file, a folder of files or a data set")
    if source.is_file() and source.suffix.lower() in TABLE_SUFFIXES:
        return _of_table(source, channels, source.parent)
    if not source.is_dir():
        loose, problems = _opened([_loose(source, None)])
        return Gathered(loose, "", "mask", problems)
    chosen = with_listed_channels(read_layout(layout), source) if layout is not None else _fitting_layout(source)
    return _loose_folder(source) if chosen is None else _of_layout(chosen, source, channels, select)


def _fitting_layout(root: Path) -> Layout | None:
    """The layout that explains most files; one in which images have labels comes first.

    A folder that holds images itself, but no labels of any layout, is a folder of loose files.
    """
    below = cache(partial(files_below, root))
    loose = any(path.parent == absolute(root) and volume_suffix(path) for path in below())
    best: Layout | None = None
    best_score = (False, 0)
    for described in describe_layouts():
        try:
            layout = with_listed_channels(described, root)
        except InputError:  # a data set of another layout has no file that names channels
            continue
        images, labels = match_files(below(layout.ignore), layout, by_name=True)
        images, labels = selected(images, layout, {}), selected(labels, layout, {})
        score = bool(labels), len(images) + 2 * min(len(images), len(labels))
        if images and (labels or not loose) and score > best_score:
            best, best_score = layout, score
    return best


def _of_layout(layout: Layout, root: Path, channels: Sequence[str], select: Mapping[str, Sequence[str]]) -> Gathered:
    files = files_below(root, layout.ignore)
    try:
        images, labels = match_files(files, layout)
    except InputError:  # a damaged stack: by name it is found all the same, and read later
        images, labels = match_files(files, layout, by_name=True)
    images, labels = selected(images, layout, select), selected(labels, layout, select)
    if not images:
        raise InputError(
            f"layout {layout.name} finds no image in {root}, where {describe_files(files, root)}; give another --layout"
            " (`msseg layouts` lists them)"
        )
    scans = join_scans(images, labels, layout, root)
    wanted = list(channels) or [name for name in layout.channels if any(name in scan.images for scan in scans)]
    cases = [case for scan in scans if scan.images for case in _cases_of(scan, wanted)]
    problems = _incomplete(scans, wanted, layout)
    opened, others = _opened(cases) if layout.slices else (tuple(cases), ())
    return Gathered(opened, layout.name, layout.label_meaning, (*problems, *others))


def _cases_of(scan: Scan, wanted: Sequence[str]) -> list[Case]:
    """One case for each label, or one without a label."""
    images = {channel: scan.images[channel] for channel in wanted if channel in scan.images}
    case = Case(scan.id, scan.group, scan.id, images, slice_number=scan.slice_number)
    if len(scan.labels) <= 1:
        return [replace(case, label=path) for path in scan.labels.values()] or [case]
    return [
        replace(case, id=scan.id + "".join(f"_{name}{value}" for name, value in variant), label=path)
        for variant, path in scan.labels.items()
    ]


def _incomplete(scans: Sequence[Scan], wanted: Sequence[str], layout: Layout) -> list[Observation]:
    found = []
    for scan in scans:
        lacking = [channel for channel in wanted if channel not in scan.images]
        files = tuple(scan.images.values())
        if not scan.images:
            if layout.incomplete == "refuse":
                found.append(Observation("warning", "missing_image", (scan.id,), tuple(scan.labels.values()), "label"))
        elif lacking:
            found.append(Observation("error", "missing_channel", (scan.id,), files, f"no {' and '.join(lacking)}"))
        if scan.images and not scan.labels and layout.incomplete == "refuse" and any(other.labels for other in scans):
            found.append(Observation("warning", "missing_label", (scan.id,), files, "no label"))
    return found


def _of_table(source: Path, channels: Sequence[str], root: Path) -> Gathered:
    table = read_table(source)
    wanted = list(channels) or list(table.channels)
    cases, problems = [], []
    for row in table.rows:
        cells = row.cells
        images = {name: root / Path(cells[name]).expanduser() for name in wanted if cells.get(name)}
        label = root / Path(cells["label"]).expanduser() if cells.get("label") else None
        name = cells["case"] or f"line{row.line}"
        lacking = [channel for channel in wanted if channel not in images]
        if lacking:
            problems.append(Observation("error", "missing_channel", (name,), (), f"no {' and '.join(lacking)}"))
        if label is None and any(other.cells.get("label") for other in table.rows):
            problems.append(Observation("warning", "missing_label", (name,), (), "no label"))
        cases.append(Case(name, cells["group"] or name, cells.get("scan") or name, images, label))
    opened, others = _opened(cases)
    return Gathered(opened, "", "mask", (*problems, *others))


def _loose_folder(root: Path) -> Gathered:
    """Every image directly in a folder is a case; X_mask is the label of X."""
    there = [path for path in sorted(root.iterdir()) if path.is_file() and volume_suffix(path)]
    files = {volume_stem(path): path for path in there if not path.name.startswith(".")}
    if not files:
        raise InputError(
            f"no layout fits the folder {root}, and it holds no image itself:"
            f" {describe_files(files_below(root), root)}; give --layout (`msseg layouts` lists them)"
        )
    labels = {stem: files[stem + ending] for stem in files for ending in LABEL_ENDINGS if stem + ending in files}
    used = set(labels.values())
    opened, problems = _opened([_loose(path, labels.get(stem)) for stem, path in files.items() if path not in used])
    return Gathered(opened, "", "mask", problems)


def _loose(path: Path, label: Path | None) -> Case:
    name = volume_stem(path)
    return Case(name, name, name, {LOOSE_CHANNEL: path}, label)


def _opened(cases: Sequence[Case]) -> tuple[tuple[Case, ...], tuple[Observation, ...]]:
    """Stacks as cases of slices; one that cannot be opened stays whole, and reading it says why."""
    opened: list[Case] = []
    problems = []
    for case in cases:
        try:
            stack = any(is_stack_file(path) and count_pages(path) > 1 for path in case.images.values())
        except InputError:
            stack = False
        if not stack or case.slice_number is not None:
            opened.append(case)
            continue
        try:
            opened += open_stack(case, with_label=True)
        except InputError as error:
            problems.append(Observation("error", "grid", (case.id,), tuple(case.images.values()), str(error)))
    return tuple(opened), tuple(problems)
