"""What can be said of a case only beside the others: voxel sizes, skulls, grey values, lesion volumes, orientation.

Rules hold for cohorts of two as for two hundred: what needs a majority says so where there is none, and compares a case
with the median of the others, which one odd case cannot move.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from msseg.cases.names import listing
from msseg.doctor.fingerprint import similarity
from msseg.doctor.intensity import distances_to_cohort
from msseg.doctor.kinds import Observation
from msseg.doctor.measure import Measured, channels_of
from msseg.doctor.orientation import describe_flip, flips_of

SPACING_RATIO = 1.25
"""How much larger a voxel may be along an axis: 0.9 and 1.0 mm, or 2.75 and 3 mm, are one protocol."""
LARGEST_BRAIN_ML = 2200.0
"""No skull-stripped human head is larger: intracranial volumes end below 2 L."""
SKULL_RATIO = 1.4
FEWEST_FOR_INTENSITY = 5
ODD_HISTOGRAM, TIMES_USUAL = 0.35, 3.0
"""A histogram is odd where its distance is above both: 0.35 standard deviations, and three times what is usual.
Same contrasts of Open MS patients lie 0.13 to 0.19 apart, FLAIR and T2 0.5 to 0.6."""
FEWEST_FOR_VOLUME = 8
ODD_VOLUME = 3.5
"""Modified z-score (Iglewicz and Hoaglin 1993) of the logarithm of lesion volumes."""
FEWEST_HEADS = 3
BETTER_TURNED, ALIKE = 0.1, 0.6
"""A head is turned if its likeness to the others' mean rises by so much when turned back, to at least 0.6. Those
of two patients in MNI space are alike by 0.8 to 0.9, and by 0.6 to 0.75 with one flipped front-back or up-down."""


def compare(cases: Sequence[Measured]) -> tuple[list[Observation], list[str]]:
    """Problems of cases beside the others, and which comparisons were left out and why."""
    skipped: list[str] = []
    skulls = list(_skulls(cases))
    explained = {path for problem in skulls for path in problem.files}
    found = [*_spacings(cases), *skulls]
    for of, fewest, what in (
        (_intensities, FEWEST_FOR_INTENSITY, "grey values unlike the others'"),
        (_volumes, FEWEST_FOR_VOLUME, "odd lesion volumes"),
        (_turned, FEWEST_HEADS, "heads turned against the others"),
    ):
        if len(cases) >= fewest:
            found += [problem for problem in of(cases) if not explained.intersection(problem.files)]
        else:
            skipped.append(f"{what} ({fewest} needed)")
    return found, skipped


def _spacings(cases: Sequence[Measured]) -> Iterator[Observation]:
    sizes = {of.case.id: size for of in cases if (size := _world_spacing(of)) is not None}
    if len(sizes) < 2:
        return
    clusters: list[list[str]] = []
    for name, size in sizes.items():
        home = next((cluster for cluster in clusters if _alike(size, sizes[cluster[0]])), None)
        clusters.append([name]) if home is None else home.append(name)
    if len(clusters) == 1:
        return
    clusters.sort(key=len, reverse=True)
    usual = clusters[0]
    if len(usual) * 2 <= len(sizes):
        shown = [f"{_size(sizes[cluster[0]])} ({len(cluster)})" for cluster in clusters]
        yield Observation("note", "mixed_spacing", tuple(sizes), (), listing(shown, limit=6))
        return
    for name in (name for cluster in clusters[1:] for name in cluster):
        detail = f"{_size(sizes[name])} where most have {_size(sizes[usual[0]])}"
        yield Observation("warning", "spacing", (name,), _files(cases, name), detail)


def _world_spacing(of: Measured) -> tuple[float, ...] | None:
    """Voxel sizes left-right, front-back, up-down of the first channel."""
    image = next((image for image in of.facts.images.values() if image.orientation), None)
    if image is None:
        return None
    places = ["LR", "AP", "SI"]
    by_axis = {
        next(place for place, letters in enumerate(places) if letter in letters): size
        for letter, size in zip(image.orientation, image.spacing, strict=True)
    }
    return tuple(by_axis[place] for place in range(3))


def _alike(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(max(a, b) <= SPACING_RATIO * min(a, b) for a, b in zip(first, second, strict=True))


def _size(spacing: Sequence[float]) -> str:
    return " x ".join(f"{length:.3g}" for length in spacing) + " mm"


def _files(cases: Sequence[Measured], name: str) -> tuple[Path, ...]:
    return tuple(path for of in cases if of.case.id == name for path in of.case.images.values())


def _skulls(cases: Sequence[Measured]) -> Iterator[Observation]:
    heads = [
        (of.case.id, channel, image)
        for of in cases
        for channel, image in of.facts.images.items()
        if image.head_ml is not None and channel in of.quantiles
    ]
    stripped = [image.head_ml for _, _, image in heads if image.head_ml and image.head_ml <= LARGEST_BRAIN_ML]
    if not stripped:
        return
    limit = max(LARGEST_BRAIN_ML, SKULL_RATIO * float(np.median(stripped)))
    whole = [head for head in heads if head[2].head_ml and head[2].head_ml > limit]
    for name, channel, image in whole:
        assert image.head_ml is not None
        detail = f"{channel} shows {image.head_ml / 1000:.1f} L, {len(stripped)} of {len(heads)} images"
        detail += f" {float(np.median(stripped)) / 1000:.1f} L"
        yield Observation("warning", "skull", (name,), (image.path,), detail)


def _intensities(cases: Sequence[Measured]) -> Iterator[Observation]:
    for channel, distances in histogram_distances(cases).items():
        if len(distances) < FEWEST_FOR_INTENSITY:
            continue
        usual = float(np.median([distance for distance in distances.values() if distance is not None]))
        limit = max(ODD_HISTOGRAM, TIMES_USUAL * usual)
        for of in cases:
            distance = distances.get(of.case.id)
            if distance is not None and distance > limit:
                detail = f"{channel} is {distance:.2f} standard deviations off, {usual:.2f} are usual"
                yield Observation("warning", "intensity", (of.case.id,), (of.case.images[channel],), detail)


def histogram_distances(cases: Sequence[Measured]) -> dict[str, dict[str, float | None]]:
    """For each channel and case the distance of its histogram to the others'."""
    found: dict[str, dict[str, float | None]] = {}
    for channel in channels_of(cases):
        having = [of for of in cases if channel in of.quantiles]
        distances = distances_to_cohort([of.quantiles[channel] for of in having])
        found[channel] = {of.case.id: distance for of, distance in zip(having, distances, strict=True)}
    return found


def _volumes(cases: Sequence[Measured]) -> Iterator[Observation]:
    labels = {of.case.id: of.facts.label for of in cases if of.facts.label is not None}
    volumes = {name: label.volume_mm3 for name, label in labels.items() if label.volume_mm3 and label.meaning == "mask"}
    if len(volumes) < FEWEST_FOR_VOLUME:
        return
    logs = np.log(list(volumes.values()))
    middle = float(np.median(logs))
    # A cohort of nearly equal volumes makes nothing odd: the spread is at least a factor of 1.5.
    spread = max(1.4826 * float(np.median(np.abs(logs - middle))), math.log(1.5))
    for name, volume in volumes.items():
        if abs(math.log(volume) - middle) > ODD_VOLUME * spread:
            detail = f"{volume / 1000:.3g} mL, the median is {math.exp(middle) / 1000:.3g} mL"
            yield Observation("note", "lesion_volume", (name,), (labels[name].path,), detail)


def _turned(cases: Sequence[Measured]) -> Iterator[Observation]:
    channel = next(iter(channels_of(cases)), "")
    heads = [of for of in cases if channel in of.fingerprints and min(of.fingerprints[channel].shape.shape) > 1]
    if len(heads) < FEWEST_HEADS:
        return
    shapes = np.stack([of.fingerprints[channel].shape for of in heads]).astype(np.float32)
    total = shapes.sum(axis=0)
    for of, shape in zip(heads, shapes, strict=True):
        others = total - shape
        unchanged = similarity(shape, others)
        best, flip = max(
            ((similarity(_turn(shape, *flip), others), flip) for flip in flips_of(shape.shape)),
            key=lambda pair: pair[0],
        )
        if best >= ALIKE and best >= unchanged + BETTER_TURNED:
            what = describe_flip(flip, "RAS")
            detail = f"{channel} is like the others' by {best:.2f} {what}, by {unchanged:.2f} as it lies"
            yield Observation("warning", "head_flipped", (of.case.id,), (of.case.images[channel],), detail)


def _turn(shape: np.ndarray, order: tuple[int, int, int], flipped: tuple[bool, bool, bool]) -> np.ndarray:
    return np.flip(shape.transpose(order), tuple(itertools.compress(range(3), flipped)))
