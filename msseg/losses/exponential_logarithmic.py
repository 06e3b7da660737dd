"""The exponential logarithmic loss."""

from collections.abc import Mapping

import torch
from torch import Tensor

from msseg.losses.cross_entropy import voxel_entropy
from msseg.losses.loss import Loss, over_batch
from msseg.losses.overlap import tversky_index

_STEEP = 1e-6
"""Where x^g begins to rise too steeply for a gradient; Dice indices in float32 are no finer than this."""


class ExponentialLogarithmicLoss(Loss):
    """w_D (-log Dice)^g_D + w_C mean(w (-log p_t)^g_C), with the class weight w = sqrt(voxels / voxels of the class).

    Dice is that of the foreground, smoothed, over the whole batch; the second mean is over all voxels of the batch,
    in which the classes are counted too (the paper counts them in the training set). A batch without foreground has
    w = 1 for its background, and the Dice index s / (s + sum p).
    Source: Wong et al. 2018, "3D segmentation with exponential logarithmic loss for highly unbalanced object sizes".
    Below 1e-6 the powers go to 0 in a straight line, because with g < 1 their slope has no bound.
    """

    def __init__(
        self, gamma_dice: float, gamma_cross: float, weight_dice: float, weight_cross: float, smoothing: float
    ) -> None:
        super().__init__()
        self.gamma_dice, self.gamma_cross = gamma_dice, gamma_cross
        self.weight_dice, self.weight_cross = weight_dice, weight_cross
        self.smoothing = smoothing

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of both terms."""
        dice = tversky_index(logits, target, 0.5, 0.5, self.smoothing / 2)
        overlap = _power(-torch.log(dice), self.gamma_dice)
        entropy = _power(voxel_entropy(logits, target), self.gamma_cross)
        return self.weight_dice * overlap + self.weight_cross * (_rarity(target) * entropy).mean()


def _rarity(target: Tensor) -> Tensor:
    """The weight of each voxel: the root of one by its class's share in the batch, per channel."""
    share = target.mean(over_batch(target), keepdim=True)
    least = 1 / (target.numel() / target.shape[1])  # one voxel: an absent class divides by nothing
    return target * share.clamp(min=least).rsqrt() + (1 - target) * (1 - share).clamp(min=least).rsqrt()


def _power(base: Tensor, exponent: float) -> Tensor:
    """base^exponent from 1e-6 on, below it the chord to 0, so that the gradient stays finite."""
    return base.clamp(min=_STEEP) ** exponent * (base / _STEEP).clamp(max=1)
