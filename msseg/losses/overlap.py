"""Overlap losses: one kernel, the Tversky index, with different weights.

MONAI's DiceLoss(batch=True, sigmoid=True) gives the same numbers (the tests compare them), but importing it
takes seconds, and these few lines serve the whole family.
"""

import torch
from torch import Tensor, nn


def tversky_index(
    logits: Tensor, target: Tensor, false_positives: float, false_negatives: float, smoothing: float
) -> Tensor:
    """(TP + s) / (TP + a FP + b FN + s): a weighs false positives, b false negatives, s is the smoothing.

    TP, FP and FN are sums of probabilities over all voxels of the whole batch, per channel; the mean over the
    channels is returned. Logits and target (0..1 or bool) have the same shape (B, C, ...); ValueError where
    they do not, because they would be broadcast. Computed in float32, also under autocast.
    Without foreground in the batch the index is s / (s + a FP): 1 where nothing is predicted, else below 1.
    Source: Salehi et al. 2017, "Tversky loss function for image segmentation"; a = b = 0.5 is the Dice index.
    """
    if logits.shape != target.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} differ in shape")
    probability = torch.sigmoid(logits.float())
    truth = target.float()
    voxels = [0, *range(2, logits.ndim)]
    hits = (probability * truth).sum(voxels)
    wrong = false_positives * (probability.sum(voxels) - hits) + false_negatives * (truth.sum(voxels) - hits)
    return ((hits + smoothing) / (hits + wrong + smoothing)).mean()


class DiceLoss(nn.Module):
    """1 - (2 sum(y p) + s) / (sum y + sum p + s), the sums over the whole batch."""

    def __init__(self, smoothing: float = 1.0) -> None:
        super().__init__()
        self.smoothing = smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Map logits and target (0..1 or bool) of the same shape (B, C, ...) to a float32 scalar."""
        return 1 - tversky_index(logits, target, 0.5, 0.5, self.smoothing / 2)
