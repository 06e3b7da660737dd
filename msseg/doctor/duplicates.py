"""The same image twice: under two names, two patients, two channels, or on both sides of a split."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from msseg.cases.names import listing
from msseg.doctor.kinds import Observation
from msseg.doctor.measure import Measured, channels_of

SAME_HEAD = 0.65
"""Correlation of the detail above which two patients are one. In MNI space, that of different patients is 0.1 to 0.2
(Open MS), at most 0.5 in phantoms with the anatomy of one template, and of repeated scans of one head 0.81 to 0.94."""
SAME_SCAN = 0.95
"""Above, it is the same scan: a shift, a crop of the background, rescaled grey values, a little noise."""
BLOCK = 256

Place = tuple[Measured, str]


def find_duplicates(cases: Sequence[Measured], sides: Mapping[str, str]) -> list[Observation]:
    """All observations about images and labels that are the same.

    Args:
        cases: The measured cases.
        sides: Part of the split (`train`, `validation`, `test`) by case id; empty without a split.
    """
    exact = _exact_groups(cases)
    together = {pair for places in exact for pair in _pairs(places)}
    return [
        *_same_images(exact, sides),
        *_near_duplicates(cases, together, sides),
        *_same_labels(cases, together),
    ]


def _exact_groups(cases: Sequence[Measured]) -> list[list[Place]]:
    """Images that share a digest, in groups of two and more; a file that several cases read is one image."""
    homes: dict[bytes, int] = {}
    groups: dict[int, list[Place]] = {}
    seen: set[tuple[Path, int | None]] = set()
    for of in cases:
        for channel, print_ in of.fingerprints.items():
            source = (of.case.images[channel], of.case.slice_index)
            if source in seen and not _elsewhere(of, source[0], cases):
                continue
            seen.add(source)
            known = [homes[digest] for digest in print_.exact if digest in homes]
            home = known[0] if known else len(groups)
            groups.setdefault(home, []).append((of, channel))
            homes.update(dict.fromkeys(print_.exact, home))
    return [places for places in groups.values() if len(places) > 1]


def _elsewhere(of: Measured, path: Path, cases: Sequence[Measured]) -> bool:
    """Whether the file is an image of another scan, or another channel of this one: raters share files rightly."""
    owner = next(other for other in cases if path in other.case.images.values())
    return owner.case.scan != of.case.scan or list(of.case.images.values()).count(path) > 1


def _pairs(places: Sequence[Place]) -> Iterator[frozenset[str]]:
    names = sorted({of.case.id for of, _ in places})
    yield from (frozenset((a, b)) for i, a in enumerate(names) for b in names[i + 1 :])


def _same_images(groups: Sequence[Sequence[Place]], sides: Mapping[str, str]) -> Iterator[Observation]:
    """One observation for each set of cases, whatever the number of channels that they share."""
    shared: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    members: dict[tuple[str, ...], dict[str, Measured]] = {}
    files: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for places in groups:
        key = tuple(dict.fromkeys(of.case.id for of, _ in places))
        shared[key].append(list(dict.fromkeys(channel for _, channel in places)))
        members[key] = {of.case.id: of for of, _ in places}
        files[key] += [of.case.images[channel] for of, channel in places]
    for key, channels in shared.items():
        names = listing([" and ".join(of) for of in channels])
        if len(key) == 1:
            yield Observation("warning", "same_channels", key, tuple(files[key]), names)
            continue
        parts = {sides[name] for name in key if name in sides}
        groups_of = list(dict.fromkeys(of.case.group for of in members[key].values()))
        whose = f"patients {listing(groups_of)}" if len(groups_of) > 1 else f"one patient, {groups_of[0]}"
        if len(parts) > 1:
            detail = f"{names} in {listing(sorted(parts))}"
            yield Observation("error", "duplicate_across_split", key, tuple(files[key]), detail)
        else:
            yield Observation("warning", "duplicate", key, tuple(files[key]), f"{names} ({whose})")


def _near_duplicates(
    cases: Sequence[Measured], exact: set[frozenset[str]], sides: Mapping[str, str]
) -> Iterator[Observation]:
    said: set[frozenset[str]] = set(exact)
    for channel in channels_of(cases):
        having = [of for of in cases if channel in of.fingerprints and of.fingerprints[channel].detail.size]
        by_size: dict[tuple[int, ...], list[Measured]] = defaultdict(list)
        for of in having:
            by_size[of.fingerprints[channel].detail.shape].append(of)
        for alike in by_size.values():
            for first, second, likeness in _close_pairs(alike, channel):
                pair = frozenset((first.case.id, second.case.id))
                observation = _near(first, second, channel, likeness, sides) if pair not in said else None
                said.add(pair)
                if observation is not None:
                    yield observation


def _close_pairs(cases: Sequence[Measured], channel: str) -> Iterator[tuple[Measured, Measured, float]]:
    """Pairs above `SAME_HEAD`, in blocks, so that memory does not grow with the square of their number."""
    for start in range(0, len(cases), BLOCK):
        rows = _unit([of.fingerprints[channel].detail for of in cases[start : start + BLOCK]])
        for begin in range(start, len(cases), BLOCK):
            columns = _unit([of.fingerprints[channel].detail for of in cases[begin : begin + BLOCK]])
            likeness = rows @ columns.T
            for row, column in np.argwhere(likeness >= SAME_HEAD):
                if start + row < begin + column:
                    yield cases[start + row], cases[begin + column], float(likeness[row, column])


def _unit(details: Sequence[np.ndarray]) -> np.ndarray:
    table = np.stack([detail.ravel() for detail in details]).astype(np.float32)
    table -= table.mean(axis=1, keepdims=True)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return table / np.where(length > 0, length, 1)


def _near(
    first: Measured, second: Measured, channel: str, likeness: float, sides: Mapping[str, str]
) -> Observation | None:
    """Slices of one stack resemble their neighbours, and follow-up scans of one patient each other: that is no news."""
    a, b = first.case, second.case
    if a.scan == b.scan or (a.slice_number is not None and a.group == b.group):
        return None
    files = (a.images[channel], b.images[channel])
    if a.group == b.group:
        if likeness < SAME_SCAN:
            return None
        return Observation("note", "repeated_scan", (a.id, b.id), files, f"{channel}, likeness {likeness:.3f}")
    parts = {sides[name] for name in (a.id, b.id) if name in sides}
    across = f", in {listing(sorted(parts))}" if len(parts) > 1 else ""
    what = "the same scan, slightly changed" if likeness >= SAME_SCAN else "another scan of one head, or a changed copy"
    detail = f"{channel}, likeness {likeness:.2f}: {what}{across}"
    return Observation("warning", "near_duplicate", (a.id, b.id), files, detail)


def _same_labels(cases: Sequence[Measured], exact: set[frozenset[str]]) -> Iterator[Observation]:
    """Labels that are the same although the images are not."""
    by_digest: dict[bytes, list[Measured]] = defaultdict(list)
    for of in cases:
        if of.label_digest is not None and of.facts.label is not None:
            by_digest[of.label_digest].append(of)
    for alike in by_digest.values():
        scans = {(of.case.scan, of.case.slice_index) for of in alike}
        whole = all(frozenset((alike[0].case.id, of.case.id)) in exact for of in alike[1:])
        if len(scans) > 1 and not whole:
            label = alike[0].facts.label
            assert label is not None
            names = tuple(of.case.id for of in alike)
            files = tuple(of.case.label for of in alike if of.case.label is not None)
            yield Observation("warning", "duplicate_label", names, files, f"{label.voxels} voxels")
