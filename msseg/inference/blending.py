"""Sliding windows in numpy, for engines other than PyTorch: what `windows` does with tensors.

Logits are added up in one buffer of the (padded) volume, in place. A volume that one window covers needs none. Windows
are computed one by one: engines are compiled for one shape, and what a window is answered hangs on nothing beside it.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np

from msseg.config.inference import InferenceConfig
from msseg.inference.engines.shapes import Shapes, mirrored
from msseg.inference.orientations import PLANE, Orientation, orientations
from msseg.inference.places import BACKGROUND_LOGIT, Place, Size, place_at
from msseg.inference.tiles import foreground_tiles, plan_tiles, reach
from msseg.inference.window_plan import WindowPlan, make_plan

GAUSSIAN_SIGMA = 0.125
"""Standard deviation of the blending weights, as a share of the window (as MONAI and nnU-Net)."""
SMALLEST_WEIGHT = 1e-3
"""Floor of the blending weights: the corner of a Gaussian would be 4e-11 and lose all digits (as MONAI)."""

Answer = Callable[[np.ndarray], np.ndarray]


class Windowed(Protocol):
    """A network that computes windows.

    Attributes:
        shapes: The sizes that it computes.
    """

    shapes: Shapes

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Map (B, C, X, Y, Z) to logits (B, 1, X, Y, Z)."""

    def centre(self, windows: np.ndarray) -> np.ndarray:
        """Map (B, C, X, Y, Z) to the logits of what has enough surroundings."""


def volume_logits(
    network: Windowed,
    data: np.ndarray,
    patch_size: Sequence[int],
    settings: InferenceConfig,
    largest: int | None = None,
) -> np.ndarray:
    """Logits (X, Y, Z), float32, of a volume (C, X, Y, Z) of any size; as `windows.predict_logits`.

    Args:
        network: Computes the windows.
        data: Channels, float32; what is 0 in every channel is background.
        patch_size: The training patch.
        settings: Windows, overlap, blending, mirrored and turned copies.
        largest: Voxels that a window of `fit` may have; None: any number.
    """
    plan = make_plan(data, patch_size, settings.window, settings.overlap, network.shapes.multiples, largest)
    if network.shapes.margin:
        answer = _averaged(network.centre, settings.mirror, settings.rotate)
        return _by_tiles(network.shapes, answer, data, plan.size)
    answer = _averaged(network, settings.mirror, settings.rotate)
    padded = _padded(data, plan)
    total = _blended(answer, padded, plan, settings.blending)
    return total[place_at(plan.offset, data.shape[1:])]


def _padded(data: np.ndarray, plan: WindowPlan) -> np.ndarray:
    if data.shape[1:] == plan.padded:
        return data
    padded = np.zeros((data.shape[0], *plan.padded), data.dtype)
    padded[(slice(None), *place_at(plan.offset, data.shape[1:]))] = data
    return padded


def _blended(
    answer: Answer, padded: np.ndarray, plan: WindowPlan, blending: Literal["gaussian", "constant"]
) -> np.ndarray:
    total = np.zeros(plan.padded, np.float32)
    if plan.places == (place_at((0, 0, 0), plan.padded),):
        total[:] = answer(padded[None])[0, 0]
        return total
    weights = blending_weights(plan.size, blending)
    covered = np.zeros_like(total)
    for place in plan.places:
        total[place] += answer(padded[(None, slice(None), *place)])[0, 0] * weights
        covered[place] += weights
    background = covered == 0
    np.divide(total, covered, out=total, where=~background)
    total[background] = BACKGROUND_LOGIT
    return total


def blending_weights(size: Sequence[int], blending: Literal["gaussian", "constant"]) -> np.ndarray:
    """Weight of each voxel of a window, shape `size`, float32, above 0: a Gaussian about the centre, or 1."""
    weights = np.ones(tuple(size), np.float32)
    if blending == "gaussian":
        for axis, length in enumerate(size):
            distance = np.arange(length, dtype=np.float32) - (length - 1) / 2
            profile = np.exp(-0.5 * (distance / np.float32(GAUSSIAN_SIGMA * length)) ** 2)
            weights *= profile.reshape([-1 if other == axis else 1 for other in range(len(size))])
        np.maximum(weights, SMALLEST_WEIGHT, out=weights)
    return weights


def _by_tiles(shapes: Shapes, answer: Answer, data: np.ndarray, size: Size) -> np.ndarray:
    """As `windows.predict_by_tiles`."""
    tiling = plan_tiles(shapes, data.shape[1:], size)
    padded = np.moveaxis(mirrored(np.moveaxis(data, 3, 0), shapes.margin, reach(tiling)), 0, 3)
    logits = np.full(data.shape[1:], BACKGROUND_LOGIT, np.float32)
    for place in foreground_tiles(padded, tiling):
        target = logits[_answered(place, tiling.answer)]
        target[:] = answer(padded[(None, slice(None), *place)])[0, 0, : target.shape[0], : target.shape[1]]
    return logits


def _answered(place: Place, answer: Size) -> Place:
    x, y, z = place
    return place_at((x.start, y.start, z.start), answer)


def _averaged(network: Answer, mirror: bool, rotate: bool) -> Answer:
    """The network, averaged over the copies of each window that are asked for."""
    return lambda windows: _average_over(network, windows, orientations(windows.shape, mirror, rotate))


def _average_over(network: Answer, windows: np.ndarray, copies: Sequence[Orientation]) -> np.ndarray:
    (_, *others) = copies
    logits = network(windows)
    for axes, turns in others:
        turned = np.rot90(np.flip(windows, axes), turns, PLANE)
        logits = logits + np.flip(np.rot90(network(turned), -turns, PLANE), axes)
    return logits / len(copies) if others else logits


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) in place; the exponent is bounded where float32 would overflow."""
    np.negative(logits, out=logits)
    np.minimum(logits, 88, out=logits)
    np.exp(logits, out=logits)
    logits += 1
    return np.reciprocal(logits, out=logits)
