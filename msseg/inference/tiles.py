"""Overlap-tile: a network that needs true surroundings is applied to a volume of any size.

The tiles' logits lie side by side, each computed from the image around it, and the image goes on by reflection beyond
its border (Ronneberger et al. 2015, figure 2). They begin at multiples of what the network pools, so that every tile
pools the same pixels together: what comes out is what one pass over the whole slice gives, and needs no blending.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from msseg.inference.device import autocast
from msseg.inference.places import BACKGROUND_LOGIT, Place, Size, in_batches, place_at
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.networks.slice_network import mirrored

LEAST_TILE = 572
"""Tiles are not smaller than the published network's, whatever the training patch was, unless the slice is: nine tenths
of a tile of 256 pixels would be surroundings that its neighbours compute as well. What comes out is the same."""


class Tiling(NamedTuple):
    """Sizes along the three axes.

    Attributes:
        size: What the network is given.
        answer: What it answers.
        corners: First voxels of the answers; the last may reach beyond the volume.
    """

    size: Size
    answer: Size
    corners: list[Size]


def plan_tiles(network: SegmentationNetwork, shape: Sequence[int], size: Sequence[int]) -> Tiling:
    """Tiles of about `size`, surroundings included, for a volume of `shape`.

    In the plane of the first two axes a tile has the next size that the network computes without padding, at least
    `LEAST_TILE` and enough for a step, and no more than the volume needs; along the third, which has no margin, at most
    `size`.
    """
    around = 2 * network.margin
    sizes, answers, steps = [], [], []
    for length, wanted in zip(shape[:2], size[:2], strict=True):
        needed = network.fitting(length + around)
        sizes.append(min(network.fitting(max(wanted, LEAST_TILE, around + network.multiple)), needed))
        answers.append(sizes[-1] - around)
        steps.append(answers[-1] if sizes[-1] == needed else answers[-1] // network.multiple * network.multiple)
    depth = min(size[2], shape[2])
    starts = [range(0, length, step) for length, step in zip(shape, [*steps, depth], strict=True)]
    # Slices do not depend on each other: the last ones may be computed twice.
    deep = [min(start, shape[2] - depth) for start in starts[2]]
    corners = list(itertools.product(starts[0], starts[1], deep))
    return Tiling((sizes[0], sizes[1], depth), (answers[0], answers[1], depth), corners)


def predict_by_tiles(
    network: SegmentationNetwork,
    answer: Callable[[Tensor], Tensor],
    data: Tensor,
    size: Sequence[int],
    *,
    batch: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Logits (X, Y, Z) float32 of a volume (C, X, Y, Z), by tiles of about `size`.

    Args:
        network: Says what sizes it computes.
        answer: Maps tiles (B, C, *tile) to the logits of their centres (B, 1, ...); the network's `centre`.
        data: The volume.
        size: The tile, surroundings included.
        batch: Tiles that the network is given at once.
        device: Where to compute.
        dtype: Arithmetic of the network (autocast).
    """
    tiling = plan_tiles(network, data.shape[1:], size)
    reach = [max(corner[axis] for corner in tiling.corners) + tiling.size[axis] for axis in (0, 1)]
    padded = mirrored(data.movedim(3, 0), network.margin, reach).movedim(0, 3)
    logits = torch.full(data.shape[1:], BACKGROUND_LOGIT, device=device)
    for places in in_batches(_foreground_tiles(padded, tiling), batch):
        tiles = torch.stack([padded[(slice(None), *place)] for place in places]).to(device)
        with autocast(device, dtype):
            answers = answer(tiles)[:, 0].float()
        for (x, y, z), one in zip(places, answers, strict=True):
            target = logits[place_at((x.start, y.start, z.start), tiling.answer)]
            target.copy_(one[: target.shape[0], : target.shape[1]])
    return logits


def _foreground_tiles(padded: Tensor, tiling: Tiling) -> Iterator[Place]:
    for corner in tiling.corners:
        place = place_at(corner, tiling.size)
        if padded[(slice(None), *place)].any():
            yield place
