"""Intensity changes that TorchIO has no version of, or none that suits normalised images."""

from typing import Any

import numpy as np
import torch
import torchio as tio
from torch import Tensor

from msseg.config.patches import Motion


class RescaledGamma:
    """Gamma on intensities scaled to 0..1 and back: on z-scores, half of which are negative, a power means nothing."""

    def __init__(self, limits: tuple[float, float]) -> None:
        """Take the range of the exponent's logarithm."""
        self.limits = limits

    def __call__(self, image: Tensor) -> Tensor:
        """Change an image (C, X, Y, Z) in place, each channel with an exponent of its own."""
        for channel in range(len(image)):
            low, high = image[channel].min(), image[channel].max()
            if high > low:
                exponent = torch.empty(1).uniform_(*self.limits).exp().item()
                image[channel] = ((image[channel] - low) / (high - low)) ** exponent * (high - low) + low
        return image


class LinearContrast:
    """image * scale + shift on the subject; exact zeros, a head's background, stay 0.

    A micrograph has no background: normalised, next to none of its pixels is exactly 0, and all of them change alike.
    """

    def __init__(self, scale: tuple[float, float], shift: tuple[float, float]) -> None:
        """Take the ranges of the factor and of the offset."""
        self.scale, self.shift = scale, shift

    def __call__(self, image: Tensor) -> Tensor:
        """Change an image (C, X, Y, Z) in place, each channel by itself."""
        for channel in range(len(image)):
            scale = torch.empty(1).uniform_(*self.scale).item()
            shift = torch.empty(1).uniform_(*self.shift).item()
            image[channel] = torch.where(image[channel] != 0, image[channel] * scale + shift, 0.0)
        return image


class SliceMotion:
    """Motion within a slice.

    TorchIO gives each position of the head a share of k-space along the last axis. A slice has one voxel there, which
    is one position's alone: its image would be moved as a whole and no longer lie on its label. So the axis of one
    voxel becomes the first.
    """

    def __init__(self, entry: Motion, normal: int, spacing: tuple[float, float, float]) -> None:
        """Take the settings, the axis across the slice, and the voxels' edge lengths (mm)."""
        self.normal = normal
        self.affine = np.diag([spacing[normal], *np.delete(spacing, normal), 1.0])
        self.motion = _MotionAcrossFirstAxis(entry.degrees, entry.translation, entry.movements)

    def __call__(self, image: Tensor) -> Tensor:
        """Mix moved copies of an image (C, X, Y, Z), each channel moved alike."""
        turned = tio.ScalarImage(tensor=image.movedim(self.normal + 1, 1), affine=self.affine)
        return self.motion(turned).data.movedim(1, self.normal + 1)


class _MotionAcrossFirstAxis(tio.RandomMotion):
    def get_params(self, *args: Any, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        times, degrees, translation = super().get_params(*args, **options)
        degrees[:, 1:] = 0
        translation[:, 0] = 0
        return times, degrees, translation
