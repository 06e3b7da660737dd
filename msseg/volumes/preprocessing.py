"""From volumes as read to what the network sees: one orientation, cropped to the subject, normalised."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.files import require_same_grid
from msseg.volumes.geometry import Grid, bounding_box, whole_grid
from msseg.volumes.slabs import neighbourhood
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


def prepare(
    images: Sequence[Volume],
    settings: PreprocessingConfig,
    label: Volume | None = None,
    places: np.ndarray | None = None,
) -> Prepared:
    """Reorient, crop, normalise and resize the channels of one case (Choi et al. 2021, section 3).

    Args:
        images: One volume per channel, in the network's order.
        settings: Orientation, crop, normalisation, size, and how many neighbouring slices become channels.
        label: The case's mask, brought to the same grid.
        places: Shape (slices of the case, 2 * context + 1): for each slice of the case where it and its neighbours are
            in the images, which may hold more slices than the case (see `msseg.volumes.slabs`); None: the case is the
            whole of the images.

    Returns:
        With context c, channels are in the order channel 0 at slice -c ... +c, channel 1 at -c ... +c, ...

    Raises:
        InputError: Channels or label lie on different grids, or a channel has no contrast.
    """
    first = images[0]
    for other in images[1:]:
        require_same_grid(first, other)
    case = first if places is None else _slices_of(first, places[:, settings.context])
    if label is not None:
        require_same_grid(case, label)
    grid = whole_grid(case.shape, case.affine, settings.orientation)
    foregrounds = [_foreground(image) for image in images]
    if settings.crop == "nonzero":
        subject = np.logical_or.reduce(foregrounds)
        if places is not None:
            subject = subject[:, :, places[:, settings.context]]
        grid = replace(grid, box=bounding_box(grid.reorient(subject)))
    grid = replace(grid, resized=settings.resize)
    offsets = 2 * settings.context + 1
    data = np.empty((len(images) * offsets, *grid.shape), dtype=np.float32)
    for channel, (image, foreground) in enumerate(zip(images, foregrounds, strict=True)):
        _fill(data[channel * offsets : (channel + 1) * offsets], image, foreground, grid, settings, places)
    mask = None if label is None else _crop_label(label, grid)
    spacing = [0.0, 0.0, 0.0]
    for length, axis in zip(first.spacing, grid.axes, strict=True):
        spacing[axis] = length
    return Prepared(data, mask, grid, (spacing[0], spacing[1], spacing[2]))


def _slices_of(volume: Volume, slices: np.ndarray) -> Volume:
    return Volume(volume.data[:, :, slices], volume.affine, volume.header, volume.path)


def _fill(
    target: np.ndarray,
    image: Volume,
    foreground: np.ndarray,
    grid: Grid,
    settings: PreprocessingConfig,
    places: np.ndarray | None,
) -> None:
    """Put one channel, normalised, at every offset of the context into (2 * context + 1, X, Y, Z)."""
    if places is None:
        data = _normalise(grid.to_network(image.data), grid.to_network(foreground), settings, image)
        _, places = neighbourhood(range(data.shape[2]), data.shape[2], settings.context)
    else:
        if grid.axes != (0, 1, 2) or grid.flips != (1, 1, 1):
            raise ValueError("a case of single slices keeps the orientation of its file")
        x, y, (first, last) = grid.box
        slab = replace(grid, source_shape=image.shape, box=(x, y, (0, image.shape[2])))
        data = _normalise(slab.to_network(image.data), slab.to_network(foreground), settings, image)
        places = places[first:last]
    for offset, at in zip(target, places.T, strict=True):
        np.take(data, at, axis=2, out=offset)


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
    if settings.normalise == "z_score_slice":
        return _normalise_slices(data)
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


def _normalise_slices(data: np.ndarray) -> np.ndarray:
    """Z-normalise each slice; one of a single value, as a section that was lost, becomes 0."""
    mean = data.mean(axis=(0, 1), dtype=np.float64, keepdims=True)
    std = data.std(axis=(0, 1), dtype=np.float64, keepdims=True)
    return ((data - mean) / np.where(std > 0, std, 1)).astype(np.float32)


def _name(volume: Volume) -> str:
    return str(volume.path or "the volume")
