"""Interpolation at the places of a lattice, block by block, on the CPU or a GPU.

PyTorch's `grid_sample` works out the eight neighbours and their weights anew for every channel, one voxel after the
other. Here index and weights are made once for images (linear) and labels (nearest neighbour), in vectorised steps over
blocks that stay in the processor's cache: measured on one core, 144^3 voxels, 33 ms against 66 ms for an image, and
8 ms against 43 ms for the label on top.
"""

from collections.abc import Iterator, Sequence
from math import prod

import torch
from torch import Tensor

from msseg.patches.lattice import spline_matrix

BLOCK = 1 << 16
"""Voxels in a block on the CPU."""
ROWS = 16
"""Rows along the first axis, at least, for which a block's places are worked out together."""


def resample(
    linear: Sequence[Tensor], nearest: Sequence[Tensor], points: Tensor, size: Sequence[int]
) -> tuple[list[Tensor], list[Tensor]]:
    """Values at the places of a patch.

    Args:
        linear: Images (K, *box) of D axes, at least 2 voxels each, to be interpolated linearly.
        nearest: Images (K, *box) of which each place takes the nearest voxel.
        points: Places in the box (voxels) at the lattice, shape (D, *counts), float64. What lies beyond the box
            becomes its edge.
        size: Voxels of the patch along the D axes.

    Returns:
        For each image, shape (K, *size), its own type.
    """
    box = next(iter([*linear, *nearest])).shape[1:]
    strides = [prod(box[axis + 1 :]) for axis in range(len(box))]
    results = [[image.new_empty((len(image), *size)) for image in images] for images in (linear, nearest)]
    for place, places in _blocks(points, size):
        base, weights = _neighbours(places, box)
        index = base[-1]
        for low, stride in zip(base[:-1], strides[:-1], strict=True):
            index.add_(low, alpha=stride)
        for image, result in zip(linear, results[0], strict=True):
            for layer, target in zip(image, result, strict=True):
                target[place] = _interpolated(layer.flatten(), index, weights, strides)
        for weight, stride in zip(weights, strides, strict=True):
            index.add_(weight > 0.5, alpha=stride)
        for image, result in zip(nearest, results[1], strict=True):
            for layer, target in zip(image, result, strict=True):
                target[place] = layer.flatten().index_select(0, index.flatten()).view(index.shape)
    return results[0], results[1]


def _blocks(points: Tensor, size: Sequence[int]) -> Iterator[tuple[tuple[slice, slice], list[Tensor]]]:
    """Parts of the patch, and for each the places along each of the D axes, float32."""
    # Of 32 bits on a GPU, a product of matrices may keep 10: too few for a place.
    points = points.float() if points.device.type == "cpu" else points
    matrices = [spline_matrix(count, length).to(points) for count, length in zip(points.shape[1:], size, strict=True)]
    for axis in range(len(size) - 1, 0, -1):
        points = torch.movedim(points.movedim(axis + 1, -1) @ matrices[axis].T, -1, axis + 1)
    points = points.contiguous()
    block = BLOCK if points.device.type == "cpu" else prod(size)
    across = prod(size[2:])
    columns = min(size[1], max(1, block // (ROWS * across)))
    rows = min(size[0], max(ROWS, block // (columns * across)))
    for row in range(0, size[0], rows):
        for column in range(0, size[1], columns):
            part = points[:, :, column : column + columns]
            first = matrices[0][row : row + rows]
            places = [(first @ of.flatten(1)).unflatten(1, of.shape[1:]).float() for of in part]
            yield (slice(row, row + rows), slice(column, column + columns)), places


def _neighbours(places: Sequence[Tensor], box: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
    """The lower neighbour along each axis, and how far beyond it a place lies, from 0 to 1."""
    within = [place.clamp_(0, length - 1) for place, length in zip(places, box, strict=True)]
    base = [place.int().clamp_(max=length - 2) for place, length in zip(within, box, strict=True)]
    return base, [place.sub_(low) for place, low in zip(within, base, strict=True)]


def _interpolated(layer: Tensor, index: Tensor, weights: Sequence[Tensor], strides: Sequence[int]) -> Tensor:
    """Linear interpolation between the 2^D neighbours of which `index` is the lowest."""
    offsets = [0]
    for stride in strides:
        offsets = [offset + step for offset in offsets for step in (0, stride)]
    flat = index.flatten()
    values = [layer[offset:].index_select(0, flat).view(index.shape) for offset in offsets]
    for weight in reversed(weights):
        values = [low.lerp_(high, weight) for low, high in zip(values[::2], values[1::2], strict=True)]
    return values[0]
