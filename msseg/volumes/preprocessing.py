"""From volumes as read to what the network sees: one orientation, cropped to the subject, normalised."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.files import require_same_grid
from msseg.volumes.geometry import Grid, bounding_box, whole_grid
from msseg.volumes.volume import Volume

BACKGROUND_SHARE = 1e-6
"""Voxels up to this share of the largest magnitude are background: interpolation leaves such traces around the head."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case on the network's grid.

    Attributes:
        data: Channels, shape (C, X, Y, Z), float32, normalised.
        label: Lesion mask, shape (X, Y, Z), or None.
        grid: The way back to the source's grid.
        spacing: Voxel edge lengths on the network's grid (mm).
    """

    data: np.ndarray
    label: np.ndarray | None
    grid: Grid
    spacing: tuple[float, float, float]


def prepare(images: Sequence[Volume], settings: PreprocessingConfig, label: Volume | None = None) -> Prepared:
    """Reorient, crop and normalise the channels of one case (Choi et al. 2021, section 3).

    Args:
        images: One volume per channel, in the network's order.
        settings: Orientation, crop and normalisation.
        label: The case's mask, brought to the same grid.

    Raises:
        InputError: Channels or label lie on different grids, or a channel has no contrast.
    """
    first = images[0]
    for other in [*images[1:], *([label] if label is not None else [])]:
        require_same_grid(first, other)
    grid = whole_grid(first.shape, first.affine, settings.orientation)
    foregrounds = [_foreground(image) for image in images]
    if settings.crop == "nonzero":
        subject = np.logical_or.reduce(foregrounds)
        grid = replace(grid, box=bounding_box(grid.reorient(subject)))
    data = np.empty((len(images), *grid.shape), dtype=np.float32)
    for channel, (image, foreground) in enumerate(zip(images, foregrounds, strict=True)):
        data[channel] = _normalise(grid.to_network(image.data), grid.to_network(foreground), settings, image)
    mask = None if label is None else _crop_label(label, grid)
    spacing = [0.0, 0.0, 0.0]
    for length, axis in zip(first.spacing, grid.axes, strict=True):
        spacing[axis] = length
    return Prepared(data, mask, grid, (spacing[0], spacing[1], spacing[2]))


def _foreground(image: Volume) -> np.ndarray:
    low, high = image.data.min(), image.data.max()
    if low == high:
        raise InputError(f"{_name(image)} is constant (every voxel is {low:g}): there is nothing to segment")
    return np.abs(image.data) > BACKGROUND_SHARE * max(abs(low), abs(high))


def _crop_label(label: Volume, grid: Grid) -> np.ndarray:
    """The mask on the network's grid; what the crop cuts off is lost to training, so it is said."""
    lesion = label.data > 0
    mask = np.ascontiguousarray(grid.to_network(lesion))
    total = int(np.count_nonzero(lesion))
    lost = total - int(np.count_nonzero(mask))
    if lost:
        _LOG.warning(
            "%s: %d of %d lesion voxels lie outside the images' non-zero voxels and are left out; check that it"
            " belongs to these images",
            _name(label),
            lost,
            total,
        )
    return mask


def _normalise(data: np.ndarray, foreground: np.ndarray, settings: PreprocessingConfig, image: Volume) -> np.ndarray:
    """Z-normalise; with `z_score_nonzero` the background becomes 0, the subject's mean, as padding does."""
    if settings.normalise == "none":
        return data
    within = data[foreground] if settings.normalise == "z_score_nonzero" else data
    if within.min() == within.max():
        raise InputError(
            f"{_name(image)} holds one value ({within.flat[0]:g}) and background alone:"
            " it is a mask rather than an image"
        )
    # In float64, so that processors and versions of NumPy, which sum in different orders, agree.
    mean, std = within.mean(dtype=np.float64), within.std(dtype=np.float64)
    normalised = (data - np.float32(mean)) / np.float32(std)
    return np.where(foreground, normalised, 0) if settings.normalise == "z_score_nonzero" else normalised


def _name(volume: Volume) -> str:
    return str(volume.path or "the volume")
