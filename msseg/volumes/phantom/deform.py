"""One template, many heads: size, a smooth deformation, and as much fluid as atrophy has left."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.fields import FloatArray, smooth_field

FOLD_SCALE_MM = 28.0  # about the distance between two gyri: the deformation bends folds, it does not crumple them
FOLD_SHIFT_MM = 2.5
SIZE_SPREAD = 0.03
REACH_OF_VENTRICLES_MM = 12.0
SHARPENING = 2.2


def draw_patient_anatomy(template: Anatomy, rng: np.random.Generator) -> Anatomy:
    """The template's head as another person's: maps (X, Y, Z) on the same grid.

    Head size differs by a few per cent along each axis, folds are displaced by some millimetres, and the
    ventricles are widened by up to 3 mm on each side, as atrophy does in multiple sclerosis.
    """
    shift_mm = FOLD_SHIFT_MM * template.smallness
    centre = (np.array(template.shape) - 1) / 2
    size = 1 + SIZE_SPREAD * rng.standard_normal(3).clip(-1.5, 1.5)
    widening_mm = rng.uniform(-0.5, 3.0) * template.smallness
    push = _outward_push(template)
    coordinates = np.empty((3, *template.shape), dtype=np.float32)
    for axis, count in enumerate(template.shape):
        line = centre[axis] + (np.arange(count) - centre[axis]) / size[axis]
        bend = shift_mm * smooth_field(template.shape, template.spacing_mm, FOLD_SCALE_MM, rng)
        offset = (bend - widening_mm * push[axis]) / template.spacing_mm
        coordinates[axis] = line.reshape([-1 if a == axis else 1 for a in range(3)]) + offset
    warped = {
        name: ndimage.map_coordinates(values, coordinates, order=1, mode="constant", prefilter=False)
        for name, values in template.maps().items()
    }
    return _sharpen(replace(template, **warped), rng)


def _outward_push(anatomy: Anatomy) -> FloatArray:
    """Vectors (3, X, Y, Z) away from the ventricles, of length 1 around them and fading with distance."""
    distance = anatomy.distance_mm(anatomy.ventricles > 0.5)
    smooth = ndimage.gaussian_filter(distance, 2.0 / anatomy.spacing_mm)
    direction = np.stack(np.gradient(smooth, anatomy.spacing_mm))
    return np.asarray(direction * np.exp(-distance / REACH_OF_VENTRICLES_MM), dtype=np.float32)


def _sharpen(blurred: Anatomy, rng: np.random.Generator) -> Anatomy:
    """The probabilities of many heads as the tissues of one: narrow borders, sulci as wide as its atrophy."""
    atrophy = rng.uniform(2.2, 3.6) * np.exp(0.2 * smooth_field(blurred.shape, blurred.spacing_mm, 30.0, rng))
    white, grey = blurred.white**SHARPENING, blurred.grey**SHARPENING
    fluid = (atrophy * blurred.fluid) ** SHARPENING
    head = np.minimum(blurred.white + blurred.grey + blurred.fluid, 1) / (white + grey + fluid + 1e-6)
    white, grey, fluid = white * head, grey * head, fluid * head
    return replace(
        blurred,
        white=white,
        grey=grey,
        fluid=fluid,
        ventricles=fluid * blurred.ventricles / np.maximum(blurred.fluid, 1e-6),
        deep_grey=grey * blurred.deep_grey / np.maximum(blurred.grey, 1e-6),
    )
