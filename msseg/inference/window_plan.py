"""Which windows a volume is predicted by: their size, and where they lie. Geometry alone, in numpy."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from msseg.config.inference import Window
from msseg.inference.places import Place, Size, place_at

SMALLEST_FIT = 2
"""Fitted windows are at least so many of the network's multiples: a bottleneck of one voxel has no spread to be
normalised by."""


@dataclass(frozen=True)
class WindowPlan:
    """The windows of one volume.

    Attributes:
        size: Of every window.
        padded: Of the volume, padded with 0 on both sides where a window is larger.
        offset: First voxel of the volume in the padded one.
        places: Windows in the padded volume, in row-major order; those that hold background alone are left out.
    """

    size: Size
    padded: Size
    offset: Size
    places: tuple[Place, ...]


def make_plan(
    data: np.ndarray,
    patch_size: Sequence[int],
    window: Window = "patch",
    overlap: float = 0.5,
    multiples: Sequence[int] = (1, 1, 1),
    largest: int | None = None,
) -> WindowPlan:
    """The windows of a volume.

    Args:
        data: Channels, shape (C, X, Y, Z); what is 0 in every channel is background.
        patch_size: The training patch.
        window: As `window_size`.
        overlap: As `plan_windows`.
        multiples: As `window_size`.
        largest: As `window_size`.
    """
    foreground: np.ndarray = np.any(data, axis=0)
    size = window_size(foreground.shape, patch_size, window, multiples, overlap, largest)
    return plan_of_size(foreground, size, overlap)


def plan_of_size(foreground: np.ndarray, size: Size, overlap: float) -> WindowPlan:
    """The windows of this size for a volume whose foreground (X, Y, Z) is given, spread as `plan_windows` has it."""
    shape = foreground.shape
    padded, offset = padding(shape, size)
    corners = plan_windows(padded, size, overlap)
    places = tuple(place for place in _at(corners, size) if foreground[_within(place, offset)].any())
    return WindowPlan(size, padded, offset, places)


def padding(shape: Sequence[int], size: Sequence[int]) -> tuple[Size, Size]:
    """What a volume is padded to for windows of this size, and its first voxel there."""
    x, y, z = (max(pair) for pair in zip(shape, size, strict=True))
    a, b, c = (max(window - axis, 0) // 2 for window, axis in zip(size, shape, strict=True))
    return (x, y, z), (a, b, c)


def window_size(
    shape: Sequence[int],
    patch_size: Sequence[int],
    window: Window,
    multiples: Sequence[int] = (1, 1, 1),
    overlap: float = 0.5,
    largest: int | None = None,
) -> Size:
    """The window for a volume.

    `patch` is the training patch's size. `whole` is one window over the whole volume. `fit` is `fitted_size`. `auto` is
    `patch` here: that a model may be trusted with larger windows is known to `msseg.inference.trust`. Along an axis
    where the patch has one voxel every window has one: a stack is computed slice by slice.

    Args:
        shape: The volume.
        patch_size: The training patch.
        window: Which of the four.
        multiples: Along each axis the network computes sizes that are multiples of this, and pads others.
        overlap: As `plan_windows`; decides how large several windows of `fit` are.
        largest: Voxels that a window of `fit` may have, for the sake of memory; None: any number.
    """
    if window == "fit":
        return fitted_size(shape, patch_size, multiples, overlap, largest)
    x, y, z = (
        axis if window == "whole" and patch > 1 else patch for axis, patch in zip(shape, patch_size, strict=True)
    )
    return x, y, z


def fitted_size(
    shape: Sequence[int],
    patch_size: Sequence[int],
    multiples: Sequence[int] = (1, 1, 1),
    overlap: float = 0.5,
    largest: int | None = None,
) -> Size:
    """The window by which the fewest windows cover a volume, and of equally many those with the fewest voxels.

    That is one window, unless it would have more than `largest` voxels. Sizes are multiples of what the network can
    halve: padding inside the network would count in its norms like tissue (33 voxels padded to 48 instead of windows of
    32 took a trained network from DSC 0.76 to 0.31). Where `largest` is too little for any of them, windows are no
    larger than the patch.

    Args:
        shape: The volume.
        patch_size: The training patch; along an axis where it has one voxel the window has one.
        multiples: As `window_size`.
        overlap: As `plan_windows`.
        largest: Voxels that the window may have; None: any number.
    """
    axes = [_sizes(*axis, overlap) for axis in zip(shape, patch_size, multiples, strict=True)]
    best = min(
        itertools.product(*axes),
        key=lambda chosen: (
            max(math.prod(size for size, _ in chosen) - largest, 0) if largest is not None else 0,
            math.prod(count for _, count in chosen),
            math.prod(size for size, _ in chosen),
        ),
    )
    x, y, z = (size for size, _ in best)
    return x, y, z


def _sizes(length: int, patch: int, multiple: int, overlap: float) -> list[tuple[int, int]]:
    """Sizes along an axis with how many windows they need, from one window down to about the patch."""
    if patch == 1:
        return [(1, length)]
    least = min(-(-patch // multiple), SMALLEST_FIT) * multiple
    sizes = []
    for count in itertools.count(1):
        size = least
        while size + (count - 1) * max(int(size * (1 - overlap)), 1) < length:
            size += multiple
        sizes.append((size, count))
        if size <= max(patch, least):
            return sizes
    raise AssertionError("windows of the patch's size cover any axis")


def plan_windows(shape: Sequence[int], size: Sequence[int], overlap: float) -> list[Size]:
    """First corners of the windows that cover a volume, in row-major order.

    Along each axis there are as many windows as a step of `int(size * (1 - overlap))` needs (MONAI's
    `dense_patch_slices`), spread evenly (nnU-Net); the first and the last are flush with the borders.

    Args:
        shape: The volume, at least `size` along each axis.
        size: The window.
        overlap: Smallest share of a window that the next one covers again, 0 <= overlap < 1.
    """
    return list(itertools.product(*map(_starts, shape, size, (overlap,) * len(shape))))  # type: ignore[arg-type]


def _starts(length: int, size: int, overlap: float) -> list[int]:
    if length < size:
        raise ValueError(f"a window of {size} does not fit into {length} voxels")
    steps = math.ceil((length - size) / max(int(size * (1 - overlap)), 1))
    return [round(step * (length - size) / steps) for step in range(steps + 1)] if steps else [0]


def _at(corners: Sequence[Size], size: Size) -> Iterator[Place]:
    return (place_at(corner, size) for corner in corners)


def _within(place: Place, offset: Size) -> Place:
    """A window's place in the volume, without what lies in the padding."""
    x, y, z = (slice(max(of.start - first, 0), of.stop - first) for of, first in zip(place, offset, strict=True))
    return x, y, z
