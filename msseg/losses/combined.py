"""Losses made of other losses."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from msseg.losses.loss import Loss


class SumLoss(Loss):
    """Weighted sum of several losses."""

    def __init__(self, *terms: Loss, weights: Sequence[float] | None = None) -> None:
        """Take the losses, and a weight for each; without weights, each has 1."""
        super().__init__()
        self.terms = nn.ModuleList(terms)
        self.weights = tuple(weights) if weights is not None else (1.0,) * len(terms)
        self.maps = tuple(dict.fromkeys(name for term in terms for name in term.maps))

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum."""
        values: list[Tensor] = [
            weight * term(logits, target, maps) for weight, term in zip(self.weights, self.terms, strict=True)
        ]
        return sum(values[1:], start=values[0])


class BackgroundLoss(Loss):
    """A loss with the classes swapped: what it says of the foreground holds for the background.

    Only for losses without maps, which know the classes as they are.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The loss of the background; -z are the logits of 1 - p."""
        return cast(Tensor, self.loss(-logits, 1 - target))


class DeepSupervisionLoss(nn.Module):
    """Weighted mean of a loss over logits at full, 1/2, 1/4 ... size, with the weights 1, 1/2, 1/4 ...

    The target of a smaller size is the maximum over its voxels: a lesion of one voxel is still there at 1/4. Maps
    of a smaller size are the mean, and keep their units. A single tensor of logits costs just the loss.

    Attributes:
        maps: Names of the maps of the truth that the loss needs.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss
        self.maps = loss.maps

    def forward(
        self, logits: Tensor | Sequence[Tensor], target: Tensor, maps: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Map a prediction and the truth to a float32 scalar.

        Args:
            logits: Shape (B, C, ...), or a list of them from fine to coarse.
            target: The truth at full size, 0..1 or bool.
            maps: Maps of the truth by name at full size, (B, 1, ...); needed are those named in `self.maps`.
        """
        levels = [logits] if isinstance(logits, Tensor) else logits
        weights = [2.0**-level for level in range(len(levels))]
        needed = {name: values for name, values in (maps or {}).items() if name in self.maps}
        total = self.loss(levels[0], target, needed)
        for weight, coarse in zip(weights[1:], levels[1:], strict=True):
            target = shrink(target, coarse)
            needed = {name: shrink_map(values, coarse) for name, values in needed.items()}
            total = total + weight * self.loss(coarse, target, needed)
        return cast(Tensor, total / sum(weights))


def shrink(target: Tensor, like: Tensor) -> Tensor:
    """Halve (rounding up) the axes of `target` that are longer than those of `like`, by the maximum."""
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[target.ndim - 2]
    return pool(target.float(), _steps(target, like), ceil_mode=True)


def shrink_map(values: Tensor, like: Tensor) -> Tensor:
    """Halve (rounding up) the axes of `values` that are longer than those of `like`, by the mean."""
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[values.ndim - 2]
    return pool(values.float(), _steps(values, like), ceil_mode=True)


def _steps(values: Tensor, like: Tensor) -> list[int]:
    return [2 if have > want else 1 for have, want in zip(values.shape[2:], like.shape[2:], strict=True)]
