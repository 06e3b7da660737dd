"""Sliding windows: a network that learned on patches is applied to a volume of any size.

The windows keep the size of the training patches, because instance normalisation makes a network's answer
depend on what else is in its window. What overlaps is blended as logits, as in nnU-Net (Isensee et al. 2021);
a probability is the sigmoid of the blended logit. No MONAI here: its import takes longer than a small volume.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from msseg.inference.blending import GAUSSIAN_SIGMA, SMALLEST_WEIGHT
from msseg.inference.device import autocast
from msseg.inference.orientations import PLANE, Orientation, orientations
from msseg.inference.places import BACKGROUND_LOGIT, Place, in_batches, place_at
from msseg.inference.tiles import foreground_tiles, plan_tiles, reach
from msseg.inference.window_plan import plan_windows, window_size
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.networks.slice_network import mirrored

__all__ = [
    "blending_weights",
    "plan_windows",
    "predict_by_tiles",
    "predict_logits",
    "predict_windows",
    "window_size",
]


def blending_weights(size: Sequence[int], blending: Literal["gaussian", "constant"]) -> Tensor:
    """Weight of each voxel of a window, shape `size`, float32, above 0: a Gaussian about the centre, or 1."""
    weights = torch.ones(tuple(size))
    if blending == "gaussian":
        for axis, length in enumerate(size):
            distance = torch.arange(length) - (length - 1) / 2
            profile = torch.exp(-0.5 * (distance / (GAUSSIAN_SIGMA * length)) ** 2)
            weights *= profile.reshape([-1 if other == axis else 1 for other in range(len(size))])
        weights.clamp_(min=SMALLEST_WEIGHT)
    return weights


@torch.inference_mode()
def predict_logits(
    network: Callable[[Tensor], Tensor],
    data: Tensor,
    size: Sequence[int],
    overlap: float = 0.5,
    blending: Literal["gaussian", "constant"] = "gaussian",
    *,
    batch: int = 1,
    mirror: bool = False,
    rotate: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Blended logits of a volume.

    Windows whose every voxel is 0 in every channel are background and skipped; voxels that only such windows
    cover get `BACKGROUND_LOGIT`. A volume smaller than the window is padded with 0 on both sides, and the
    result cropped back. A window of (H, W, 1) goes through a volume slice by slice, for networks in 2D.

    A network with a `margin` is applied by tiles that give what one pass over the whole slice would: the window is the
    tile with its surroundings, and overlap and blending have no meaning for it.

    Args:
        network: Maps (B, C, *size) to logits (B, 1, *size); on `device`, in evaluation mode.
        data: Channels, shape (C, X, Y, Z), float32.
        size: The window.
        overlap: Share of a window that the next one covers again.
        blending: Weight of a voxel by its place in the window.
        batch: Windows that the network is given at once.
        mirror: Average over the copies mirrored along every combination of axes.
        rotate: Average over the quarter turns in the plane of the first two axes, so that the network gets windows of
            (Y, X, Z), too; with `mirror`, over all orientations, which are eight of a slice.
        device: Where to compute.
        dtype: Arithmetic of the network (autocast); blending is in float32.

    Returns:
        Shape (X, Y, Z), float32, on `device`; an inference tensor (no gradient, not to be changed in place).
    """
    device = torch.device(device)
    if isinstance(network, SegmentationNetwork) and network.margin:
        centres = _averaged(network.centre, mirror, rotate)
        return predict_by_tiles(network, centres, data, size, batch=batch, device=device, dtype=dtype)
    answer = _averaged(network, mirror, rotate)
    margins = [max(window - axis, 0) for window, axis in zip(size, data.shape[1:], strict=True)]
    padding = [side for margin in reversed(margins) for side in (margin // 2, margin - margin // 2)]
    padded = functional.pad(data, padding) if any(padding) else data
    weights = blending_weights(size, blending).to(device)
    total = torch.zeros(padded.shape[1:], device=device)
    covered = torch.zeros_like(total)
    for places in in_batches(_foreground_windows(padded, size, overlap), batch):
        windows = torch.stack([padded[(slice(None), *place)] for place in places]).to(device)
        with autocast(device, dtype):
            logits = answer(windows)
        for place, window in zip(places, logits[:, 0], strict=True):
            total[place].addcmul_(window.float(), weights)
            covered[place] += weights
    total.div_(covered).masked_fill_(covered == 0, BACKGROUND_LOGIT)
    crop = (slice(margin // 2, margin // 2 + axis) for margin, axis in zip(margins, data.shape[1:], strict=True))
    return total[tuple(crop)]


def predict_by_tiles(
    network: SegmentationNetwork,
    answer: Callable[[Tensor], Tensor],
    data: Tensor,
    size: Sequence[int],
    *,
    batch: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Logits (X, Y, Z) float32 of a volume (C, X, Y, Z), by tiles of about `size`.

    Args:
        network: Says what sizes it computes.
        answer: Maps tiles (B, C, *tile) to the logits of their centres (B, 1, ...); the network's `centre`.
        data: The volume.
        size: The tile, surroundings included.
        batch: Tiles that the network is given at once.
        device: Where to compute.
        dtype: Arithmetic of the network (autocast).
    """
    tiling = plan_tiles(network, data.shape[1:], size)
    padded = mirrored(data.movedim(3, 0), network.margin, reach(tiling)).movedim(0, 3)
    logits = torch.full(data.shape[1:], BACKGROUND_LOGIT, device=device)
    for places in in_batches(foreground_tiles(padded, tiling), batch):
        tiles = torch.stack([padded[(slice(None), *place)] for place in places]).to(device)
        with autocast(device, dtype):
            answers = answer(tiles)[:, 0].float()
        for (x, y, z), one in zip(places, answers, strict=True):
            target = logits[place_at((x.start, y.start, z.start), tiling.answer)]
            target.copy_(one[: target.shape[0], : target.shape[1]])
    return logits


def predict_windows(
    network: Callable[[Tensor], Tensor],
    data: Tensor,
    size: Sequence[int],
    overlap: float = 0.5,
    blending: Literal["gaussian", "constant"] = "gaussian",
    *,
    batch: int = 1,
    mirror: bool = False,
    rotate: bool = False,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Foreground probability of a volume, shape (X, Y, Z), float32: the sigmoid of `predict_logits`."""
    logits = predict_logits(
        network, data, size, overlap, blending, batch=batch, mirror=mirror, rotate=rotate, device=device, dtype=dtype
    )
    with torch.inference_mode():
        return logits.sigmoid_()


def _averaged(network: Callable[[Tensor], Tensor], mirror: bool, rotate: bool) -> Callable[[Tensor], Tensor]:
    """The network, averaged over the copies of each window that are asked for."""
    return lambda windows: average_over(network, windows, orientations(windows.shape, mirror, rotate))


def average_over(network: Callable[[Tensor], Tensor], windows: Tensor, copies: Sequence[Orientation]) -> Tensor:
    """Mean of a network's logits over the copies, each brought back to the window's own orientation."""
    (_, *others) = copies
    logits = network(windows)
    for axes, turns in others:
        turned = torch.rot90(windows.flip(axes), turns, PLANE)
        logits = logits.float() + torch.rot90(network(turned), -turns, PLANE).flip(axes)
    return logits / len(copies) if others else logits


def _foreground_windows(data: Tensor, size: Sequence[int], overlap: float) -> Iterator[Place]:
    for corner in plan_windows(data.shape[1:], size, overlap):
        place = place_at(corner, size)
        if data[(slice(None), *place)].any():
            yield place
