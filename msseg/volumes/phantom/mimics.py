"""What shines or darkens like a lesion and is none: the reason why a threshold does not do.

FLAIR: caps and rim of the lateral ventricles, choroid plexus, fluid that flows in after the inversion. T2W
and MPRAGE: perivascular spaces, which FLAIR suppresses as the fluid they are.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.fields import FloatArray, smooth_field


@dataclass(frozen=True)
class Mimics:
    """Maps (X, Y, Z): shares in [0, 1], and textures of mean 0 and standard deviation 1."""

    caps: FloatArray
    """How far white matter at the ventricles is on its way to a lesion."""
    plexus: FloatArray
    """Share of the fluid's place that choroid plexus takes."""
    inflow: FloatArray
    """Share of the fluid that missed the inversion pulse."""
    perivascular: FloatArray
    """Share of white matter's place that perivascular spaces take."""
    texture: FloatArray
    grey_texture: FloatArray


def draw_mimics(anatomy: Anatomy, ventricle_mm: FloatArray, rng: np.random.Generator) -> Mimics:
    """A patient's confounders, at the places where radiologists know them."""
    shape, spacing_mm = anatomy.shape, anatomy.spacing_mm

    def field(scale_mm: float) -> FloatArray:
        return smooth_field(shape, spacing_mm, scale_mm, rng)

    rim = np.exp(-ventricle_mm / 2.5)
    deep_fluid = anatomy.ventricles * ndimage.binary_erosion(ventricle_mm == 0)
    plexus = np.clip(field(4.0) - 1.0, 0, 1) * deep_fluid
    flow = np.clip(0.12 * (field(8.0) - 1.0), 0, 0.2) * anatomy.fluid
    spots = ndimage.gaussian_filter((field(3.0) > 3.0).astype(np.float32), 0.5)
    return Mimics(
        caps=np.clip(rim * (0.4 + 0.4 * field(10.0)), 0, 1).astype(np.float32),
        plexus=np.asarray(plexus, dtype=np.float32),
        inflow=np.asarray(flow, dtype=np.float32),
        perivascular=np.clip(0.6 * spots, 0, 1).astype(np.float32),
        texture=field(6.0),
        grey_texture=field(12.0),
    )
