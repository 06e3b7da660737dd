"""What a pixel classifier's window is turned into before it is seen: sharp in the middle, coarse at the sides.

Ciresan et al. 2012, section 2.2, give no formulas; what is filled in here is said at each transform.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FOVEA = 0.25
"""Share of the half window that stays sharp."""
LARGEST_RADIUS = 5
"""Radius in pixels of the disk that the window's sides are blurred with."""
FISHEYE_POWER = 3
"""How steeply the sampling widens towards the sides: in the middle, neighbouring neurons see neighbouring pixels."""


class Foveation(nn.Module):
    """Blur that grows away from the window's centre.

    A pixel's disk has radius 0 in the inner quarter of the half window and grows evenly from there to 5 pixels at the
    sides; between whole radii the two blurred windows are mixed. Beyond the window its border goes on.
    """

    kernels: Tensor
    shares: Tensor

    def __init__(self, window: int) -> None:
        """Take the window's size in pixels."""
        super().__init__()
        self.register_buffer("kernels", disks(LARGEST_RADIUS), persistent=False)
        self.register_buffer("shares", radius_shares(window, LARGEST_RADIUS), persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (N, C, W, W) to the same shape."""
        each = windows.flatten(0, 1)[:, None]
        side = LARGEST_RADIUS
        blurred = F.conv2d(F.pad(each, (side, side, side, side), mode="replicate"), self.kernels)
        return (blurred * self.shares).sum(1).view_as(windows)


class NonuniformSampling(nn.Module):
    """Fisheye: neurons in the middle see one pixel each, those at the sides are ever further apart.

    A neuron at a distance d from the centre, with a half window h over a half field f, sees the image at
    d + (f - h) (d / h)^3, along each axis, interpolated between pixels.
    """

    grid: Tensor

    def __init__(self, field: int, window: int) -> None:
        """Take the pixels of the image and the neurons that see them, along a side."""
        super().__init__()
        self.register_buffer("grid", fisheye_grid(field, window), persistent=False)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (N, C, field, field) to (N, C, window, window)."""
        grid = self.grid.to(windows.dtype).expand(windows.shape[0], -1, -1, -1)
        return F.grid_sample(windows, grid, align_corners=True)


def disks(largest: int) -> Tensor:
    """Averaging kernels (largest + 1, 1, K, K) over disks of radius 0, 1 ... largest."""
    offset = torch.arange(-largest, largest + 1, dtype=torch.float32)
    distance = torch.hypot(offset[:, None], offset[None])
    within = distance <= torch.arange(largest + 1)[:, None, None]
    return (within / within.sum((1, 2), keepdim=True))[:, None]


def radius_shares(window: int, largest: int) -> Tensor:
    """Share of each radius at each pixel, (largest + 1, window, window); they sum to 1."""
    offset = torch.linspace(-1, 1, window)
    distance = torch.hypot(offset[:, None], offset[None])
    radius = ((distance - FOVEA) / (1 - FOVEA)).clamp(0, 1) * largest
    return (1 - (radius - torch.arange(largest + 1)[:, None, None]).abs()).clamp(min=0)


def fisheye_grid(field: int, window: int) -> Tensor:
    """Where neurons see the image: (1, window, window, 2), column and row from -1 to 1."""
    half, around = (window - 1) / 2, (field - window) / 2
    offset = torch.arange(window) - half
    place = (offset + around * (offset / half) ** FISHEYE_POWER) / (half + around)
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    return torch.stack([columns, rows], dim=-1)[None]


def window_transform(name: str, field: int, window: int) -> nn.Module:
    """The transform of windows (N, C, field, field) to (N, C, window, window) that a configuration names."""
    steps: list[nn.Module] = []
    if "foveation" in name:
        steps.append(Foveation(field))
    if "nonuniform" in name:
        steps.append(NonuniformSampling(field, window))
    return cast(nn.Module, nn.Sequential(*steps))
