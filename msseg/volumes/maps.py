"""Maps of distances that losses take from the truth, made once per case: they know what lies beyond a patch.

Every map has no parameters, is finite everywhere, also where the truth is empty, and has the units of the spacing. A
slice is a volume of one voxel along the last axis.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import distance_transform_edt, label

Spacing = tuple[float, ...]


def signed_distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Distance to the border of the mask, negative inside.

    Inside it is minus the distance to the nearest voxel outside, outside the distance to the nearest voxel inside,
    between centres of voxels: -1 and 1 on the two sides of a border with spacing 1. Where there is no border it is the
    volume's diagonal, farther than any border could be: positive without foreground, negative without background.

    Args:
        mask: The foreground, boolean, shape (X, Y, Z).
        spacing: Distance between neighbouring voxels along each axis.

    Returns:
        Shape (X, Y, Z), float32.
    """
    if not mask.any():
        return np.full(mask.shape, _diagonal(mask, spacing), np.float32)
    if mask.all():
        return np.full(mask.shape, -_diagonal(mask, spacing), np.float32)
    inside = distance_transform_edt(mask, sampling=spacing)
    outside = distance_transform_edt(~mask, sampling=spacing)
    return (outside - inside).astype(np.float32)


def two_cell_distance(mask: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Sum of the distances to the two nearest cells: small in the narrow gaps between them.

    Cells are the connected components of the foreground (voxels that share a face); the distance to a cell is 0 within
    it, elsewhere to the centre of its nearest voxel. With fewer than two cells there are no gaps: the sum is twice the
    volume's diagonal, more than any gap could give.

    The second nearest cell is found exactly without a distance transform per cell: cells are numbered in binary, and
    any other cell differs from the nearest one in at least one digit. So the distance to it is the smallest, over
    the digits, of the distances to the cells that have the other value in that digit: 2 log2(n) transforms.

    Args:
        mask: The foreground, boolean, shape (X, Y, Z).
        spacing: Distance between neighbouring voxels along each axis.

    Returns:
        Shape (X, Y, Z), float32.
    """
    cells, count = label(mask)
    if count < 2:
        return np.full(mask.shape, 2 * _diagonal(mask, spacing), np.float32)
    first, nearest = _nearest_cell(cells, spacing)
    second = np.full(mask.shape, np.inf, np.float32)
    for digit in range(int(count).bit_length()):
        is_one = (cells >> digit) & 1 == 1
        nearest_is_one = (nearest >> digit) & 1 == 1
        for members, asked in ((mask & ~is_one, nearest_is_one), (mask & is_one, ~nearest_is_one)):
            if members.any() and asked.any():
                distance = distance_transform_edt(~members, sampling=spacing)
                np.minimum(second, distance, out=second, where=asked, casting="same_kind")
    return first + second


def _nearest_cell(cells: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest cell, and its number."""
    distance, place = distance_transform_edt(cells == 0, sampling=spacing, return_indices=True)
    return distance.astype(np.float32), cells[tuple(place)]


def _diagonal(mask: np.ndarray, spacing: Spacing) -> float:
    return float(np.linalg.norm(np.multiply(mask.shape, spacing)))


MAPS: dict[str, Callable[[np.ndarray, Spacing], np.ndarray]] = {
    "signed_distance": signed_distance,
    "two_cell_distance": two_cell_distance,
}
"""Name of a map, as a loss asks for it -> function of a mask and its spacing."""
