"""Sliding windows: a network that learned on patches is applied to a volume of any size.

The windows keep the size of the training patches, because instance normalisation makes a network's answer
depend on what else is in its window. What overlaps is blended as logits, as in nnU-Net (Isensee et al. 2021);
a probability is the sigmoid of the blended logit. No MONAI here: its import takes longer than a small volume.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from msseg.inference.device import autocast
from msseg.inference.orientations import average_over, orientations
from msseg.inference.places import BACKGROUND_LOGIT, Place, Size, in_batches, place_at
from msseg.inference.tiles import predict_by_tiles
from msseg.networks.segmentation_network import SegmentationNetwork

ONE_PASS_TOLERANCE = 0.15
"""`window: auto`: how much larger than the patch the one window may be along an axis."""
GAUSSIAN_SIGMA = 0.125
"""Standard deviation of the blending weights, as a share of the window (as MONAI and nnU-Net)."""
SMALLEST_WEIGHT = 1e-3
"""Floor of the blending weights: the corner of a Gaussian would be 4e-11 and lose all digits (as MONAI)."""


def window_size(
    shape: Sequence[int],
    patch_size: Sequence[int],
    window: Literal["patch", "auto", "whole"],
    multiples: Sequence[int] = (1, 1, 1),
) -> Size:
    """The window for a volume.

    `patch` is the training patch's size. `whole` is one window over the whole volume. `auto` is that where it is at
    most 15 % larger than the patch along every axis; it is never smaller than the patch, and a multiple of what the
    network can halve: padding inside the network would count in its norms like tissue (33 voxels padded to 48 instead
    of windows of 32 took a trained network from DSC 0.76 to 0.31), so it counts here. Along an axis where the patch has
    one voxel every window has one: a stack is computed slice by slice.

    Args:
        shape: The volume.
        patch_size: The training patch.
        window: Which of the three.
        multiples: Along each axis the network computes sizes that are multiples of this, and pads others.
    """
    if window == "whole":
        x, y, z = (1 if patch == 1 else axis for axis, patch in zip(shape, patch_size, strict=True))
        return x, y, z
    whole = [
        patch if patch == 1 or axis <= patch else -(-axis // multiple) * multiple
        for axis, patch, multiple in zip(shape, patch_size, multiples, strict=True)
    ]
    fits = all(axis <= patch * (1 + ONE_PASS_TOLERANCE) for axis, patch in zip(whole, patch_size, strict=True))
    x, y, z = whole if window == "auto" and fits else patch_size
    return x, y, z


def plan_windows(shape: Sequence[int], size: Sequence[int], overlap: float) -> list[Size]:
    """First corners of the windows that cover a volume, in row-major order.

    Along each axis there are as many windows as a step of `int(size * (1 - overlap))` needs (MONAI's
    `dense_patch_slices`), spread evenly (nnU-Net); the first and the last are flush with the borders.

    Args:
        shape: The volume, at least `size` along each axis.
        size: The window.
        overlap: Smallest share of a window that the next one covers again, 0 <= overlap < 1.
    """
    return list(itertools.product(*map(_starts, shape, size, (overlap,) * len(shape))))  # type: ignore[arg-type]


def _starts(length: int, size: int, overlap: float) -> list[int]:
    if length < size:
        raise ValueError(f"a window of {size} does not fit into {length} voxels")
    steps = math.ceil((length - size) / max(int(size * (1 - overlap)), 1))
    return [round(step * (length - size) / steps) for step in range(steps + 1)] if steps else [0]


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


def _foreground_windows(data: Tensor, size: Sequence[int], overlap: float) -> Iterator[Place]:
    for corner in plan_windows(data.shape[1:], size, overlap):
        place = place_at(corner, size)
        if data[(slice(None), *place)].any():
            yield place
