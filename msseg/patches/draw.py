"""Drawing what happens to a patch, apart from doing it."""

from collections.abc import Sequence

import numpy as np

from msseg.config.patches import (
    Affine,
    Augmentation,
    BiasField,
    Blur,
    Contrast,
    Elastic,
    Flip,
    Gamma,
    Motion,
    Noise,
    Range,
    Rotate90,
)
from msseg.patches.drawn import (
    Change,
    Drawn,
    DrawnAffine,
    DrawnBiasField,
    DrawnBlur,
    DrawnContrast,
    DrawnElastic,
    DrawnFlip,
    DrawnGamma,
    DrawnMotion,
    DrawnNoise,
    DrawnTurn,
    Move,
    Triple,
)
from msseg.patches.frame import Frame, plane_of, slice_axis

PERTURBATION = 0.3
"""How far a moment of movement lies from its place among equal intervals, at most, in intervals (as in TorchIO)."""


def draw(entries: Sequence[Augmentation], frame: Frame, channels: int, random: np.random.Generator) -> Drawn:
    """Decide each entry's chance and parameters, with TorchIO's distributions.

    Args:
        entries: The configured augmentations. Movements keep their order, and so do changes of intensity.
        frame: The patch with its margin.
        channels: Of the image; `gamma` and `contrast` are drawn for each.
        random: Source of randomness.
    """
    moves: list[Move] = []
    changes: list[Change] = []
    for entry in entries:
        if random.random() >= entry.probability:
            continue
        match entry:
            case Flip() | Rotate90() | Affine() | Elastic():
                moves.append(_draw_move(entry, frame, random))
            case _:
                changes.append(_draw_change(entry, frame, channels, random))
    return Drawn(tuple(moves), tuple(changes))


def _draw_move(entry: Flip | Rotate90 | Affine | Elastic, frame: Frame, random: np.random.Generator) -> Move:
    match entry:
        case Flip():
            mirrored = random.random(3) < entry.per_axis
            return DrawnFlip(tuple(axis for axis in sorted(entry.axes) if mirrored[axis] and frame.size[axis] > 1))
        case Rotate90():
            step = 1 if frame.is_square else 2
            return DrawnTurn(step * int(random.integers(4 // step)), bool(random.integers(2)))
        case Affine():
            return _draw_affine(entry, frame, random)
        case Elastic():
            return _draw_elastic(entry, frame, random)


def _draw_affine(entry: Affine, frame: Frame, random: np.random.Generator) -> DrawnAffine:
    scales, degrees, translation = (
        random.uniform(*limits, 3) for limits in (entry.scales, entry.degrees, entry.translation)
    )
    plane = plane_of(entry, frame.size)
    if plane is not None:
        (normal,) = {0, 1, 2} - set(plane)
        turns = all(frame.size[axis] > 1 for axis in plane)
        degrees[[axis for axis in range(3) if axis != normal or not turns]] = 0
        scales[normal], translation[normal] = 1, 0
        translation[np.array(frame.size) == 1] = 0
    return DrawnAffine(_triple(scales), _triple(degrees), _triple(translation))


def _draw_elastic(entry: Elastic, frame: Frame, random: np.random.Generator) -> DrawnElastic:
    """The borders along the last axis are not locked: TorchIO does not lock them."""
    counts, bounds = [entry.control_points] * 3, np.array(frame.displacement(entry))
    plane = plane_of(entry, frame.size)
    if plane is not None:
        (normal,) = {0, 1, 2} - set(plane)
        counts[normal], bounds[normal] = 1, 0
    points = random.uniform(-1, 1, (*counts, 3)) * bounds
    first, second = plane or (0, 1)
    for border in range(entry.locked_borders):
        for axis in (first, second):
            points[(slice(None),) * axis + ([border, -1 - border],)] = 0
    return DrawnElastic(points)


def _draw_change(entry: Augmentation, frame: Frame, channels: int, random: np.random.Generator) -> Change:
    match entry:
        case Motion():
            return _draw_motion(entry, frame, random)
        case BiasField():
            count = (entry.order + 1) * (entry.order + 2) * (entry.order + 3) // 6
            return DrawnBiasField(_several(entry.coefficients, count, random), entry.order)
        case Noise():
            mean, std = (float(random.uniform(*limits)) for limits in (entry.mean, entry.std))
            return DrawnNoise(mean, std, int(random.integers(2**31)))
        case Blur():
            blurs = [length > 1 and not (entry.in_plane and axis == 2) for axis, length in enumerate(frame.size)]
            return DrawnBlur(_triple(np.where(blurs, random.uniform(*entry.std, 3), 0.0)))
        case Gamma():
            return DrawnGamma(_several(entry.log_gamma, channels, random))
        case Contrast():
            return DrawnContrast(_several(entry.scale, channels, random), _several(entry.shift, channels, random))
    raise AssertionError(entry.name)


def _draw_motion(entry: Motion, frame: Frame, random: np.random.Generator) -> DrawnMotion:
    degrees, translation = (
        random.uniform(*limits, (entry.movements, 3)) for limits in (entry.degrees, entry.translation)
    )
    normal = slice_axis(frame.size)
    if normal is not None:
        degrees[:, [axis for axis in range(3) if axis != normal]] = 0
        translation[:, normal] = 0
    step = 1 / (entry.movements + 1)
    places = np.arange(1, entry.movements + 1) + random.uniform(-PERTURBATION, PERTURBATION, entry.movements)
    return DrawnMotion(degrees, translation, places * step)


def _several(limits: Range, count: int, random: np.random.Generator) -> tuple[float, ...]:
    return tuple(random.uniform(*limits, count).tolist())


def _triple(values: np.ndarray) -> Triple:
    x, y, z = values.tolist()
    return x, y, z
