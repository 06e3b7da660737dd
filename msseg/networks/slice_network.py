"""What the 2D networks share: slices of a stack, any input size, mirrored borders, the memory layout."""

from typing import Any, Self

import torch
from torch import Tensor

from msseg.networks.segmentation_network import SegmentationNetwork


class SliceNetwork(SegmentationNetwork):
    """Base of the 2D networks: takes stacks slice by slice, mirrors the border to a size it can halve, crops back.

    A subclass sets `multiple` (a bottleneck pixel's size in input pixels), makes `heads`, and computes logits in
    `compute`. With a `margin`, `compute` answers for a size that is smaller by twice the margin.
    """

    def compute(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), sizes `fitting`, to logits (B, out, H - 2 margin, W - 2 margin)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), or (B, C, H, W, Z) slice by slice, to logits of the same size.

        In training mode a network with a `margin` answers as `centre` does.
        """
        return self.centre(x) if self.training else self._by_slices(x, surroundings=self.margin)

    def centre(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) or (B, C, H, W, Z) to the logits of its centre, smaller by `margin` on each side.

        A size that is not `fitting` is mirrored at its far end, which the last logits then see as their surroundings.
        """
        return self._by_slices(x, surroundings=0)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As for any module; the layout of volumes whose channels come last means that of slices."""
        if kwargs.get("memory_format") is torch.channels_last_3d:
            kwargs["memory_format"] = torch.channels_last
        return super().to(*args, **kwargs)

    def _by_slices(self, x: Tensor, surroundings: int) -> Tensor:
        if x.ndim == 4:
            return self._padded(x, surroundings)
        if x.shape[4] == 1:
            return self._padded(x[..., 0], surroundings)[..., None]
        slices = self._padded(x.movedim(4, 1).flatten(0, 1), surroundings)
        return slices.unflatten(0, (x.shape[0], x.shape[4])).movedim(1, 4)

    def _padded(self, x: Tensor, surroundings: int) -> Tensor:
        """Logits of slices (B, C, H, W) with so many mirrored pixels around them, but for the margin."""
        height, width = (length + 2 * (surroundings - self.margin) for length in x.shape[2:])
        inner = self._inner([length + 2 * surroundings for length in x.shape[2:]])
        # Padded at the far end alone: what is pooled with what, and so a logit, hangs on the image's own corner.
        padded = mirrored(x, surroundings, inner)
        # Convolutions in 2D on a CPU take half as long with channels last, and tensor cores want it so, too.
        return self.compute(padded.contiguous(memory_format=torch.channels_last))[:, :, :height, :width]

    def _inner(self, size: list[int]) -> list[int]:
        """The next `fitting` size; twice it where the bottleneck would be one pixel, which has no variance."""
        inner = [self.fitting(length) for length in size]
        if self.margin == 0 and inner[0] * inner[1] == self.multiple**2 > 1:
            return [2 * self.multiple, 2 * self.multiple]
        return inner


def mirrored(x: Tensor, before: int, size: list[int]) -> Tensor:
    """Continue slices (B, C, H, W) by reflection, as often as it takes: `before` pixels on the near sides, the rest of
    `size` on the far ones.

    Source: Ronneberger et al. 2015, section 2: zeros would be an edge that is not in the image.
    """
    for axis, length in zip((2, 3), size, strict=True):
        if (have := x.shape[axis]) != length:
            place = torch.arange(-before, length - before, device=x.device).remainder(max(2 * have - 2, 1))
            x = x.index_select(axis, torch.minimum(place, 2 * have - 2 - place) if have > 1 else place)
    return x
