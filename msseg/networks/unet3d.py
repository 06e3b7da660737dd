"""3D U-Net (Cicek et al. 2016), the paper's baseline."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks import TWICE, Axes, conv3x3x3
from msseg.networks.segmentation_network import initialise
from msseg.networks.volume_network import VolumeNetwork, kernels

DEPTH = 3
SUPERVISED_LEVELS = 3


class DoubleConv(nn.Sequential):
    """Two times 3x3x3 convolution, batch norm, ReLU; then dropout."""

    def __init__(self, in_channels: int, middle_channels: int, out_channels: int, dropout: float, kernel: Axes) -> None:
        super().__init__(
            conv3x3x3(in_channels, middle_channels, bias=True, kernel=kernel),
            nn.BatchNorm3d(middle_channels),
            nn.ReLU(inplace=True),
            conv3x3x3(middle_channels, out_channels, bias=True, kernel=kernel),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout3d(dropout),
        )


class UNet3d(VolumeNetwork):
    """3D U-Net: four levels of two convolutions, max pooling, up-convolutions, concatenated skip connections.

    With 3 channels in, 3 out and 32 base channels its convolutions have the published 19,069,955 weights and
    biases.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 1,
        base_channels: int = 32,
        dropout: float = 0.0,
        deep_supervision: bool = False,
        strides: Sequence[Axes] = (TWICE,) * DEPTH,
    ) -> None:
        """Make a network with base_channels * (2, 4, 8, 16) feature maps per level, `strides` between them."""
        widths = [base_channels * 2 ** (level + 1) for level in range(DEPTH + 1)]
        super().__init__(tuple(widths[: SUPERVISED_LEVELS if deep_supervision else 1]), out_channels, strides)
        sizes = kernels(strides)
        self.encoder = nn.ModuleList(
            DoubleConv(in_channels if level == 0 else width // 2, width // 2, width, dropout, kernel)
            for level, (width, kernel) in enumerate(zip(widths, sizes, strict=True))
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(2 * width, 2 * width, kernel_size=steps, stride=steps, bias=False)
            for width, steps in zip(widths[:-1], self.strides, strict=True)
        )
        self.decoder = nn.ModuleList(
            DoubleConv(3 * width, width, width, dropout, kernel)
            for width, kernel in zip(widths[:-1], sizes[:-1], strict=True)
        )
        initialise(self, negative_slope=0)

    def decode(self, x: Tensor) -> list[Tensor]:
        """Map (B, C, X, Y, Z), sizes multiples of `multiples`, to the three decoder levels' maps, finest first."""
        skips = []
        for block, steps in zip(self.encoder, self.strides, strict=False):
            skips.append(block(x))
            x = F.max_pool3d(skips[-1], kernel_size=steps)
        x = self.encoder[-1](x)
        levels = []
        for up, block in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = block(torch.cat([up(x), skips.pop()], dim=1))
            levels.append(x)
        return levels[::-1]
