"""Cross entropy losses: means over all voxels of the batch, weighted by class or by how wrong a voxel is.

None divides by the sum of the weights or by the size of a class, so patches without foreground are like any others: a
perfect prediction costs 0 there, and each false positive the same as elsewhere.
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from msseg.losses.loss import Loss, over_batch


def voxel_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of each voxel, - y log p - (1 - y) log(1 - p)."""
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def balance(target: Tensor, least: float) -> Tensor:
    """The weight of each voxel: the share of the other class in the batch, at least `least`.

    Shares are counted per channel over the whole batch (of one device). Both classes then weigh the same in all (Xie
    and Tu 2015, "Holistically-nested edge detection", eq. 2). Without `least` a batch of nothing but background
    would have weights of 0, and false positives would be free.
    """
    share = target.mean(over_batch(target), keepdim=True)
    return target * (1 - share).clamp(min=least) + (1 - target) * share.clamp(min=least)


class BceLoss(Loss):
    """Binary cross entropy of logits, averaged over all voxels of the batch."""

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels."""
        return F.binary_cross_entropy_with_logits(logits, target)


class WeightedBceLoss(Loss):
    """Binary cross entropy with a weight per class, averaged over all voxels of the batch."""

    def __init__(self, foreground: float, background: float) -> None:
        super().__init__()
        self.foreground, self.background = foreground, background

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels; it is not divided by the weights' sum."""
        weight = self.foreground * target + self.background * (1 - target)
        return (weight * voxel_entropy(logits, target)).mean()


class BalancedBceLoss(Loss):
    """Binary cross entropy, each class weighted by the share of the other in the batch, averaged over all voxels."""

    def __init__(self, least: float) -> None:
        """Take the smallest weight that a class can have; see `balance`."""
        super().__init__()
        self.least = least

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels; it is not divided by the weights' sum."""
        return (balance(target, self.least) * voxel_entropy(logits, target)).mean()


class FocalLoss(Loss):
    """- a_t (1 - p_t)^g log p_t, averaged over all voxels of the batch (Lin et al. 2017, "Focal loss").

    p_t is the probability given to the true class; a_t is a for foreground and 1 - a for background.
    """

    def __init__(self, gamma: float, alpha: float) -> None:
        super().__init__()
        self.gamma, self.alpha = gamma, alpha

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels. Powers are taken of logarithms: 0^(g - 1) in the gradient would be infinite."""
        foreground = (self.gamma * F.logsigmoid(-logits)).exp() * F.softplus(-logits)
        background = (self.gamma * F.logsigmoid(logits)).exp() * F.softplus(logits)
        return (self.alpha * target * foreground + (1 - self.alpha) * (1 - target) * background).mean()
