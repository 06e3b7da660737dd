"""What all losses have in common: what goes in, what is checked, and the arithmetic."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Loss(nn.Module):
    """A loss: logits and truth of the same shape in, one number out, computed in float32 under autocast as well.

    Subclasses give `cost`.

    Attributes:
        maps: Names of the maps of the truth that the loss needs (those of `msseg.volumes.maps`).
    """

    maps: tuple[str, ...] = ()

    def forward(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        """Map a prediction and the truth to a float32 scalar.

        Args:
            logits: Shape (B, C, ...), with any number of axes in space.
            target: The truth, 0..1 or bool, of the same shape.
            maps: Maps of the truth by name, each of shape (B, 1, ...) or (B, C, ...).

        Raises:
            ValueError: The shapes differ, so that they would be broadcast, or a map that is needed is not there.
        """
        if logits.shape != target.shape:
            raise ValueError(f"logits {tuple(logits.shape)} and target {tuple(target.shape)} differ in shape")
        return self.cost(logits.float(), target.float(), self._needed(maps or {}, logits.shape))

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The loss of float32 logits and truth of the same shape; `maps` holds what the loss needs."""
        raise NotImplementedError

    def _needed(self, maps: Mapping[str, Tensor], shape: torch.Size) -> dict[str, Tensor]:
        for name in self.maps:
            if name not in maps:
                raise ValueError(f"{type(self).__name__} needs the map {name} of the truth, which was not given")
            given = tuple(maps[name].shape)
            if given not in (tuple(shape), (shape[0], 1, *shape[2:])):
                raise ValueError(f"the map {name} has the shape {given}, the logits have {tuple(shape)}")
        return {name: maps[name].float() for name in self.maps}


def over_batch(values: Tensor) -> list[int]:
    """The axes of (B, C, ...) over which sums run that are taken over the batch: all but the channels."""
    return [0, *range(2, values.ndim)]
