"""From volumes as read to what the network sees: one grid, orientation and spacing, cropped, normalised."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.files import is_stack
from msseg.volumes.geometry import Grid, Spacing, bounding_box, spacing_along, whole_grid
from msseg.volumes.slabs import neighbourhood
from msseg.volumes.volume import Volume

MOST_VOXELS = 2**30
"""A volume that is resampled to more (4 GiB) has a wrong spacing in its file or in the settings."""
BACKGROUND_SHARE = 1e-6
"""Voxels up to this share of the largest magnitude are background: interpolation leaves such traces around the head."""


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
    images: Sequence[Volume | None],
    settings: PreprocessingConfig,
    label: Volume | None = None,
    places: np.ndarray | None = None,
) -> Prepared:
    """Align, reorient, resample, crop, normalise and resize the channels of one case (Choi et al. 2021, section 3).

    Args:
        images: One volume per channel, in the network's order; None: the case lacks it, and it is 0 everywhere.
        settings: Grid, orientation, spacing, crop, normalisation, size, and how many neighbouring slices become
            channels.
        label: The case's mask, brought to the same grid.
        places: Shape (slices of the case, 2 * context + 1): for each slice of the case where it and its neighbours are
            in the images, which may hold more slices than the case (see `msseg.volumes.slabs`); None: the case is the
            whole of the images.

    Returns:
        With context c, channels are in the order channel 0 at slice -c ... +c, channel 1 at -c ... +c, ...; the grid
        and its source are the first channel's (of those that are there).

    Raises:
        InputError: Channels or label lie on different grids and are not to be aligned, a channel has no contrast, there
            is none, a stack is to be resampled, or a volume to more voxels than can be meant.
    """
    first = next((image for image in images if image is not None), None)
    if first is None:
        raise InputError("the case has none of the channels that the network sees")
    case = first if places is None else _slices_of(first, places[:, settings.context])
    volumes = [image if image is None or image is first else _aligned(first, image, settings) for image in images]
    if label is not None:
        label = _aligned(case, label, settings)
    grid = _whole_grid(case, settings)
    foregrounds = [None if image is None else _foreground(image) for image in volumes]
    if settings.crop == "nonzero":
        subject = np.logical_or.reduce([foreground for foreground in foregrounds if foreground is not None])
        if places is not None:
            subject = subject[:, :, places[:, settings.context]]
        grid = grid.cropped(bounding_box(grid.reorient(subject)))
    grid = replace(grid, resized=settings.resize)
    offsets = 2 * settings.context + 1
    data = np.zeros((len(images) * offsets, *grid.shape), dtype=np.float32)
    for channel, (image, foreground) in enumerate(zip(volumes, foregrounds, strict=True)):
        if image is not None and foreground is not None:
            _fill(data[channel * offsets : (channel + 1) * offsets], image, foreground, grid, settings, places)
    source = spacing_along(grid, first.spacing)
    mask = None if label is None else _placed(label, grid, source, settings)
    x, y, z = (length * step for length, step in zip(source, grid.steps or (1, 1, 1), strict=True))
    return Prepared(data, mask, grid, (x, y, z))


# What comes with several channels or a label brings SciPy, which one channel's prediction is quicker without.
def _aligned(reference: Volume, other: Volume, settings: PreprocessingConfig) -> Volume:
    from msseg.volumes.align import aligned

    return aligned(reference, other, settings.align, settings.label_interpolation)


def _placed(label: Volume, grid: Grid, source: Spacing, settings: PreprocessingConfig) -> np.ndarray:
    from msseg.volumes.placing import place_label

    return place_label(label, grid, source, settings.label_interpolation)


def _whole_grid(case: Volume, settings: PreprocessingConfig) -> Grid:
    """The network's grid before the crop."""
    grid = whole_grid(case.shape, case.affine, settings.orientation)
    if settings.spacing is None:
        return grid
    if settings.spacing == "median":
        raise ValueError("the spacing median is to be resolved from the training cases first")
    if case.path is not None and is_stack(case.path):
        raise InputError(
            f"{case.path} does not say how large its voxels are, so preprocessing.spacing cannot be kept: leave it out,"
            " or set preprocessing.resize"
        )
    source = spacing_along(grid, case.spacing)
    x, y, z = (wanted / length for wanted, length in zip(settings.spacing, source, strict=True))
    grid = grid.resampled((x, y, z))
    if math.prod(grid.whole_shape) > MOST_VOXELS:
        asked = " x ".join(f"{length:g}" for length in settings.spacing)
        raise InputError(
            f"{_name(case)} has {case.describe_grid()}; in voxels of {asked} mm it would have"
            f" {math.prod(grid.whole_shape):.2g}: check the file's spacing, or give a larger preprocessing.spacing"
        )
    return grid


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
