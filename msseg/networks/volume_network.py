"""What the 3D networks share: any input size, output layers, deep supervision."""

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks import Axes, conv1x1x1
from msseg.networks.segmentation_network import SegmentationNetwork

Size = tuple[int, int, int]


class VolumeNetwork(SegmentationNetwork):
    """Base of the 3D networks: pads to a size that can be halved, decodes, crops the logits back.

    A subclass computes its decoder levels' maps in `decode`.

    Attributes:
        strides: From each level to the next, by how much each axis is halved: 2, or 1 for one that stays as it is.
    """

    def __init__(self, widths: tuple[int, ...], out_channels: int, strides: Sequence[Axes]) -> None:
        """Make a 1x1x1 output layer for each decoder level; `widths` are their feature maps, finest first."""
        super().__init__()
        self.strides = tuple(strides)
        self.multiple = max(self.multiples)
        self.heads = nn.ModuleList(conv1x1x1(width, out_channels) for width in widths)

    @property
    def multiples(self) -> tuple[int, int, int]:
        """A bottleneck voxel's size in input voxels."""
        return self._voxel_of(len(self.strides))

    def _voxel_of(self, level: int) -> Axes:
        """Size of a level's voxels in input voxels."""
        x, y, z = (math.prod(steps[axis] for steps in self.strides[:level]) for axis in range(3))
        return x, y, z

    def decode(self, x: Tensor) -> list[Tensor]:
        """Map a padded input to the decoder levels' feature maps, finest first (full size, and as `strides` say)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Map (B, C, X, Y, Z) to logits (B, out, X, Y, Z).

        In training mode with deep supervision: a list of logits at full, 1/2 and 1/4 size (rounded up).
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        inner = padded_size(size, self.multiples)
        before = margins(size, inner)
        features = self.decode(pad(x, before, inner))
        heads = list(self.heads) if self.training else list(self.heads)[:1]
        logits = [
            crop(head(maps), before, size, self._voxel_of(level))
            for level, (head, maps) in enumerate(zip(heads, features, strict=False))
        ]
        return logits if len(logits) > 1 else logits[0]


def kernels(strides: Sequence[Axes]) -> list[Axes]:
    """Sizes of the convolutions' kernels at every level, the bottleneck the last: 3, but 1 along thick voxels.

    An axis whose voxels are so much longer than the others' that it is not halved at first has no neighbours worth
    looking at there: its kernel is 1 until it is halved (as nnU-Net, Isensee et al. 2021).
    """
    sizes: list[Axes] = []
    current = [1, 1, 1]
    for steps in strides:
        current = [3 if step == 2 else length for step, length in zip(steps, current, strict=True)]
        sizes.append((current[0], current[1], current[2]))
    return [*sizes, sizes[-1]]


def padded_size(size: Size, multiples: Axes) -> Size:
    """The next multiple on every axis; twice it where the bottleneck would be one voxel, without variance."""
    x, y, z = (-(-length // multiple) * multiple for length, multiple in zip(size, multiples, strict=True))
    if (x, y, z) == tuple(multiples):
        return 2 * x, 2 * y, 2 * z
    return x, y, z


def margins(size: Size, inner: Size) -> Size:
    """Voxels to add before each axis: at most half of the padding, a multiple of 4 to suit 1/4 size."""
    x, y, z = ((to - length) // 8 * 4 for length, to in zip(size, inner, strict=True))
    return x, y, z


def pad(x: Tensor, before: Size, inner: Size) -> Tensor:
    """Repeat the border voxels until the size is `inner`: zeros would be an edge that is not in the image."""
    size = x.shape[2:]
    if tuple(size) == inner:
        return x
    sides = [side for axis in (2, 1, 0) for side in (before[axis], inner[axis] - size[axis] - before[axis])]
    return F.pad(x, sides, mode="replicate")


def crop(logits: Tensor, before: Size, size: Size, factors: Axes) -> Tensor:
    """Cut what lies over the unpadded input out of logits at 1/factor of the padded size along each axis."""
    x, y, z = (start // factor for start, factor in zip(before, factors, strict=True))
    width, height, depth = (-(-length // factor) for length, factor in zip(size, factors, strict=True))
    return logits[:, :, x : x + width, y : y + height, z : z + depth]
