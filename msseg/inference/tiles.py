"""Overlap-tile: a network that needs true surroundings is applied to a volume of any size.

The tiles' logits lie side by side, each computed from the image around it, and the image goes on by reflection beyond
its border (Ronneberger et al. 2015, figure 2). They begin at multiples of what the network pools, so that every tile
pools the same pixels together: what comes out is what one pass over the whole slice gives, and needs no blending.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from msseg.inference.places import Place, Size, place_at

LEAST_TILE = 572
"""Tiles are not smaller than the published network's, whatever the training patch was, unless the slice is: nine tenths
of a tile of 256 pixels would be surroundings that its neighbours compute as well. What comes out is the same."""


class Fits(Protocol):
    """What has to be known about a network; its own class says what the words mean."""

    @property
    def margin(self) -> int:
        """Voxels of surroundings on each side."""

    @property
    def multiple(self) -> int:
        """Steps between sizes."""

    def fitting(self, length: int) -> int:
        """The next size without padding."""


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


def plan_tiles(network: Fits, shape: Sequence[int], size: Sequence[int]) -> Tiling:
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


def reach(tiling: Tiling) -> list[int]:
    """Pixels that the tiles need in the plane of the first two axes, surroundings included."""
    return [max(corner[axis] for corner in tiling.corners) + tiling.size[axis] for axis in (0, 1)]


def foreground_tiles(padded: Any, tiling: Tiling) -> Iterator[Place]:
    """Places of the tiles that are not background in a volume (C, X, Y, Z), array or tensor, with surroundings."""
    for corner in tiling.corners:
        place = place_at(corner, tiling.size)
        if padded[(slice(None), *place)].any():
            yield place
