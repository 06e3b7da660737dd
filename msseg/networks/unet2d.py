"""U-Net (Ronneberger et al. 2015), with the size kept or with convolutions that use true surroundings alone."""

from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.config.network import UNET2D_VALID_MARGIN, UNET2D_VALID_SMALLEST
from msseg.networks.segmentation_network import initialise
from msseg.networks.slice_network import SliceNetwork

DEPTH = 4


class DoubleConv2d(nn.Sequential):
    """Two times 3x3 convolution, batch norm (where wanted), ReLU."""

    def __init__(self, in_channels: int, channels: int, padding: int, batch_norm: bool) -> None:
        layers: list[nn.Module] = []
        for have in (in_channels, channels):
            layers.append(nn.Conv2d(have, channels, kernel_size=3, padding=padding))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class UNet2d(SliceNetwork):
    """U-Net: five levels of two convolutions, max pooling, up-convolutions, concatenated skip connections.

    With 64 base channels it has 31.0 M parameters (31,030,593 without batch norm, 31,042,369 with it); the thesis that
    compares it with SF Network (Kim 2019) prints 25 M. Without padding a logit needs 92 pixels of surroundings on each
    side: 572 x 572 pixels give 388 x 388 logits, as published. There is one output map in place of two with a softmax,
    which is the same function.
    """

    multiple = 2**DEPTH

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 1,
        base_channels: int = 64,
        padding: Literal["same", "valid"] = "same",
        batch_norm: bool = True,
    ) -> None:
        """Make a network with base_channels * (1, 2, 4, 8, 16) feature maps per level."""
        super().__init__()
        self.margin = UNET2D_VALID_MARGIN if padding == "valid" else 0
        widths = [base_channels * 2**level for level in range(DEPTH + 1)]
        pixels = 0 if padding == "valid" else 1
        self.encoder = nn.ModuleList(
            DoubleConv2d(width // 2 if level else in_channels, width, pixels, batch_norm)
            for level, width in enumerate(widths)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2) for width in widths[:-1])
        self.decoder = nn.ModuleList(DoubleConv2d(2 * width, width, pixels, batch_norm) for width in widths[:-1])
        self.heads = nn.ModuleList([nn.Conv2d(base_channels, out_channels, kernel_size=1)])
        initialise(self, negative_slope=0)

    @property
    def smallest(self) -> int:
        """The least size: without padding, of which one bottleneck pixel and more is left."""
        return UNET2D_VALID_SMALLEST if self.margin else self.multiple

    def compute(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to logits (B, out, H - 2 margin, W - 2 margin).

        The sizes are multiples of 16 with padding, and 188 + n * 16 without it, so that every pooling halves evenly.
        """
        skips = []
        for block in list(self.encoder)[:-1]:
            skips.append(block(x))
            x = F.max_pool2d(skips[-1], kernel_size=2)
        x = self.encoder[-1](x)
        for up, block in zip(reversed(self.up), reversed(self.decoder), strict=True):
            x = up(x)
            x = block(torch.cat([_middle(skips.pop(), x), x], dim=1))
        return cast(Tensor, self.heads[0](x))


def _middle(skip: Tensor, like: Tensor) -> Tensor:
    """What of an encoder's maps lies over the decoder's."""
    rows, columns = ((have - want) // 2 for have, want in zip(skip.shape[2:], like.shape[2:], strict=True))
    return skip[:, :, rows : rows + like.shape[2], columns : columns + like.shape[3]]
