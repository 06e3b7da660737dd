"""Cross entropy losses."""

import torch.nn.functional as F
from torch import Tensor, nn


class BceLoss(nn.Module):
    """Binary cross entropy of logits, averaged over all voxels of the batch."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Map logits and target (0..1 or bool) of the same shape (B, C, ...) to a float32 scalar."""
        return F.binary_cross_entropy_with_logits(logits.float(), target.float())
