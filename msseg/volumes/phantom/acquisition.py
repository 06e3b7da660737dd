"""From tissue maps to an image: signals mixed in each voxel, a small movement, shading, gain and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.volumes.phantom.anatomy import LESION_IN_GREY, Anatomy
from msseg.volumes.phantom.fields import FloatArray, smooth_field
from msseg.volumes.phantom.lesions import LesionMaps
from msseg.volumes.phantom.mimics import Mimics
from msseg.volumes.phantom.signal import (
    CHOROID_PLEXUS,
    FLUID,
    GREY,
    SEVERE_LESION,
    WHITE,
    PulseSequence,
    Tissue,
    lesion_tissue,
)

NOISE = {"FLAIR": 0.035, "MPRAGE": 0.03, "T2W": 0.025, "PDW": 0.025}
"""Standard deviation of the noise as a share of the brightest tissue's signal."""
HALO_MM = 3.0
IRON = 0.18  # how much shorter the relaxation times of the basal ganglia are than the cortex's


@dataclass(frozen=True)
class Mixture:
    """What each voxel of a head holds, and what its parts are like."""

    inside: NDArray[np.bool_]
    """Voxels (X, Y, Z) that hold anything; the arrays below have one value for each of them."""
    parts: tuple[tuple[FloatArray, Tissue], ...]
    """Tissues, and the share of the voxel that each takes."""
    flowing: FloatArray
    """Share of the voxel that fluid takes which may flow."""
    inverted: FloatArray
    """Share of that fluid which the inversion pulse meets."""

    def image(self, sequence: PulseSequence) -> FloatArray:
        """The image (X, Y, Z) without noise: in every voxel the tissues' signals by their shares."""
        signal = self.flowing * sequence.signal(FLUID, self.inverted)
        for share, tissue in self.parts:
            signal = signal + share * sequence.signal(tissue)
        image = np.zeros(self.inside.shape, dtype=np.float32)
        image[self.inside] = signal
        return image


def mix_tissues(anatomy: Anatomy, lesions: LesionMaps, mimics: Mimics) -> Mixture:
    """Put the lesions and what mimics them into the anatomy."""
    inside = (anatomy.white + anatomy.grey + anatomy.fluid) > 0.01
    white, grey, fluid = anatomy.white[inside], anatomy.grey[inside], anatomy.fluid[inside]
    lesion, plexus, spaces = lesions.extent[inside], mimics.plexus[inside], mimics.perivascular[inside]
    diseased = lesion_tissue(lesions.water[inside], lesions.destruction[inside])
    white_left = white * (1 - lesion)
    parts = (
        (white_left * (1 - spaces), _white_matter(lesions, mimics, anatomy.spacing_mm, inside)),
        (grey * (1 - LESION_IN_GREY * lesion), _grey_matter(anatomy, mimics, inside)),
        (anatomy.room_for_lesions[inside] * lesion, diseased),
        (fluid * plexus, CHOROID_PLEXUS),
        (white_left * spaces, FLUID),
    )
    return Mixture(inside, parts, fluid * (1 - plexus), 1 - mimics.inflow[inside])


def _white_matter(lesions: LesionMaps, mimics: Mimics, spacing_mm: float, inside: NDArray[np.bool_]) -> Tissue:
    """White matter that is uneven, and on its way to a lesion around lesions and at the ventricles."""
    texture = mimics.texture[inside]
    halo = ndimage.gaussian_filter(lesions.extent, HALO_MM / spacing_mm)[inside]
    diseased = np.clip(mimics.caps[inside] + 0.2 * halo, 0, 1)
    return WHITE.scaled(1 + 0.04 * texture, 1 + 0.06 * texture).towards(SEVERE_LESION, 0.5 * diseased)


def _grey_matter(anatomy: Anatomy, mimics: Mimics, inside: NDArray[np.bool_]) -> Tissue:
    """Cortex whose T2 differs from region to region, and basal ganglia with their iron."""
    iron = 1 - IRON * anatomy.deep_grey[inside]
    return GREY.scaled(iron * (1 + 0.04 * mimics.texture[inside]), iron * (1 + 0.06 * mimics.grey_texture[inside]))


@dataclass(frozen=True)
class Reposition:
    """A small rigid movement, as a registration leaves it, and the brain's mask after it."""

    coordinates: NDArray[np.float64]
    """Where each voxel of the moved brain comes from: voxel coordinates (3, voxels of the brain)."""
    brain: NDArray[np.bool_]

    def move(self, values: FloatArray, order: int = 1) -> FloatArray:
        """The moved array (X, Y, Z), 0 outside the moved brain."""
        moved = np.zeros(values.shape, dtype=np.float32)
        moved[self.brain] = ndimage.map_coordinates(values, self.coordinates, order=order)
        return moved


def draw_reposition(anatomy: Anatomy, rng: np.random.Generator) -> Reposition:
    """A turn by about half a degree and a shift by about half a millimetre."""
    x, y, z = np.deg2rad(rng.normal(0, 0.6, 3))
    turn = np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]])  # to first order: the angles are tiny
    centre = (np.array(anatomy.shape) - 1) / 2
    offset = centre - turn @ centre + rng.normal(0, 0.4, 3) / anatomy.spacing_mm
    brain = ndimage.affine_transform(anatomy.brain.astype(np.float32), turn, offset, order=1) > 0.5
    return Reposition(turn @ np.stack(np.nonzero(brain)) + offset[:, None], brain)


def acquire(clean: FloatArray, channel: str, spacing_mm: float, rng: np.random.Generator) -> FloatArray:
    """The image (X, Y, Z) with a scanner's gain, shading and Rician noise; background (0) stays 0."""
    brain = clean != 0
    bright = float(np.percentile(clean[brain], 98))
    gain = 800 / bright * float(np.exp(0.25 * rng.standard_normal()))
    shading = np.exp(0.06 * smooth_field(clean.shape, spacing_mm, 70.0, rng))
    signal = clean[brain] * shading[brain] * gain
    sigma = NOISE[channel] * bright * gain * rng.uniform(0.8, 1.3)
    real, imaginary = sigma * rng.standard_normal((2, signal.size), dtype=np.float32)
    image = np.zeros_like(clean)
    # At least 1: no voxel of the brain is mistaken for background.
    image[brain] = np.maximum(np.hypot(signal + real, imaginary), 1)
    return image
