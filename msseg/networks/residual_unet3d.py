"""Residual 3D U-Net (Choi et al. 2021, after the modified 3D U-Net of Isensee et al. 2017)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from msseg.networks.blocks import TWICE, Axes, InstanceNorm3d, UpsampleConv3d, conv1x1x1, conv3x3x3
from msseg.networks.segmentation_network import initialise
from msseg.networks.volume_network import VolumeNetwork, kernels

LEAK = 0.01
DEPTH = 4
SUPERVISED_LEVELS = 3


class NormAct(nn.Sequential):
    """Instance norm and leaky ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__(InstanceNorm3d(channels), nn.LeakyReLU(LEAK, inplace=True))


class ResidualBlock(nn.Module):
    """Two pre-activated convolutions, added to the block's input; then norm and leaky ReLU."""

    def __init__(self, channels: int, dropout: float, kernel: Axes) -> None:
        super().__init__()
        self.before = NormAct(channels)
        self.first = conv3x3x3(channels, channels, kernel=kernel)
        self.between = NormAct(channels)
        self.dropout = nn.Dropout3d(dropout)
        self.second = conv3x3x3(channels, channels, kernel=kernel)
        self.after = NormAct(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z) to the same shape."""
        change = self.dropout(self.between(self.first(self.before(x))))
        return cast(Tensor, self.after(x + self.second(change)))


class Upsample(nn.Sequential):
    """Nearest-neighbour upsampling by 2 with a convolution, norm and leaky ReLU."""

    def __init__(self, in_channels: int, out_channels: int, strides: Axes, kernel: Axes) -> None:
        super().__init__(UpsampleConv3d(in_channels, out_channels, strides, kernel), NormAct(out_channels))


class DecoderBlock(nn.Module):
    """Joins the maps from below with the encoder's of the same size and halves their number.

    `norm` belongs to the way up, not to `forward`: an output layer gets the maps without it, because behind
    an instance norm the mean logit of every window would be the same, with or without lesion. So the last
    block has none.
    """

    def __init__(self, channels: int, is_last: bool, kernel: Axes) -> None:
        """Take `channels` maps from below and as many from the encoder; give `channels`."""
        super().__init__()
        self.join = conv3x3x3(2 * channels, 2 * channels, kernel=kernel)
        self.join_norm = NormAct(2 * channels)
        self.halve = conv1x1x1(2 * channels, channels)
        self.act = nn.LeakyReLU(LEAK, inplace=True)
        self.norm = nn.Identity() if is_last else InstanceNorm3d(channels)

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Map two (B, channels, X, Y, Z) to one."""
        joined = self.join_norm(self.join(torch.cat([below, skip], dim=1)))
        return cast(Tensor, self.act(self.halve(joined)))


class ResidualUNet3d(VolumeNetwork):
    """Residual 3D U-Net: four encoder blocks, a bottleneck, four decoder blocks.

    Instance norm, leaky ReLU; convolutions have no bias where a norm follows. Dropout acts on the activated
    maps inside the residual blocks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 1,
        base_channels: int = 16,
        dropout: float = 0.3,
        deep_supervision: bool = False,
        strides: Sequence[Axes] = (TWICE,) * DEPTH,
    ) -> None:
        """Make a network with base_channels * (1, 2, 4, 8, 16) feature maps per level, `strides` between them."""
        widths = [base_channels * 2**level for level in range(DEPTH + 1)]
        super().__init__(tuple(widths[: SUPERVISED_LEVELS if deep_supervision else 1]), out_channels, strides)
        sizes = kernels(strides)
        self.first = conv3x3x3(in_channels, widths[0], kernel=sizes[0])
        self.encoder = nn.ModuleList(
            ResidualBlock(width, dropout, kernel) for width, kernel in zip(widths, sizes, strict=True)
        )
        levels = list(zip(widths[:-1], strides, sizes[:-1], strict=True))
        self.down = nn.ModuleList(conv3x3x3(width, 2 * width, steps, kernel=kernel) for width, steps, kernel in levels)
        self.up = nn.ModuleList(Upsample(2 * width, width, steps, kernel) for width, steps, kernel in levels)
        self.decoder = nn.ModuleList(
            DecoderBlock(width, is_last=level == 0, kernel=kernel) for level, (width, _, kernel) in enumerate(levels)
        )
        initialise(self, negative_slope=LEAK)

    def decode(self, x: Tensor) -> list[Tensor]:
        """Map (B, C, X, Y, Z), sizes multiples of `multiples`, to the four decoder blocks' maps, finest first."""
        x = self.first(x)
        skips = []
        for block, down in zip(self.encoder, self.down, strict=False):
            skips.append(block(x))
            x = down(skips[-1])
        x = self.encoder[-1](x)
        levels = []
        for up, block in zip(reversed(self.up), reversed(self.decoder), strict=True):
            assert isinstance(block, DecoderBlock)
            levels.append(block(up(x), skips.pop()))
            x = block.norm(levels[-1])
        return levels[::-1]
