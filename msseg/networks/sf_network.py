"""SF Network, "squeezed fusion" (Kim 2019): a deep residual U-Net of few maps."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks2d import ConvNormRelu, ResidualBlock2d, UpNormRelu
from msseg.networks.segmentation_network import initialise
from msseg.networks.slice_network import SliceNetwork

DEPTH = 4


class SqueezeBlock(nn.Sequential):
    """3x3 convolution, residual block, 3x3 convolution, and a 1x1 convolution to half as many maps."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            ConvNormRelu(in_channels, channels),
            ResidualBlock2d(channels),
            ConvNormRelu(channels, channels),
            ConvNormRelu(channels, channels // 2, kernel_size=1),
        )


class SFNetwork(SliceNetwork):
    """SF Network: four blocks down, a bridge, four up; max pooling, deconvolution, concatenated skip connections.

    Every block computes with 64 maps and hands on 32, at all levels. With one channel in it has 1,593,601 parameters;
    the thesis (Kim 2019, chapter 3) prints 1.6 M. Its table 3.1 prints "deconv" in the bridge, which would not fit the
    sizes beside it: taken as a misprint for "conv". It leaves open the deconvolution's kernel (2x2 here, with batch
    norm and ReLU as after each convolution) and that of the last convolution (1x1 here).
    """

    multiple = 2**DEPTH

    def __init__(self, in_channels: int, out_channels: int = 1, base_channels: int = 64) -> None:
        """Make a network whose blocks have `base_channels` maps (at least 2) and hand on half of them."""
        super().__init__()
        squeezed = base_channels // 2
        self.down = nn.ModuleList(
            SqueezeBlock(squeezed if level else in_channels, base_channels) for level in range(DEPTH)
        )
        self.bridge = SqueezeBlock(squeezed, base_channels)
        self.up = nn.ModuleList(UpNormRelu(squeezed, squeezed) for _ in range(DEPTH))
        self.fuse = nn.ModuleList(SqueezeBlock(2 * squeezed, base_channels) for _ in range(DEPTH))
        self.heads = nn.ModuleList([nn.Conv2d(squeezed, out_channels, kernel_size=1)])
        initialise(self, negative_slope=0)

    def compute(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), sizes multiples of 16, to logits (B, out, H, W)."""
        skips = []
        for block in self.down:
            skips.append(block(x))
            x = F.max_pool2d(skips[-1], kernel_size=2)
        x = self.bridge(x)
        for up, block in zip(self.up, self.fuse, strict=True):
            x = block(torch.cat([skips.pop(), up(x)], dim=1))
        return cast(Tensor, self.heads[0](x))
