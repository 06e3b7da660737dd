"""Drawing a patch from a prepared case.

TorchIO's LabelSampler builds a probability map of the whole volume for every draw. Here the lesion voxels' indices are
known beforehand and only the patch's own voxels are read from the memory map, so a draw costs the patch and no more.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from msseg.config.patches import Beyond, PatchesConfig
from msseg.patches.frame import Shape
from msseg.volumes.cache import CachedCase


def draw_patch(
    case: CachedCase,
    patches: PatchesConfig,
    random: np.random.Generator,
    margin: Shape = (0, 0, 0),
    maps: Sequence[str] = (),
) -> tuple[np.ndarray, ...]:
    """Draw a random patch.

    Args:
        case: The prepared case.
        patches: Size, share of patches made to contain a lesion voxel, at a random place in the patch (otherwise, and
            in a case without lesion, the position is uniform), and what lies beyond the volume's edge.
        random: Source of randomness.
        margin: Voxels to add on both sides along each axis; they do not count for the position.
        maps: Names of the case's maps to cut as well.

    Returns:
        Image (C, *size) float32, label (1, *size) float32 with values 0 and 1, and each map (1, *size) float32; `size`
        with the margin. Beyond the volume, maps keep the value at its edge where image and label are 0.
    """
    data, label = case.data(), case.label()
    first = draw_start(label.shape, patches.size, patches.lesion_share, case.lesion_voxels(), random)
    start = first[0] - margin[0], first[1] - margin[1], first[2] - margin[2]
    x, y, z = (length + 2 * extra for length, extra in zip(patches.size, margin, strict=True))
    size, beyond = (x, y, z), patches.beyond
    return (
        cut(data, start, size, beyond),
        cut(label[np.newaxis], start, size, beyond).astype(np.float32),
        *(cut(case.map(name)[np.newaxis], start, size, "edge" if beyond == "zero" else beyond) for name in maps),
    )


def draw_start(
    shape: tuple[int, ...],
    size: Shape,
    lesion_share: float,
    lesion_voxels: np.ndarray,
    random: np.random.Generator,
) -> Shape:
    """First voxel of a random patch; negative along an axis on which the volume is smaller than the patch."""
    wanted = random.random() < lesion_share and len(lesion_voxels) > 0
    anchor = lesion_voxels[random.integers(len(lesion_voxels))] if wanted else None
    start = []
    for axis in range(3):
        spare = shape[axis] - size[axis]
        if spare <= 0:
            start.append(-((-spare) // 2))
            continue
        low, high = 0, spare
        if anchor is not None:
            low, high = max(low, int(anchor[axis]) - size[axis] + 1), min(high, int(anchor[axis]))
        start.append(int(random.integers(low, high + 1)))
    return start[0], start[1], start[2]


def cut(data: np.ndarray, start: Shape, size: Shape, beyond: Beyond | Literal["edge"] = "zero") -> np.ndarray:
    """The patch of a (C, X, Y, Z) array from `start`; of a memory map, only what it needs is read.

    Args:
        data: The volume.
        start: First voxel; negative where the patch begins before the volume.
        size: Voxels along each axis.
        beyond: What fills the patch beyond the volume: zeros, the volume mirrored (NumPy's `reflect`: without its edge
            twice, and as often as it takes), or the values at its edge.
    """
    extents = data.shape[1:]
    if beyond == "zero":
        patch = np.zeros((data.shape[0], *size), dtype=data.dtype)
        within = [
            slice(max(first, 0), min(first + length, extent))
            for first, length, extent in zip(start, size, extents, strict=True)
        ]
        target = [slice(part.start - first, part.stop - first) for part, first in zip(within, start, strict=True)]
        patch[:, *target] = data[:, *within]
        return patch
    fold = _mirror if beyond == "mirror" else _hold
    places = [
        fold(np.arange(first, first + length), extent)
        for first, length, extent in zip(start, size, extents, strict=True)
    ]
    patch = np.array(data[:, *(slice(place.min(), place.max() + 1) for place in places)])
    for axis, (place, first, extent) in enumerate(zip(places, start, extents, strict=True), start=1):
        if first < 0 or first + len(place) > extent:
            patch = patch.take(place - place.min(), axis)
    return patch


def _mirror(places: np.ndarray, extent: int) -> np.ndarray:
    """Places of an endless row of mirror images, as places of the volume."""
    if extent == 1:
        return np.zeros_like(places)
    return extent - 1 - np.abs(places % (2 * extent - 2) - (extent - 1))


def _hold(places: np.ndarray, extent: int) -> np.ndarray:
    return np.clip(places, 0, extent - 1)
