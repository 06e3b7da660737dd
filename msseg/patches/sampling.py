"""Drawing a patch from a prepared case.

TorchIO's LabelSampler builds a probability map of the whole volume for every draw. Here the lesion voxels' indices are
known beforehand and only the patch's own voxels are read from the memory map, so a draw costs the patch and no more.
"""

import numpy as np

from msseg.volumes.cache import CachedCase

Shape = tuple[int, int, int]


def draw_patch(
    case: CachedCase, size: Shape, lesion_share: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a random patch.

    Args:
        case: The prepared case.
        size: Voxels along each axis; where the volume is smaller, zeros are added on both sides.
        lesion_share: Chance that the patch is made to contain a lesion voxel, at a random place in the patch;
            otherwise, and in a case without lesion, its position is uniform.
        random: Source of randomness.

    Returns:
        Image (C, *size) float32 and label (1, *size) float32 with values 0 and 1.
    """
    data, label = case.data(), case.label()
    start = draw_start(label.shape, size, lesion_share, case.lesion_voxels(), random)
    return cut(data, start, size), cut(label[np.newaxis], start, size).astype(np.float32)


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


def cut(data: np.ndarray, start: Shape, size: Shape) -> np.ndarray:
    """The patch of a (C, X, Y, Z) array from `start`, with zeros where it reaches beyond the array."""
    patch = np.zeros((data.shape[0], *size), dtype=data.dtype)
    source, target = [slice(None)], [slice(None)]
    for axis in range(3):
        first, last = max(start[axis], 0), min(start[axis] + size[axis], data.shape[axis + 1])
        source.append(slice(first, last))
        target.append(slice(first - start[axis], last - start[axis]))
    patch[tuple(target)] = data[tuple(source)]
    return patch
