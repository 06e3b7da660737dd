"""Mirrored and turned copies of a window, over which a network's answers may be averaged."""

import itertools
from collections.abc import Sequence

PLANE = (2, 3)
"""The axes of (B, C, X, Y, Z) in whose plane copies are turned: those of a slice."""

Orientation = tuple[tuple[int, ...], int]
"""Axes that are mirrored, then quarter turns in the plane."""


def orientations(shape: Sequence[int], mirror: bool, rotate: bool) -> list[Orientation]:
    """The copies of a window (B, C, X, Y, Z) of this shape; the first is the window itself.

    `mirror` gives every combination of mirrored axes (those of one voxel have no mirror image), `rotate` the four
    quarter turns in the plane of the first two axes. Both together give each orientation once: eight of a slice,
    sixteen of a volume.
    """
    axes = [axis for axis in (2, 3, 4) if mirror and shape[axis] > 1]
    if rotate:  # mirrored along the plane's second axis is mirrored along its first, and turned by half
        axes = [axis for axis in axes if axis != PLANE[1]]
    subsets = [subset for count in range(len(axes) + 1) for subset in itertools.combinations(axes, count)]
    return [(subset, turns) for turns in (range(4) if rotate else (0,)) for subset in subsets]
