"""A label on the network's grid, and what of it is lost on the way there."""

import logging
from dataclasses import replace

import numpy as np
from scipy import ndimage

from msseg.volumes.geometry import Grid, Spacing
from msseg.volumes.masks import Interpolation
from msseg.volumes.volume import Volume

NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
"""Voxels that touch, be it by a corner, are one lesion."""

_LOG = logging.getLogger(__name__)


def place_label(label: Volume, grid: Grid, spacing: Spacing, interpolation: Interpolation) -> np.ndarray:
    """The mask on the network's grid; what the crop or larger voxels lose is lost to training, so it is said.

    Args:
        label: Boolean voxels on the grid's source.
        grid: The way to the network's grid.
        spacing: Voxel edge lengths of the source, along the network's axes.
        interpolation: How the mask is resampled where the grid has other voxels.

    Returns:
        Boolean, the shape of `grid`.
    """
    lesion = label.data > 0
    mask = np.ascontiguousarray(grid.mask_to_network(lesion, interpolation, spacing))
    crop = replace(grid, resized=None)
    within = crop.to_source(np.ones(crop.shape, dtype=bool))
    _warn_of_crop(label, lesion, within)
    if grid.steps is not None:
        _warn_of_lost_lesions(label, lesion & within, grid.to_source(mask))
    return mask


def _warn_of_crop(label: Volume, lesion: np.ndarray, within: np.ndarray) -> None:
    total = int(np.count_nonzero(lesion))
    lost = total - int(np.count_nonzero(lesion & within))
    if lost:
        _LOG.warning(
            "%s: %d of %d lesion voxels lie outside the images' non-zero voxels and are left out; check that it"
            " belongs to these images",
            label.path or "the volume",
            lost,
            total,
        )


def _warn_of_lost_lesions(label: Volume, lesion: np.ndarray, back: np.ndarray) -> None:
    """`back` is what came to the network's grid, on the source's again."""
    numbers, count = ndimage.label(lesion, NEIGHBOURS)
    missed = count - int(np.count_nonzero(np.unique(numbers[back])))
    if missed:
        _LOG.warning(
            "%s: %d of %d lesions fall between the voxels that preprocessing.spacing asks for and are lost to training;"
            " try a finer spacing, or label_interpolation: signed_distance",
            label.path or "the volume",
            missed,
            count,
        )
