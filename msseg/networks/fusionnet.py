"""FusionNet (Quan et al. 2016): a deep residual U-Net with summed skip connections."""

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks2d import ConvNormRelu, ResidualBlock2d, UpNormRelu
from msseg.networks.segmentation_network import initialise
from msseg.networks.slice_network import SliceNetwork

DEPTH = 4


class FusionBlock(nn.Sequential):
    """3x3 convolution, residual block, 3x3 convolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            ConvNormRelu(in_channels, channels), ResidualBlock2d(channels), ConvNormRelu(channels, channels)
        )


class FusionNet(SliceNetwork):
    """FusionNet: four blocks down, a bridge, four up; max pooling, deconvolution, summed skip connections.

    With 64 base channels and one channel in it has 75,049,537 parameters, built as Kim 2019, table 2.1, describes it;
    the thesis prints 69 M. Left open there: the deconvolution's kernel (2x2 here, with batch norm and ReLU as after
    each convolution) and that of the last convolution (1x1 here).
    """

    multiple = 2**DEPTH

    def __init__(self, in_channels: int, out_channels: int = 1, base_channels: int = 64) -> None:
        """Make a network with base_channels * (1, 2, 4, 8, 16) feature maps per level."""
        super().__init__()
        widths = [base_channels * 2**level for level in range(DEPTH + 1)]
        self.down = nn.ModuleList(
            FusionBlock(width // 2 if level else in_channels, width) for level, width in enumerate(widths[:-1])
        )
        self.bridge = FusionBlock(widths[-2], widths[-1])
        self.up = nn.ModuleList(UpNormRelu(2 * width, width) for width in widths[:-1])
        self.fuse = nn.ModuleList(FusionBlock(width, width) for width in widths[:-1])
        self.heads = nn.ModuleList([nn.Conv2d(base_channels, out_channels, kernel_size=1)])
        initialise(self, negative_slope=0)

    def compute(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), sizes multiples of 16, to logits (B, out, H, W)."""
        skips = []
        for block in self.down:
            skips.append(block(x))
            x = F.max_pool2d(skips[-1], kernel_size=2)
        x = self.bridge(x)
        for up, block in zip(reversed(self.up), reversed(self.fuse), strict=True):
            x = block(skips.pop() + up(x))
        return cast(Tensor, self.heads[0](x))
