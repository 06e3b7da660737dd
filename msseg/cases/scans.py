"""Files -> scans: which images and labels a layout finds, and which of them belong together."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from msseg.cases.layout import Layout
from msseg.cases.names import listing, matches, matches_any
from msseg.cases.pages import count_pages, is_stack_file
from msseg.cases.patterns import Pattern
from msseg.cases.tree import relative
from msseg.config.problems import nearest
from msseg.errors import InputError

Values = tuple[tuple[str, str], ...]
"""Fields and their values, in the order in which a layout has them; without those that are absent."""


@dataclass(frozen=True)
class Match:
    """A file that fits a pattern."""

    path: Path
    values: Mapping[str, str]
    pattern: str = ""
    """The pattern that took it."""


@dataclass
class Scan:
    """One examination or slice: its images by channel, its labels by the fields that tell them apart (the rater)."""

    id: str
    group: str
    slice_number: int | None = None
    images: dict[str, Path] = field(default_factory=dict)
    labels: dict[Values, Path] = field(default_factory=dict)


def match_files(files: Sequence[Path], layout: Layout, by_name: bool = False) -> tuple[list[Match], list[Match]]:
    """The images and the labels among the files.

    A file that fits a pattern of images and one of labels is what the pattern says that says more of it
    (`Pattern.says`): `X_label.tif` is a label for `{stack}_label.tif`, although it is an image for `{stack}.tif`.

    Args:
        files: Absolute paths.
        layout: The patterns.
        by_name: Whether to open no file; otherwise one whose name may be a slice's (`{slice}`) or a stack's is
            taken for a stack where it has several pages.

    Raises:
        InputError: A file is an image by one pattern and a label by another that says as much.
    """
    images, labels = [], []
    for path in files:
        image, label = _fit(path, layout.image_patterns, by_name), _fit(path, layout.label_patterns, by_name)
        if image is not None and label is not None and image.pattern.inside == label.pattern.inside:
            of_image, of_label = image.pattern.says(path.parts), label.pattern.says(path.parts)
            if of_image == of_label:
                raise InputError(
                    f"in layout {layout.name}, {path} is an image by '{image.pattern.text}' and a label by"
                    f" '{label.pattern.text}', one pattern and another; make the patterns differ"
                )
            image, label = (image, None) if of_image > of_label else (None, label)
        if image is not None:
            images.append(Match(path / image.pattern.inside, image.values, image.pattern.text))
        if label is not None:
            labels.append(Match(path / label.pattern.inside, label.values, label.pattern.text))
    return images, labels


def check_selection(
    select: Mapping[str, Sequence[str]], found: Sequence[Match], layout: Layout, need_label: bool
) -> None:
    """Refuse a choice that cannot be meant.

    Raises:
        InputError: `data.select` names a field that the layout does not have, or a value that no file has.
    """
    for name, wildcards in select.items():
        if name not in layout.fields:
            raise InputError(_unknown_field(name, layout))
        if name not in layout.label_fields or need_label:
            _check_values(name, wildcards, found)


def selected(found: Sequence[Match], layout: Layout, select: Mapping[str, Sequence[str]]) -> list[Match]:
    """The files whose fields have the values chosen by `data.select`, or else by the layout."""
    chosen = {**layout.select, **select}
    return [
        match
        for match in found
        if all(matches_any(value, chosen[name]) for name, value in match.values.items() if name in chosen)
    ]


def join_scans(
    images: Sequence[Match], labels: Sequence[Match], layout: Layout, root: Path, need_label: bool = True
) -> list[Scan]:
    """Images and labels whose fields agree, as scans sorted by id; a label without any image is a scan too.

    Args:
        images: What was found and kept.
        labels: What was found and kept.
        layout: Says what tells scans apart.
        root: The data set's folder, for messages.
        need_label: Whether two labels in one place are an error; otherwise such a scan has none.

    Raises:
        InputError: Two files claim the same place, or two scans have the same id.
    """
    scans: dict[Values, Scan] = {}
    taken: dict[tuple[int, str | Values], Match] = {}
    for match in images:
        scan, channel = _scan_of(match, layout, scans), layout.channel_of(match.values)
        other = taken.setdefault((id(scan), channel), match)
        if other.path != match.path:
            raise InputError(_claim(f"{scan.id} has two images of {channel}", other, match, layout, root))
        scan.images[channel] = match.path
    for match in labels:
        scan, variant = _scan_of(match, layout, scans), _pick(match.values, layout.label_fields)
        other = taken.setdefault((id(scan), variant), match)
        if other.path == match.path:
            scan.labels[variant] = match.path
        elif need_label:
            raise InputError(_claim(f"{scan.id} has two labels", other, match, layout, root))
        else:
            scan.labels.pop(variant, None)
    _check_ids(scans, layout)
    return sorted(scans.values(), key=lambda scan: scan.id)


class _Fit(NamedTuple):
    """A pattern that a file's name fits, and the values of its fields."""

    pattern: Pattern
    values: Mapping[str, str]


def _fit(path: Path, patterns: Sequence[Pattern], by_name: bool) -> _Fit | None:
    fits = [_Fit(pattern, values) for pattern in patterns if (values := pattern.match(path.parts)) is not None]
    stacks = [fit for fit in fits if "slice" not in fit.values]
    either = bool(stacks) and "slice" in fits[0].values
    if either and not by_name and is_stack_file(path) and path.is_file() and count_pages(path) > 1:
        return stacks[0]
    return fits[0] if fits else None


def _pick(values: Mapping[str, str], names: Sequence[str]) -> Values:
    return tuple((name, values[name]) for name in names if values.get(name))


def _scan_of(match: Match, layout: Layout, scans: dict[Values, Scan]) -> Scan:
    number = int(match.values["slice"]) if "slice" in match.values else None
    values = match.values if number is None else {**match.values, "slice": str(number)}
    key = _pick(values, layout.scan_fields)
    if key not in scans:
        scans[key] = Scan(layout.scan_id(match.values), layout.group_of(match.values), number)
    return scans[key]


def _claim(claim: str, one: Match, other: Match, layout: Layout, root: Path) -> str:
    """What to say of two files in one place, and how to choose."""
    first, second = relative(one.path, root), relative(other.path, root)
    differing = [name for name in layout.choose if one.values.get(name, "") != other.values.get(name, "")]
    if differing:
        name = differing[0]
        values = listing([repr(match.values.get(name, "")) for match in (one, other)])
        value = one.values.get(name, "")
        chosen = f"data.select: {{{name}: {json.dumps([value])}}}, or --select {name}={value}"
        advice = f"say which {name} is meant ({values}): {chosen}"
    elif first.parent == second.parent:
        advice = "keep one of them"
    else:
        shared = Path(os.path.commonpath([first, second])).parts
        folders = [str(root.joinpath(*file.parts[: len(shared) + 1])) for file in (first, second)]
        advice = f"give the folder of one variant ({' or '.join(folders)}) as data.root or with --data"
    return f"{claim}: {first} and {second}; {advice}"


def _check_ids(scans: Mapping[Values, Scan], layout: Layout) -> None:
    by_id = defaultdict(list)
    for key, scan in scans.items():
        by_id[scan.id].append(", ".join(f"{name} {value}" for name, value in key))
    for name, keys in sorted(by_id.items()):
        if len(keys) > 1:
            raise InputError(
                f"layout {layout.name} gives the id {name} to several scans ({listing(keys)});"
                f" its key case ('{layout.case}') has to name the fields that tell them apart"
            )


def _unknown_field(name: str, layout: Layout) -> str:
    if name == "channel":
        return "data.select cannot choose channels; name them in data.channels"
    fields = list(layout.fields)
    return (
        f"data.select names the field {name}, which layout {layout.name} does not have"
        f"{nearest(name, fields)} It has: {', '.join(fields)}"
    )


def _check_values(name: str, wildcards: Sequence[str], found: Sequence[Match]) -> None:
    there = sorted({match.values[name] for match in found if name in match.values})
    for wildcard in wildcards:
        if not any(matches(value, wildcard) for value in there):
            shown = [value or "'' (absent)" for value in there]
            raise InputError(
                f"data.select keeps {name} {wildcard or repr('')}, but no file has it{nearest(wildcard, there)}"
                f" There are: {listing(shown, limit=10)}"
            )
