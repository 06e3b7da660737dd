"""Augmentation of training patches with TorchIO: each entry of the configuration becomes one random transform."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torchio as tio
from torch import Tensor

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
)

Spacing = tuple[float, float, float]


class PatchAugmentation:
    """Applies the configured transforms to image and label together, in the order of the list.

    Intensity transforms touch the image alone; spatial ones move image (linear) and label (nearest neighbour) alike.
    Randomness comes from PyTorch's global generator: the same seed draws the same augmentation.
    """

    def __init__(self, entries: Sequence[Augmentation], size: tuple[int, int, int], spacing: Spacing) -> None:
        """Build the transforms for patches of a given size (voxels) and voxel spacing (mm)."""
        self.affine = np.diag([*spacing, 1.0])
        extent = tuple(voxels * length for voxels, length in zip(size, spacing, strict=True))
        self.transform = tio.Compose([_build(entry, extent) for entry in entries])

    def __call__(self, image: np.ndarray, label: np.ndarray) -> tuple[Tensor, Tensor]:
        """Augment an image (C, X, Y, Z) and its label (1, X, Y, Z); the same shapes come back as float32 tensors."""
        subject = tio.Subject(
            image=tio.ScalarImage(tensor=torch.from_numpy(image), affine=self.affine),
            label=tio.LabelMap(tensor=torch.from_numpy(label), affine=self.affine),
        )
        augmented = self.transform(subject)
        return cast(Tensor, augmented.image.data).float(), cast(Tensor, augmented.label.data).float()


class _RescaledGamma:
    """Gamma on intensities scaled to 0..1 and back: on z-scores, half of which are negative, a power means nothing."""

    def __init__(self, limits: tuple[float, float]) -> None:
        self.limits = limits

    def __call__(self, image: Tensor) -> Tensor:
        for channel in range(len(image)):
            low, high = image[channel].min(), image[channel].max()
            if high > low:
                exponent = torch.empty(1).uniform_(*self.limits).exp().item()
                image[channel] = ((image[channel] - low) / (high - low)) ** exponent * (high - low) + low
        return image


class _LinearContrast:
    """image * scale + shift on the subject; the background stays 0."""

    def __init__(self, scale: tuple[float, float], shift: tuple[float, float]) -> None:
        self.scale, self.shift = scale, shift

    def __call__(self, image: Tensor) -> Tensor:
        for channel in range(len(image)):
            scale = torch.empty(1).uniform_(*self.scale).item()
            shift = torch.empty(1).uniform_(*self.shift).item()
            image[channel] = torch.where(image[channel] != 0, image[channel] * scale + shift, 0.0)
        return image


def _build(entry: Augmentation, extent_mm: tuple[float, ...]) -> tio.Transform:
    p = entry.probability
    match entry:
        case Motion():
            return tio.RandomMotion(entry.degrees, entry.translation, entry.movements, p=p)
        case BiasField():
            return tio.RandomBiasField(entry.coefficients, entry.order, p=p)
        case Noise():
            return tio.RandomNoise(entry.mean, entry.std, p=p)
        case Blur():
            return tio.RandomBlur(entry.std, p=p)
        case Gamma():
            return tio.Lambda(_RescaledGamma(entry.log_gamma), types_to_apply=[tio.INTENSITY], p=p)
        case Contrast():
            return tio.Lambda(_LinearContrast(entry.scale, entry.shift), types_to_apply=[tio.INTENSITY], p=p)
        case Flip():
            return tio.RandomFlip(entry.axes, flip_probability=entry.per_axis, p=p)
        case Affine():
            return tio.RandomAffine(entry.scales, entry.degrees, entry.translation, default_pad_value=0, p=p)
        case Elastic():
            # Beyond half the distance of two control points the field can fold over itself.
            bounds = (length / (entry.control_points - 1) / 2 for length in extent_mm)
            x, y, z = (min(entry.max_displacement, 0.99 * bound) for bound in bounds)
            return tio.RandomElasticDeformation(entry.control_points, (x, y, z), entry.locked_borders, p=p)
