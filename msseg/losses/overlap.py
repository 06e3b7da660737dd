"""Overlap losses: one kernel, the Tversky index, with different weights.

MONAI's DiceLoss and TverskyLoss with batch=True and sigmoid=True give the same numbers (the tests compare them), but
importing them takes seconds, and these few lines serve the whole family.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from msseg.losses.loss import Loss, over_batch


def tversky_index(
    logits: Tensor, target: Tensor, false_positives: float, false_negatives: float, smoothing: float
) -> Tensor:
    """(TP + s) / (TP + a FP + b FN + s): a weighs false positives, b false negatives, s is the smoothing.

    TP, FP and FN are sums of probabilities over all voxels of the whole batch, per channel; the mean over the
    channels is returned. Logits and target are float32 and have the same shape (B, C, ...).
    Without foreground in the batch the index is s / (s + a FP): 1 where nothing is predicted, else below 1.
    Source: Salehi et al. 2017, "Tversky loss function for image segmentation"; a = b = 0.5 is the Dice index,
    a = b = 1 the Jaccard index (intersection over union).
    """
    probability = torch.sigmoid(logits)
    voxels = over_batch(target)
    hits = (probability * target).sum(voxels)
    wrong = false_positives * (probability.sum(voxels) - hits) + false_negatives * (target.sum(voxels) - hits)
    return ((hits + smoothing) / (hits + wrong + smoothing)).mean()


class DiceLoss(Loss):
    """1 - (2 sum(y p) + s) / (sum y + sum p + s), the sums over the whole batch."""

    def __init__(self, smoothing: float = 1.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """One minus the Dice index of the batch."""
        return 1 - tversky_index(logits, target, 0.5, 0.5, self.smoothing / 2)


class IouLoss(Loss):
    """1 - (sum(y p) + s) / (sum(y + p - y p) + s), the sums over the whole batch."""

    def __init__(self, smoothing: float = 1.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """One minus the Jaccard index of the batch."""
        return 1 - tversky_index(logits, target, 1, 1, self.smoothing)


class TverskyLoss(Loss):
    """1 - (TP + s) / (TP + a FP + b FN + s), the sums over the whole batch."""

    def __init__(self, alpha: float, beta: float, smoothing: float = 1.0) -> None:
        super().__init__()
        self.alpha, self.beta, self.smoothing = alpha, beta, smoothing

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """One minus the Tversky index of the batch."""
        return 1 - tversky_index(logits, target, self.alpha, self.beta, self.smoothing)
