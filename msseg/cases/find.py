"""The cases of an experiment's data: from a layout of folders, or from a table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msseg.cases.case import Case
from msseg.cases.channels import distinct, resolve_channels
from msseg.cases.checks import check_cases, check_files
from msseg.cases.layout import Layout, describe_layouts, read_layout
from msseg.cases.listed import with_listed_channels
from msseg.cases.missing import complete_scans, refuse_incomplete, usable_cases, usable_scans
from msseg.cases.names import listing
from msseg.cases.pages import count_pages, is_stack_file
from msseg.cases.scans import Scan, Values, check_selection, join_scans, match_files, selected
from msseg.cases.stacks import link_series, open_stack
from msseg.cases.table import Table, read_table
from msseg.cases.tree import describe_files, files_below
from msseg.config.data import DataConfig
from msseg.errors import InputError


def find_cases(
    data: DataConfig, root: Path | None = None, need_label: bool = True, incomplete: bool = False
) -> list[Case]:
    """The cases of a data set, sorted by id, slices by their number. No pixels are read, but pages are counted.

    Args:
        data: Layout or table, channels and selection. Only channels that are asked for have to be there.
        root: The data set's folder in place of `data.root`; for a table, what relative paths start from.
        need_label: Whether a case without a label is refused (training, evaluation) or taken (prediction).
            Where labels are not needed, a scan with several labels (raters) is one case without a label.
        incomplete: Whether a case without a channel is taken as it is (but for `data.missing: skip`), so that it fails
            by itself; otherwise `data.missing` says what becomes of it.

    Returns:
        Cases with all channels that are asked for; where `data.missing` is `zero`, with those that there are.

    Raises:
        InputError: Nothing is found, a case lacks a channel or its label, two files claim the same place,
            ids are not unique, a channel or a selected value is not known, or a stack and its label have
            different numbers of slices.
    """
    folder = root if root is not None else data.path()
    if data.table is not None:
        table = read_table(Path(data.table).expanduser())
        models = _channels_of(table, data)
        rows = table.cases(distinct(models), data.select, folder, need_label, incomplete or data.missing != "error")
        usable = usable_cases(rows, models, data.missing, table.path, incomplete)
        cases = _opened(usable, data.slices, need_label)
    else:
        layout = _layout_of(data, folder)
        if folder is None:
            raise InputError(f"where is the data set (layout {layout.name})? Give data.root or --data")
        cases = _cases_of_layout(layout, folder, _channels_of(layout, data), data, need_label, incomplete)
    check_cases(cases)
    return sorted(cases, key=lambda case: case.order)


def channel_sets(data: DataConfig) -> tuple[tuple[str, ...], ...]:
    """The channels of each model that `data.channels` asks for: `[FLAIR, FLAIR+T1]` -> (FLAIR), (FLAIR, T1).

    Without an entry there is one model for each channel that the layout or table knows.

    Raises:
        InputError: A channel, the layout or the table is not known.
    """
    if data.table is not None:
        return _channels_of(read_table(Path(data.table).expanduser()), data)
    return _channels_of(_layout_of(data, data.path()), data)


def _layout_of(data: DataConfig, root: Path | None) -> Layout:
    if data.layout is None:
        raise InputError("no data are named: set data.layout (`msseg layouts` lists them) or data.table")
    return with_listed_channels(read_layout(data.layout), root)


def _channels_of(source: Layout | Table, data: DataConfig) -> tuple[tuple[str, ...], ...]:
    if isinstance(source, Layout):
        return resolve_channels(data.channels, source.channels, f"layout {source.name}")
    return resolve_channels(data.channels, dict.fromkeys(source.channels, ()), f"the table {source.path}")


def _cases_of_layout(
    layout: Layout,
    root: Path,
    models: Sequence[Sequence[str]],
    data: DataConfig,
    need_label: bool,
    incomplete: bool,
) -> list[Case]:
    scans, wanted = _scans_of_layout(layout, root, data, need_label), distinct(models)
    variants = sorted({variant for scan in scans for variant in scan.labels})
    kept, needed = scans, variants if need_label else None
    if need_label and layout.incomplete == "leave_out":
        complete = complete_scans(scans, layout, {**layout.select, **data.select}, root)
        if complete:  # where each has some label; which of several does not matter
            kept, needed = complete, None
    kept = usable_scans(kept, models, data.missing, layout, root, incomplete)
    refuse_incomplete(kept, wanted if data.missing == "error" and not incomplete else (), needed, layout, root)
    # Slices without a label are opened too: they are neighbours of those that have one.
    there = {scan.id for scan in kept}
    with_images = [scan for scan in scans if set(wanted) <= set(scan.images) or scan.id in there]
    cases = [case for scan in with_images for case in _cases_of_scan(scan, wanted, variants, need_label)]
    opened = _opened(cases, layout.slices if data.slices is None else data.slices, need_label)
    names = {scan.id for scan in kept}
    return [case for case in opened if case.scan in names]


def _scans_of_layout(layout: Layout, root: Path, data: DataConfig, need_label: bool) -> list[Scan]:
    if need_label and not layout.labels:
        raise InputError(f"layout {layout.name} has no labels, which are needed to train and to evaluate")
    files = files_below(root, layout.ignore)
    images, labels = match_files(files, layout)
    if not images:
        raise InputError(_nothing_found(layout, root, files))
    check_selection(data.select, [*images, *labels], layout, need_label)
    images, labels = selected(images, layout, data.select), selected(labels, layout, data.select)
    joined = join_scans(images, labels, layout, root, need_label)
    scans = [scan for scan in joined if scan.images or need_label]
    if not scans:
        raise InputError(f"data.select leaves no scan of layout {layout.name} in {root}")
    return scans


def _cases_of_scan(scan: Scan, wanted: Sequence[str], variants: Sequence[Values], need_label: bool) -> list[Case]:
    """One case, or one for each rater where labels of several are kept."""
    images = {channel: scan.images[channel] for channel in wanted if channel in scan.images}
    only = next(iter(scan.labels.values())) if len(scan.labels) == 1 else None
    case = Case(scan.id, scan.group, scan.id, images, only, slice_number=scan.slice_number)
    if len(variants) <= 1 or not need_label or not scan.labels:
        return [case]
    return [replace(case, id=_id(scan, rater), label=scan.labels[rater]) for rater in variants if rater in scan.labels]


def _opened(cases: Sequence[Case], slices: bool | None, need_label: bool) -> list[Case]:
    """Cases of whole files as cases of slices.

    Args:
        cases: One for each stack file, or for each file of a series.
        slices: Whether to open stacks; None: those of several slices.
        need_label: Whether the labels are used, and have to be of the same slices as the images.
    """
    check_files(cases)
    if slices is False:
        return [replace(case, slice_number=None) for case in cases]
    opened = link_series([case for case in cases if case.slice_number is not None])
    for case in cases:
        if case.slice_number is None:
            opened += open_stack(case, need_label) if slices or _is_stack(case) else [case]
    return opened


def _is_stack(case: Case) -> bool:
    return any(is_stack_file(path) and count_pages(path) > 1 for path in case.images.values())


def _id(scan: Scan, variant: Values) -> str:
    return scan.id + "".join(f"_{name}{value}" for name, value in variant)


def _nothing_found(layout: Layout, root: Path, files: Sequence[Path]) -> str:
    """What was looked for, what is there instead, and which other layout knows it."""
    spellings = listing([text for texts in layout.channels.values() for text in texts] or ["0000 and so on"], limit=10)
    others = [other for other in describe_layouts() if other.name != layout.name]
    fitting = [other.name for other in others if match_files(files, other, by_name=True)[0]]
    hint = f"; layout {listing(fitting)} fits some of them" if fitting else ""
    return (
        f"layout {layout.name} finds no image in {root}: it looks for {' or '.join(layout.images)}, where"
        f" {{channel}} is {spellings}, but {describe_files(files, root)}{hint}"
    )
