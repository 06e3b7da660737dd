"""Layers that several networks are built of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Axes = tuple[int, int, int]
"""A number for each axis of a volume."""
TWICE: Axes = (2, 2, 2)


class _ImageByImage(nn.modules.instancenorm._InstanceNorm):
    """Instance normalisation with learned scale and shift, without running statistics.

    The same function as PyTorch's with affine=True, which copies every input to the channels-first layout and answers
    in it. Over one sample, instance and batch normalisation are the same, and the batch kernel keeps either layout: a
    training step of the residual network takes two thirds of the time on a CPU. A single voxel, which is its own mean
    and which PyTorch refuses, becomes the shift.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, ...) to the same shape, each map of each sample on its own."""
        if torch.compiler.is_compiling():  # torch.export, too: a loop would fix the batch size in the graph
            return super().forward(x)
        if x.shape[0] == 1:
            return self._of_one(x)
        return torch.cat([self._of_one(sample) for sample in torch.split(x, 1)])

    def _of_one(self, sample: Tensor) -> Tensor:
        # F.batch_norm would do the same, but refuses a single voxel.
        cudnn = torch.backends.cudnn.enabled
        return torch.batch_norm(sample, self.weight, self.bias, None, None, True, 0.0, self.eps, cudnn)


class InstanceNorm3d(_ImageByImage, nn.InstanceNorm3d):
    """Instance normalisation of volumes (Isensee et al. 2017)."""


class InstanceNorm2d(_ImageByImage, nn.InstanceNorm2d):
    """Instance normalisation of slices."""


def normalised_by_image(network: nn.Module) -> None:
    """Put instance norms, with the same number of parameters, in the place of all batch norms of a 2D network.

    A batch norm that was trained on one patch at a time has learned to see each patch by its own mean and spread; the
    running averages that it would use at prediction are another function. On ISBI 2012 that was the difference between
    a V_rand of 0.2 and of 0.95 (docs/pipeline.md).
    """
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(network, name, InstanceNorm2d(child.num_features))
        else:
            normalised_by_image(child)


class UpsampleConv3d(nn.Conv3d):
    """Nearest-neighbour upsampling by 2, then a 3x3x3 convolution, without bias, as a norm follows.

    Computed as one transposed convolution with stride 2 and the kernel `upsampling_kernel(weight)`: the same
    sums with 8 products per output voxel in place of 27, and without the upsampled maps in memory. Axes may be left
    as they are (a stride of 1), and have a kernel of 1.
    """

    def __init__(self, in_channels: int, out_channels: int, strides: Axes = TWICE, kernel: Axes = (3, 3, 3)) -> None:
        super().__init__(in_channels, out_channels, kernel_size=kernel, padding=same(kernel), bias=False)
        self.strides = strides

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, X, Y, Z) to (B, out, 2X, 2Y, 2Z), or fewer voxels along axes with a stride of 1."""
        kernel = upsampling_kernel(self.weight, self.strides)
        padding = same((self.weight.shape[2], self.weight.shape[3], self.weight.shape[4]))
        return F.conv_transpose3d(x, kernel, stride=self.strides, padding=padding)


def upsampling_kernel(weight: Tensor, strides: Axes = TWICE) -> Tensor:
    """The transposed kernel (in, out, 4, 4, 4) that upsamples and convolves with `weight` (out, in, 3, 3, 3).

    On each axis that is upsampled an input voxel stands at two neighbouring places of the upsampled map, so each tap of
    the mirrored kernel acts at two neighbouring places of the transposed one, which is longer by one.
    """
    kernel = weight.flip((2, 3, 4))
    for axis, stride in zip((2, 3, 4), strides, strict=True):
        if stride == 2:
            empty = torch.zeros_like(kernel.narrow(axis, 0, 1))
            kernel = torch.cat([kernel, empty], axis) + torch.cat([empty, kernel], axis)
    return kernel.transpose(0, 1)


def same(kernel: Axes) -> Axes:
    """The padding with which a kernel of odd sizes keeps the size."""
    x, y, z = (length // 2 for length in kernel)
    return x, y, z


def conv3x3x3(
    in_channels: int,
    out_channels: int,
    strides: Axes = (1, 1, 1),
    bias: bool = False,
    kernel: Axes = (3, 3, 3),
) -> nn.Conv3d:
    """3x3x3 convolution that keeps the size (stride 1) or halves it (stride 2) along each axis, or another kernel."""
    return nn.Conv3d(in_channels, out_channels, kernel_size=kernel, stride=strides, padding=same(kernel), bias=bias)


def conv1x1x1(in_channels: int, out_channels: int) -> nn.Conv3d:
    """1x1x1 convolution with bias."""
    return nn.Conv3d(in_channels, out_channels, kernel_size=1)
