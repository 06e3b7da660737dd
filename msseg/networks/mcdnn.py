"""MCDNN pixel classifier (Ciresan et al. 2012): several columns look at a pixel's surroundings, and are averaged."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from msseg.config.network import MCDNNColumnConfig
from msseg.networks.calibration import fit_monotone_cubic
from msseg.networks.mcdnn_column import MCDNNColumn
from msseg.networks.segmentation_network import initialise
from msseg.networks.slice_network import SliceNetwork

SMALLEST_PROBABILITY = 1e-6
"""Calibrated probabilities stay this far from 0 and 1, so that logits are finite."""


class MCDNN(SliceNetwork):
    """Multi-column deep neural network: every pixel is classified from the window around it.

    The columns' probabilities are averaged, and in evaluation mode calibrated by a monotone cubic polynomial, once
    `fit_calibration` has found it: the network tends to see classes as often as in its training samples. Each column
    ends in two maps and a softmax, foreground and background. With 48 maps, 200 neurons and one channel in, a column of
    window 95 has 219,290 parameters.

    In training mode the columns learn independently, as published: each sample goes through one column, drawn anew so
    that a batch spreads evenly over the columns, and uncalibrated.
    """

    multiple = 1
    coefficients: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 1,
        base_channels: int = 48,
        neurons: int = 200,
        columns: Sequence[MCDNNColumnConfig] = (MCDNNColumnConfig(),),
    ) -> None:
        """Make columns of `base_channels` maps in every convolution and `neurons` in the fully connected layer."""
        super().__init__()
        self.columns = nn.ModuleList(MCDNNColumn(in_channels, base_channels, neurons, column) for column in columns)
        self.heads = nn.ModuleList(nn.Conv2d(neurons, 2 * out_channels, kernel_size=1) for _ in columns)
        self.margin = max(column.field_of_view for column in columns) // 2
        self.register_buffer("coefficients", torch.tensor([0.0, 1.0, 0.0, 0.0]))
        initialise(self, negative_slope=0)

    @property
    def smallest(self) -> int:
        """One window."""
        return 2 * self.margin + 1

    def set_output_bias(self, logit: float) -> None:
        """Share `logit`, which is the difference of the two classes, between them."""
        with torch.no_grad():
            for head in self.heads:
                bias = cast(Tensor, head.bias).view(2, -1)
                bias[0], bias[1] = -logit / 2, logit / 2

    def compute(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), both at least one window, to logits (B, out, H - 2 margin, W - 2 margin)."""
        if self.training:
            return self._each_by_one_column(x)
        logits = torch.stack([self.column_logits(x, number) for number in range(len(self.columns))])
        # In bf16, a sigmoid above 0.5 has eight bits, and its logit fewer.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return self._calibrated(logits.sigmoid().mean(0)).logit()

    def column_logits(self, x: Tensor, number: int) -> Tensor:
        """Logits of one column, as `compute`: the difference of its two classes before the softmax."""
        column = self.columns[number]
        assert isinstance(column, MCDNNColumn)
        spare = self.margin - column.field // 2
        seen = x[:, :, spare : x.shape[2] - spare, spare : x.shape[3] - spare]
        background, foreground = self.heads[number](column.features(seen)).chunk(2, dim=1)
        return cast(Tensor, foreground - background)

    def fit_calibration(self, probability: Tensor, truth: Tensor) -> None:
        """Find the monotone cubic that turns this network's uncalibrated probabilities into shares of foreground.

        Args:
            probability: What the network answers in evaluation mode while its calibration is still the identity.
            truth: 0 or 1 (or bool), as many values.
        """
        flat = (values.detach().flatten().double().cpu().numpy() for values in (probability, truth))
        with torch.no_grad():
            self.coefficients.copy_(torch.from_numpy(fit_monotone_cubic(*flat)))

    def _calibrated(self, probability: Tensor) -> Tensor:
        constant, linear, square, cube = self.coefficients
        corrected = constant + probability * (linear + probability * (square + probability * cube))
        return corrected.clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)

    def _each_by_one_column(self, x: Tensor) -> Tensor:
        """Logits of a batch, each sample's by one column."""
        count, batch = len(self.columns), x.shape[0]
        drawn = torch.cat([torch.randperm(count) for _ in range(-(-batch // count))])[:batch]
        shares = [(drawn == number).nonzero()[:, 0].to(x.device) for number in range(count)]
        logits = [self.column_logits(x[share], number) for number, share in enumerate(shares) if len(share)]
        return torch.cat(logits)[torch.cat(shares).argsort()]
