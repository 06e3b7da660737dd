"""One column of the MCDNN: a classifier of a window's centre pixel, and its dense computation over whole images."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.config.network import MCDNNColumnConfig
from msseg.networks.window_transforms import window_transform

KERNELS = (4, 5, 4, 4)
"""Sizes of the convolutions' kernels; 2x2 max pooling follows each."""
WINDOWS_AT_ONCE = 256
"""Windows in a batch: enough to keep a processor busy, and 400 MB of maps."""


class MCDNNColumn(nn.Module):
    """Four times convolution and 2x2 max pooling with ReLU, then a fully connected layer with ReLU.

    The output layer is the network's. For a window of 95 the maps measure 92, 46, 42, 21, 18, 9, 6 and 3, as in Ciresan
    et al. 2012, table 1.

    Neighbouring windows share almost all of what is computed, so `features` computes a whole image at once: where a
    window's pooling would keep every second place, all places are kept, and the layers above reach over twice the
    distance (dilated convolution and pooling). Each pixel gets exactly what its own window would give.

    That needs windows that are pieces of the image. Behind foveation or non-uniform sampling they are not: what a pixel
    looks like hangs on where it lies in the window, so two windows have no map in common, from the first layer on.
    Such columns classify every pixel's window by itself, many at once; count on several hundred times the time.
    """

    def __init__(self, in_channels: int, maps: int, neurons: int, config: MCDNNColumnConfig) -> None:
        """Make a column with `maps` in each convolution and `neurons` in the fully connected layer."""
        super().__init__()
        self.field = config.field_of_view
        self.transform = window_transform(config.transform, self.field, config.window)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(maps if level else in_channels, maps, kernel) for level, kernel in enumerate(KERNELS)
        )
        self.connected = nn.Conv2d(maps, neurons, kernel_size=last_map(config.window))

    @property
    def is_dense(self) -> bool:
        """Whether windows are pieces of the image, so that they can share what is computed."""
        return len(cast(nn.Sequential, self.transform)) == 0

    def features(self, image: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, neurons, H - field + 1, W - field + 1): one vector for each window."""
        return self._dense(image) if self.is_dense else self._window_by_window(image)

    def classify(self, windows: Tensor) -> Tensor:
        """Map windows (N, C, field, field) to (N, neurons, 1, 1)."""
        x = self.transform(windows)
        for convolution in self.convolutions:
            x = F.relu(F.max_pool2d(convolution(x), kernel_size=2))
        return F.relu(self.connected(x))

    def _dense(self, image: Tensor) -> Tensor:
        x, step = image, 1
        for convolution in self.convolutions:
            x = _convolve(x, convolution, step)
            x = torch.maximum(x[:, :, :-step], x[:, :, step:])
            x = F.relu(torch.maximum(x[..., :-step], x[..., step:]))
            step *= 2
        # Pooling leaves out the last row of maps of odd size; there, image is left for windows that do not fit into it.
        rows, columns = (length - self.field + 1 for length in image.shape[2:])
        return F.relu(_convolve(x, self.connected, step)[:, :, :rows, :columns])

    def _window_by_window(self, image: Tensor) -> Tensor:
        batch, _, height, width = image.shape
        rows, columns = height - self.field + 1, width - self.field + 1
        views = image.unfold(2, self.field, 1).unfold(3, self.field, 1)  # (B, C, rows, columns, field, field)
        together = max(WINDOWS_AT_ONCE // columns, 1)
        answers = []
        for start in range(0, rows, together):
            windows = views[:, :, start : start + together].permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
            # A row of a large image is more than one batch, too.
            parts = [self.classify(part) for part in windows.split(WINDOWS_AT_ONCE)]
            answers.append(torch.cat(parts).view(batch, -1, columns, parts[0].shape[1]))
        return torch.cat(answers, dim=1).movedim(3, 1)


def _convolve(x: Tensor, layer: nn.Module, step: int) -> Tensor:
    assert isinstance(layer, nn.Conv2d)
    return F.conv2d(x, layer.weight, layer.bias, dilation=step)


def last_map(window: int) -> int:
    """Side of the maps behind the last pooling of a window."""
    for kernel in KERNELS:
        window = (window - kernel + 1) // 2
    return window
