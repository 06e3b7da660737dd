"""Losses made of other losses."""

from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn


class SumLoss(nn.Module):
    """Sum of several losses."""

    def __init__(self, *terms: nn.Module) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Map logits and target of the same shape (B, C, ...) to a float32 scalar."""
        values: list[Tensor] = [term(logits, target) for term in self.terms]
        return sum(values[1:], start=values[0])


class DeepSupervisionLoss(nn.Module):
    """Weighted mean of a loss over logits at full, 1/2, 1/4 ... size, with the weights 1, 1/2, 1/4 ...

    The target of a smaller size is the maximum over its voxels: a lesion of one voxel is still there at 1/4.
    A single tensor of logits costs just the loss.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
        """Map logits (B, C, ...), or a list of them from fine to coarse, and the full target to a scalar."""
        levels = [logits] if isinstance(logits, Tensor) else logits
        weights = [2.0**-level for level in range(len(levels))]
        total = self.loss(levels[0], target)
        for weight, coarse in zip(weights[1:], levels[1:], strict=True):
            target = shrink(target, coarse)
            total = total + weight * self.loss(coarse, target)
        return cast(Tensor, total / sum(weights))


def shrink(target: Tensor, like: Tensor) -> Tensor:
    """Halve (rounding up) the axes of `target` that are longer than those of `like`, by the maximum."""
    steps = [2 if have > want else 1 for have, want in zip(target.shape[2:], like.shape[2:], strict=True)]
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[len(steps)]
    return pool(target.float(), steps, ceil_mode=True)
