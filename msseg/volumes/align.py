"""Bringing a channel or a label onto the grid of another volume."""

import itertools
import logging
from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from msseg.errors import InputError
from msseg.volumes.files import is_stack, require_same_grid, same_grid
from msseg.volumes.masks import Interpolation, distance_in_box, resample_mask
from msseg.volumes.resample import apply_weights, linear_weights, smoothing_sigma
from msseg.volumes.volume import Volume

Align = Literal["refuse", "resample"]

STRAIGHT = 1e-2
"""Voxels that a row of voxels may stray from the other grid's axis and still be taken as parallel to it."""
FULL_COVER = 0.9
"""Below this share of the grid the warning says how much of it a resampled volume reaches."""

_LOG = logging.getLogger(__name__)


def aligned(
    reference: Volume,
    other: Volume,
    align: Align,
    label_interpolation: Interpolation = "nearest",
    way_out: str = "set preprocessing.align: resample",
) -> Volume:
    """The other volume on the reference's grid: as it is where it lies there, resampled where that is asked for.

    Args:
        reference: The first channel, or a truth.
        other: Another channel, a label (boolean), or a prediction.
        align: What is done where the grids differ.
        label_interpolation: How booleans are resampled.
        way_out: What a refusal tells the user to do.

    Raises:
        InputError: It lies on another grid and `align` is `refuse`; names both grids. Or the volumes do not meet.
    """
    if same_grid(reference, other):
        return other
    if any(of.path is not None and is_stack(of.path) for of in (reference, other)):
        require_same_grid(reference, other)
    if align == "refuse":
        _refuse(reference, other, way_out)
    moved = resample_onto(reference, other, label_interpolation)
    cover = coverage(reference, other)
    if cover == 0:
        raise InputError(
            f"{_name(other)} does not meet {_name(reference)} anywhere: {other.describe_grid()} against"
            f" {reference.describe_grid()}; check that they belong together"
        )
    _LOG.warning(
        "%s does not lie on the grid of %s and was resampled onto it: %s against %s, corners up to %.3g mm apart%s",
        _name(other),
        _name(reference),
        other.describe_grid(),
        reference.describe_grid(),
        corners_apart(reference, other),
        f"; it reaches {cover:.0%} of that grid, the rest is 0" if cover < FULL_COVER else "",
    )
    return moved


def _refuse(reference: Volume, other: Volume, way_out: str) -> None:
    try:
        require_same_grid(reference, other)
    except InputError as error:
        raise InputError(f"{error}, or {way_out}") from error


def resample_onto(reference: Volume, other: Volume, label_interpolation: Interpolation = "nearest") -> Volume:
    """The other volume's values at the centres of the reference's voxels; 0 or False where it has no voxel.

    Numbers are interpolated linearly, smoothed before along axes whose voxels become larger; booleans as
    `label_interpolation` says. Affines may be anything that can be inverted, also sheared.

    Returns:
        float32 or boolean voxels with the reference's shape, affine and header and the other's path.
    """
    matrix = np.linalg.inv(other.affine) @ reference.affine
    axes = _parallel_axes(matrix, reference.shape)
    if axes is None:
        data = _resample_obliquely(reference, other, matrix, label_interpolation)
    else:
        data = _resample_along_axes(reference, other, matrix, axes, label_interpolation)
    return Volume(data, reference.affine, reference.header, other.path)


def coverage(reference: Volume, other: Volume) -> float:
    """Share of the reference's voxels whose centre lies in one of the other's, estimated on at most 32 per axis."""
    places = [np.unique(np.linspace(0, size - 1, min(size, 32)).round()) for size in reference.shape]
    centres = np.stack(np.meshgrid(*places, indexing="ij")).reshape(3, -1)
    matrix = np.linalg.inv(other.affine) @ reference.affine
    at = matrix[:3, :3] @ centres + matrix[:3, 3:]
    sizes = np.array(other.shape)[:, np.newaxis]
    return float(((at >= -0.5 - 1e-4) & (at <= sizes - 0.5 + 1e-4)).all(axis=0).mean())


def corners_apart(first: Volume, second: Volume) -> float:
    """Largest distance (mm) from an outer corner of one volume to the nearest corner of the other."""
    distances = np.linalg.norm(_corners(first)[:, np.newaxis] - _corners(second)[np.newaxis], axis=-1)
    return float(max(distances.min(axis=0).max(), distances.min(axis=1).max()))


def _corners(volume: Volume) -> np.ndarray:
    ends = np.array(list(itertools.product(*[(-0.5, size - 0.5) for size in volume.shape])))
    return ends @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def _parallel_axes(matrix: np.ndarray, shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """For each axis of the reference the axis of the other that runs along it; None where axes cross."""
    linear, extent = np.abs(matrix[:3, :3]), np.array(shape) - 1
    x, y, z = (int(axis) for axis in linear.argmax(axis=0))
    if {x, y, z} != {0, 1, 2}:
        return None
    stray = linear * extent
    stray[[x, y, z], [0, 1, 2]] = 0
    return (x, y, z) if stray.max() <= STRAIGHT else None


def _resample_along_axes(
    reference: Volume, other: Volume, matrix: np.ndarray, axes: tuple[int, int, int], interpolation: Interpolation
) -> np.ndarray:
    """Each axis by itself, which is many times faster and exact where voxels meet voxels."""
    data = other.data.transpose(axes)
    positions, ratios = [], []
    middle = (np.array(reference.shape) - 1) / 2
    for axis, source in enumerate(axes):
        step = float(matrix[source, axis])
        centre = float(matrix[source, :3] @ middle + matrix[source, 3])  # the least is lost to a slight tilt there
        positions.append((np.arange(reference.shape[axis]) - middle[axis]) * step + centre)
        ratios.append(abs(step))
    if data.dtype == bool:
        x, y, z = (other.spacing[source] for source in axes)
        return resample_mask(data, positions, interpolation, (x, y, z), beyond_edge=False)
    weights = [
        linear_weights(length, at, ratio, beyond_edge=False)
        for length, at, ratio in zip(data.shape, positions, ratios, strict=True)
    ]
    return apply_weights(data, weights)


def _resample_obliquely(
    reference: Volume, other: Volume, matrix: np.ndarray, interpolation: Interpolation
) -> np.ndarray:
    linear, offset = matrix[:3, :3], matrix[:3, 3]
    options = {"output_shape": reference.shape, "mode": "nearest"}
    inside = _within(reference.shape, other.shape, matrix)
    if other.data.dtype == bool and interpolation == "nearest":
        near = affine_transform(other.data.view(np.uint8), linear, offset, order=0, **options)
        return near.astype(bool) & inside
    if other.data.dtype == bool:
        if not other.data.any():
            return np.zeros(reference.shape, dtype=bool)
        distance, corner = distance_in_box(other.data, other.spacing)
        signed = affine_transform(distance, linear, offset - np.array(corner), order=1, **options)
        return (signed < 0) & inside
    sigma = [smoothing_sigma(float(ratio)) for ratio in np.linalg.norm(linear, axis=1)]
    data = other.data.astype(np.float32, copy=False)
    if max(sigma) > 0:
        data = gaussian_filter(data, sigma, mode="nearest")
    moved = affine_transform(data, linear, offset, order=1, output=np.float32, **options)
    moved[~inside] = 0
    return moved


def _within(shape: tuple[int, int, int], other_shape: tuple[int, int, int], matrix: np.ndarray) -> np.ndarray:
    """Which voxels of the reference have their centre in a voxel of the other volume."""
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    inside = np.ones(shape, dtype=bool)
    for row, size in zip(matrix[:3].astype(np.float32), other_shape, strict=True):
        at = row[0] * x.astype(np.float32) + row[1] * y.astype(np.float32) + row[2] * z.astype(np.float32) + row[3]
        inside &= (at >= -0.5 - 1e-3) & (at <= size - 0.5 + 1e-3)
    return inside


def _name(volume: Volume) -> str:
    return str(volume.path or "the volume")
