"""3D U-Net (Cicek et al. 2016), the paper's baseline."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks import conv3x3x3
from msseg.networks.segmentation_network import initialise
from msseg.networks.volume_network import VolumeNetwork

DEPTH = 3
SUPERVISED_LEVELS = 3


class DoubleConv(nn.Sequential):
    """Two times 3x3x3 convolution, batch norm, ReLU; then dropout."""

    def __init__(self, in_channels: int, middle_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(
            conv3x3x3(in_channels, middle_channels, bias=True),
            nn.BatchNorm3d(middle_channels),
            nn.ReLU(inplace=True),
            conv3x3x3(middle_channels, out_channels, bias=True),
            nn.BatchNorm3d(out_channels),
            nn.ReLU(inplace=True),
            nn.Dropout3d(dropout),
        )


class UNet3d(VolumeNetwork):
    """3D U-Net: four levels of two convolutions, max pooling, up-convolutions, concatenated skip connections.

    With 3 channels in, 3 out and 32 base channels its convolutions have the published 19,069,955 weights and
    biases.
    """

    multiple = 2**DEPTH

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 1,
        base_channels: int = 32,
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        """Make a network with base_channels * (2, 4, 8, 16) feature maps per level."""
        widths = [base_channels * 2 ** (level + 1) for level in range(DEPTH + 1)]
        super().__init__(tuple(widths[: SUPERVISED_LEVELS if deep_supervision else 1]), out_channels)
        self.encoder = nn.ModuleList(
            DoubleConv(in_channels if level == 0 else width // 2, width // 2, width, dropout)
            for level, width in enumerate(widths)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(2 * width, 2 * width, kernel_size=2, stride=2, bias=False) for width in widths[:-1]
        )
        self.decoder = nn.ModuleList(DoubleConv(3 * width, width, width, dropout) for width in widths[:-1])
        initialise(self, negative_slope=0)

    def decode(self, x: Tensor) -> list[Tensor]:
        """Map (B, C, X, Y, Z), sizes multiples of 8, to the three decoder levels' maps, finest first."""
        skips = []
        for block in list(self.encoder)[:-1]:
            skips.append(block(x))
            x = F.max_pool3d(skips[-1], kernel_size=2)
        x = self.encoder[-1](x)
        levels = []
        for up, block in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = block(torch.cat([up(x), skips.pop()], dim=1))
            levels.append(x)
        return levels[::-1]
