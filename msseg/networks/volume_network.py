"""What the 3D networks share: any input size, output layers, deep supervision."""

import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks import conv1x1x1
from msseg.networks.segmentation_network import SegmentationNetwork

Size = tuple[int, int, int]


class VolumeNetwork(SegmentationNetwork):
    """Base of the 3D networks: pads to a size that can be halved, decodes, crops the logits back.

    A subclass sets `multiple` (a bottleneck voxel's size in input voxels) and computes its decoder levels'
    maps in `decode`.
    """

    def __init__(self, widths: tuple[int, ...], out_channels: int) -> None:
        """Make a 1x1x1 output layer for each decoder level; `widths` are their feature maps, finest first."""
        super().__init__()
        self.heads = nn.ModuleList(conv1x1x1(width, out_channels) for width in widths)

    def decode(self, x: Tensor) -> list[Tensor]:
        """Map a padded input to the decoder levels' feature maps, finest first (full size, 1/2, 1/4, ...)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Map (B, C, X, Y, Z) to logits (B, out, X, Y, Z).

        In training mode with deep supervision: a list of logits at full, 1/2 and 1/4 size (rounded up).
        """
        size = (x.shape[2], x.shape[3], x.shape[4])
        inner = padded_size(size, self.multiple)
        before = margins(size, inner)
        features = self.decode(pad(x, before, inner))
        heads = list(self.heads) if self.training else list(self.heads)[:1]
        logits = [
            crop(head(maps), before, size, factor=2**level)
            for level, (head, maps) in enumerate(zip(heads, features, strict=False))
        ]
        return logits if len(logits) > 1 else logits[0]


def padded_size(size: Size, multiple: int) -> Size:
    """The next multiple on every axis; twice it where the bottleneck would be one voxel, without variance."""
    x, y, z = (-(-length // multiple) * multiple for length in size)
    if x * y * z == multiple**3:
        return 2 * multiple, 2 * multiple, 2 * multiple
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


def crop(logits: Tensor, before: Size, size: Size, factor: int) -> Tensor:
    """Cut what lies over the unpadded input out of logits at 1/factor of the padded size."""
    x, y, z = (start // factor for start in before)
    width, height, depth = (-(-length // factor) for length in size)
    return logits[:, :, x : x + width, y : y + height, z : z + depth]
