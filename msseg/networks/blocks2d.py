"""Layers that several 2D networks are built of."""

from typing import cast

from torch import Tensor, nn


class ConvNormRelu(nn.Sequential):
    """Convolution that keeps the size, batch norm, ReLU.

    The convolution has a bias, which the norm takes away again: the published parameter counts have it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UpNormRelu(nn.Sequential):
    """Deconvolution that doubles the size (2x2, stride 2), batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class ResidualBlock2d(nn.Module):
    """Three 3x3 convolutions with batch norm and ReLU; the block's input is added to their output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*(ConvNormRelu(channels, channels) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return cast(Tensor, x + self.convolutions(x))
