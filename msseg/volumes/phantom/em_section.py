"""How a section looks in the microscope: stained membranes, cytoplasm, organelles, noise; and what an expert marks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.em_fields import PLANES_PER_SECTION, DriftingField, drifting_field
from msseg.volumes.phantom.em_neurites import GLIA, Neurites, depth_inside
from msseg.volumes.phantom.em_organelles import (
    Contents,
    draw_contents,
    mitochondrion_depth,
    mitochondrion_shade,
    stamp_rings,
)
from msseg.volumes.phantom.fields import FloatArray, smooth_field

CYTOPLASM, MEMBRANE = 164.0, 38.0  # grey values before the microscope's gain
TOE = 50.0
SMALLEST_PROFILE = 24  # pixels; what is smaller counts as membrane, as in experts' drawings


@dataclass(frozen=True)
class Stain:
    """How the heavy metals took: fields over the stack, and values for each neurite (count + 1,)."""

    strength: DriftingField
    """Membranes are faint where this is low."""
    width: DriftingField
    density: DriftingField
    """Membranes lie in a dark smear, as at synapses, where this is high."""
    brightness: FloatArray
    """Grey values by which the neurite's cytoplasm differs from the others'."""
    grain: FloatArray
    """Standard deviation in grey values of the texture of the neurite's cytoplasm."""


@dataclass(frozen=True)
class Tissue:
    """All that is in the stack before it is looked at."""

    neurites: Neurites
    contents: Contents
    stain: Stain


@dataclass(frozen=True)
class Section:
    """One page (rows, columns) of the stack."""

    image: NDArray[np.uint8]
    neurite: NDArray[np.int32]
    """Number of the neurite (from 1) that each pixel is inside of, glia the highest; 0: membrane."""


def draw_tissue(neurites: Neurites, rng: np.random.Generator) -> Tissue:
    """Contents and stain for the neurites."""
    planes, size, count = len(neurites.radii), neurites.size, neurites.count + 1
    brightness = 9.0 * rng.standard_normal(count).astype(np.float32)
    grain = rng.uniform(16, 23, count).astype(np.float32)
    dark = rng.uniform(size=count) < 0.08
    dark[GLIA] = True
    brightness[dark] -= 18
    grain[dark] += 8
    stain = Stain(
        strength=drifting_field(planes, size, 26.0, 1.5, rng),
        width=drifting_field(planes, size, 40.0, 2.5, rng),
        density=drifting_field(planes, size, 30.0, 2.0, rng),
        brightness=brightness,
        grain=grain,
    )
    return Tissue(neurites, draw_contents(neurites, rng), stain)


def cut_section(tissue: Tissue, number: int, rng: np.random.Generator) -> Section:
    """The section of the given number (from 0), a little out of line with its neighbours."""
    first = number * PLANES_PER_SECTION
    middle = first + PLANES_PER_SECTION // 2
    shift = np.clip(rng.standard_normal(2), -2, 2)
    planes = {plane: tissue.neurites.plane(plane, shift) for plane in range(first, first + PLANES_PER_SECTION)}
    depths = {plane: depth_inside(neurite) for plane, neurite in planes.items()}
    width = np.clip(2.0 + 0.4 * tissue.stain.width.plane(middle), 1.3, 3.4)
    # A membrane that stands obliquely in the section is smeared over all the places that it passes.
    smear = np.mean([np.exp(-((depth / width) ** 2)) for depth in depths.values()], axis=0)
    density = np.clip(tissue.stain.density.plane(middle) - 1.3, 0, 1.5)
    neurite = planes[middle]
    clean = _contents(tissue, middle, neurite, depths[middle], shift, rng)
    strength = np.clip(0.86 + 0.2 * tissue.stain.strength.plane(middle), 0.3, 1.0)
    clean += (MEMBRANE - clean) * (strength * smear)
    blotches = smooth_field(clean.shape, 1.0, 5.0, rng)
    clean -= 62 * density * np.exp(-((depths[middle] / 9) ** 2)) * (1 + 0.3 * blotches)
    marked = (depths[middle] < 0.75 * width + 0.4 + 2.0 * density) | (smear >= 0.42)
    # A hand draws smoothly, and never leaves a membrane open.
    inside = (ndimage.gaussian_filter(marked.astype(np.float32), 1.2) < 0.5) & (depths[middle] > 0)
    return Section(_look(clean, rng), _mark(neurite, inside, tissue.neurites.count))


def _mark(neurite: NDArray[np.int32], inside: NDArray[np.bool_], count: int) -> NDArray[np.int32]:
    """The drawing of an expert: every profile by its neurite's number, 0 between them."""
    profiles, profile_count = ndimage.label(inside)
    pixels = np.bincount(profiles.ravel(), minlength=profile_count + 1)
    drawn = inside & (pixels[profiles] >= SMALLEST_PROFILE)
    return np.where(drawn, np.where(neurite == GLIA, count + 1, neurite), 0).astype(np.int32)


def _contents(
    tissue: Tissue,
    plane: int,
    neurite: NDArray[np.int32],
    depth: FloatArray,
    shift: NDArray[np.float64],
    rng: np.random.Generator,
) -> FloatArray:
    """Cytoplasm with its texture and organelles, without membranes."""
    stain, contents = tissue.stain, tissue.contents
    fine = ndimage.gaussian_filter(rng.standard_normal(neurite.shape, dtype=np.float32), 1.1) * 3.9
    coarse = ndimage.gaussian_filter(rng.standard_normal(neurite.shape, dtype=np.float32), 3.0) * 10.6
    image = CYTOPLASM + stain.brightness[neurite] + stain.grain[neurite] * (0.85 * fine + 0.4 * coarse)
    room = np.clip(depth - 4, 0, 1)
    dots, rings, cores = (np.zeros(neurite.shape, dtype=np.float32) for _ in range(3))
    cluster = np.clip(contents.cluster.plane(plane), 0, 1)
    stamp_rings(dots, contents.tubules[neurite] * room / 1000, (0.8, 1.8), rng, hollow=0.0)
    stamp_rings(rings, contents.vesicles[neurite] * cluster * room / 1000, (3.2, 5.0), rng)
    stamp_rings(cores, 0.08 * contents.vesicles[neurite] * cluster * room / 1000, (3.0, 4.6), rng, hollow=0.1)
    image -= 48 * dots + 58 * np.clip(rings, 0, 1.5) + 70 * np.clip(cores, 0, 1)
    image -= _cisternae(contents, plane) * room
    return _with_mitochondria(image, tissue, plane, neurite, depth, shift, rng)


def _cisternae(contents: Contents, plane: int) -> FloatArray:
    """Grey values to subtract: thin dark lines that begin and end within a neurite."""
    line, where = (field.plane(plane) for field in contents.cisternae)
    slope = np.hypot(*np.gradient(line)) + 1e-3
    return np.asarray(55 * np.exp(-((line / slope / 1.2) ** 2)) * np.clip(2 * (where - 1.1), 0, 1))


def _with_mitochondria(
    image: FloatArray,
    tissue: Tissue,
    plane: int,
    neurite: NDArray[np.int32],
    depth: FloatArray,
    shift: NDArray[np.float64],
    rng: np.random.Generator,
) -> FloatArray:
    rows, columns = tissue.neurites.coordinates(plane, shift)
    wave = smooth_field(image.shape, 1.0, 16.0, rng)
    for organelle in tissue.contents.mitochondria:
        found = mitochondrion_depth(organelle, tissue.neurites, plane, rows, columns)
        if found is None:
            continue
        # It stays away from the neurite's membrane, and gives way where the neurite is narrow.
        within = np.minimum(found[0], depth - 4.0)
        own = (neurite == tissue.neurites.owner[organelle.process]) & (within > -0.5)
        image[own] -= mitochondrion_shade(within[own], found[1][own], organelle, wave[own])
    return image


def _look(clean: FloatArray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Through the microscope: focus, shot noise, shading, and a gain that differs from section to section."""
    focus = rng.uniform(0.7, 1.0)
    noise = ndimage.gaussian_filter(rng.standard_normal(clean.shape, dtype=np.float32), 0.6) * 2.13
    image = ndimage.gaussian_filter(clean, focus) + rng.uniform(12, 15.5) * noise
    shading = 10.0 * smooth_field(clean.shape, 1.0, 150.0, rng)
    gain, brightness = np.exp(0.09 * rng.standard_normal()), 8.0 * rng.standard_normal()
    image = 128 + gain * (image + shading - 128) + np.clip(brightness, -25, 25)
    # The detector's toe: what is very dark loses contrast, but is not cut off.
    image = np.where(image < TOE, TOE * np.exp(np.minimum(image / TOE - 1, 0)), image)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
