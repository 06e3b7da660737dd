"""Smooth random fields: the one source of shape, texture and shading in the phantom."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def smooth_field(shape: tuple[int, ...], spacing_mm: float, scale_mm: float, rng: np.random.Generator) -> FloatArray:
    """Gaussian random field (mean 0, standard deviation 1 at every voxel), smooth on the scale `scale_mm`.

    White noise on control points `scale_mm` apart is blended by Gaussian weights. The weights are
    separable, so the field is three small matrix products, whatever the scale.
    """
    bases = [_blending_weights(size, spacing_mm, scale_mm) for size in shape]
    field = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    for basis in bases:
        # Contracts the leading axis and appends the new one: after all axes they are in order again.
        field = np.tensordot(field, basis, axes=(0, 1))
    return field.astype(np.float32)


def _blending_weights(size: int, spacing_mm: float, scale_mm: float) -> FloatArray:
    """Weights (size, control points) of unit length per row, which keeps the field's variance at 1."""
    position = np.arange(size) * spacing_mm
    count = int(np.ceil(position[-1] / scale_mm)) + 3
    controls = position[-1] / 2 + (np.arange(count) - (count - 1) / 2) * scale_mm
    weights = np.exp(-0.5 * ((position[:, None] - controls[None, :]) / (0.7 * scale_mm)) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return np.asarray(weights, dtype=np.float32)
