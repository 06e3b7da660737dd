"""Squared errors of the probability."""

from collections.abc import Mapping

import torch
from torch import Tensor

from msseg.losses.loss import Loss, over_batch


class MseLoss(Loss):
    """(p - y)^2, averaged over all voxels of the batch: the loss that the SF Network was published with."""

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels."""
        return (torch.sigmoid(logits) - target).square().mean()


class SensitivitySpecificityLoss(Loss):
    """r sum((y - p)^2 y) / sum y + (1 - r) sum((y - p)^2 (1 - y)) / sum(1 - y), r weighing the sensitivity.

    The sums run over the whole batch, per channel; the mean over the channels is taken. A batch without foreground
    has the second term alone: false positives cost there what they cost elsewhere.
    Source: Brosch et al. 2015, "Deep convolutional encoder networks for multiple sclerosis lesion segmentation".
    """

    def __init__(self, sensitivity: float) -> None:
        """Take the weight r of the errors on the foreground."""
        super().__init__()
        self.sensitivity = sensitivity

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of both classes' mean squared errors."""
        error = (torch.sigmoid(logits) - target).square()
        missed, extra = _mean_where(target, error), _mean_where(1 - target, error)
        return (self.sensitivity * missed + (1 - self.sensitivity) * extra).mean()


def _mean_where(members: Tensor, values: Tensor) -> Tensor:
    """Mean over the members in the batch, per channel; 0 without any."""
    voxels = over_batch(values)
    return (members * values).sum(voxels) / members.sum(voxels).clamp(min=1)
