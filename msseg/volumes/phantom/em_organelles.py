"""What lies in neurites and looks like membrane, but is none: mitochondria, vesicles, tubules, cisternae."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msseg.volumes.phantom.em_fields import PLANES_PER_SECTION, DriftingField, drifting_field
from msseg.volumes.phantom.em_neurites import GLIA, MEDIAN_RADIUS, Neurites
from msseg.volumes.phantom.fields import FloatArray

SHARE_WITH_MITOCHONDRION = 0.3  # of the processes that are wide enough, at a time
STAMP = 7  # half the side of the square in which a vesicle is drawn


@dataclass(frozen=True)
class Mitochondrion:
    """An ellipsoid that follows a process along some sections."""

    process: int
    middle: float
    """Plane of its middle."""
    half_length: float
    """Planes from its middle to its ends."""
    offset: NDArray[np.float64]
    """Pixels (2,) from the centre of the process."""
    radii: tuple[float, float]
    """Half axes in pixels, the longer one first."""
    angle: float
    cristae: tuple[float, float]
    """Direction across the cristae, and pixels from one to the next."""
    darkness: float
    """Grey values by which its matrix is darker than the cytoplasm."""


@dataclass(frozen=True)
class Contents:
    """What the neurites hold."""

    mitochondria: tuple[Mitochondrion, ...]
    vesicles: FloatArray
    """Vesicles per 1000 pixels of a cluster, for each neurite (count + 1,)."""
    tubules: FloatArray
    """Microtubules and ribosomes per 1000 pixels, for each neurite (count + 1,)."""
    cluster: DriftingField
    """Vesicles lie where this is positive."""
    cisternae: tuple[DriftingField, DriftingField]
    """Cisternae lie on the zero lines of the first where the second is large."""


def draw_contents(neurites: Neurites, rng: np.random.Generator) -> Contents:
    """Organelles for the neurites: each neurite has its own kind of contents."""
    planes, count = len(neurites.radii), neurites.count + 1
    wide = np.flatnonzero(neurites.radii.mean(axis=0) > 1.2 * MEDIAN_RADIUS)
    mitochondria = []
    for process in wide:
        # Along a process they come one after another, with gaps between them.
        plane = -rng.uniform(0, 12) * PLANES_PER_SECTION
        while plane < planes:
            half_length = rng.uniform(3.0, 9.0) * PLANES_PER_SECTION
            gap = 2 * half_length * (1 / SHARE_WITH_MITOCHONDRION - 1) * rng.exponential()
            mitochondria.append(_draw_mitochondrion(neurites, int(process), plane + half_length, half_length, rng))
            plane += 2 * half_length + gap
    tubules = rng.uniform(4.0, 14.0, count)
    tubules[GLIA] = 26.0
    vesicles = np.where(rng.uniform(size=count) < 0.4, rng.uniform(7.0, 18.0, count), rng.uniform(1.0, 4.0, count))
    return Contents(
        mitochondria=tuple(mitochondria),
        vesicles=vesicles.astype(np.float32),
        tubules=tubules.astype(np.float32),
        cluster=drifting_field(planes, neurites.size, 40.0, 4.0, rng),
        cisternae=(
            drifting_field(planes, neurites.size, 22.0, 2.0, rng),
            drifting_field(planes, neurites.size, 30.0, 2.0, rng),
        ),
    )


def _draw_mitochondrion(
    neurites: Neurites, process: int, middle: float, half_length: float, rng: np.random.Generator
) -> Mitochondrion:
    radius = float(neurites.radii[:, process].mean())
    short = min(rng.uniform(0.6, 0.85) * radius, rng.uniform(17, 32))
    longer = short * rng.uniform(1.05, 1.9)
    direction = rng.uniform(0, 2 * np.pi)
    offset = rng.uniform(0, max(radius - short - 4, 0)) * np.array([np.sin(direction), np.cos(direction)])
    cristae = rng.uniform(0, np.pi), rng.uniform(8.0, 12.0)
    darkness = rng.uniform(58, 90)
    return Mitochondrion(
        process, middle, half_length, offset, (longer, short), rng.uniform(0, np.pi), cristae, darkness
    )


def mitochondrion_depth(
    organelle: Mitochondrion, neurites: Neurites, number: int, rows: FloatArray, columns: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Pixels from its border inwards (negative outside), and the coordinate across its cristae; None: not here."""
    along = (number - organelle.middle) / organelle.half_length
    if abs(along) >= 1:
        return None
    centre = neurites.centres[number, organelle.process] + organelle.offset
    down, right = rows - np.float32(centre[0]), columns - np.float32(centre[1])
    cosine, sine = np.float32(np.cos(organelle.angle)), np.float32(np.sin(organelle.angle))
    width = np.sqrt(1 - along**2)
    longer, short = (np.float32(radius * width) for radius in organelle.radii)
    relative = np.sqrt(((cosine * down + sine * right) / longer) ** 2 + ((cosine * right - sine * down) / short) ** 2)
    across, _ = organelle.cristae
    return (1 - relative) * short, np.float32(np.cos(across)) * down + np.float32(np.sin(across)) * right


def mitochondrion_shade(
    depth: FloatArray, across: FloatArray, organelle: Mitochondrion, wave: FloatArray
) -> FloatArray:
    """Grey values to subtract: two dark membranes with a light line between, a dark matrix, lighter cristae."""
    ramp = np.clip(depth + 0.5, 0, 1)
    _, period = organelle.cristae
    lamellae = np.clip(1.6 * np.sin(2 * np.pi * across / period + 1.2 * wave) - 0.6, 0, 1)
    matrix = organelle.darkness * (1 - 0.7 * lamellae * np.clip((depth - 6) / 3, 0, 1))
    outer, gap, inner = (np.exp(-(((depth - at) / 1.1) ** 2)) for at in (1.0, 3.2, 5.2))
    return np.asarray(ramp * (matrix * np.clip((depth - 2.5) / 2, 0, 1) + 45 * outer - 14 * gap + 24 * inner))


def stamp_rings(
    canvas: FloatArray,
    chance: NDArray[np.floating],
    radii: tuple[float, float],
    rng: np.random.Generator,
    hollow: float = 1.0,
) -> None:
    """Add circles to `canvas`, in place: 1 on the line, `1 - hollow` in the middle.

    Args:
        canvas: Image (rows, columns).
        chance: How many circles have their centre in each pixel, on the average.
        radii: Range of the radii in pixels, at most 5.
        rng: Source of chance.
        hollow: 1 for rings (vesicles), 0 for discs (dense cores, microtubules).
    """
    rows, columns = np.nonzero(rng.random(chance.shape, dtype=np.float32) < chance)
    if not len(rows):
        return
    square = np.arange(-STAMP, STAMP + 1, dtype=np.float32)
    offset = rng.uniform(-0.5, 0.5, (2, len(rows), 1, 1)).astype(np.float32)
    distance = np.hypot(square[None, :, None] - offset[0], square[None, None, :] - offset[1])
    radius = rng.uniform(*radii, (len(rows), 1, 1)).astype(np.float32)
    ring = np.exp(-(((distance - radius) / 0.9) ** 2))
    disc = np.clip(radius - distance + 0.5, 0, 1)
    strength = rng.uniform(0.6, 1.2, radius.shape).astype(np.float32)
    stamps = strength * np.maximum(ring, (1 - np.float32(hollow)) * disc)
    padded = np.zeros((canvas.shape[0] + 2 * STAMP, canvas.shape[1] + 2 * STAMP), dtype=np.float32)
    grid = np.arange(2 * STAMP + 1)
    np.add.at(padded, (rows[:, None, None] + grid[:, None], columns[:, None, None] + grid), stamps)
    canvas += padded[STAMP:-STAMP, STAMP:-STAMP]
