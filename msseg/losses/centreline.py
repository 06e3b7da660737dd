"""The centreline Dice loss: thin structures must not break."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from msseg.losses.loss import Loss, over_batch


class CentrelineTerm(Loss):
    """1 - 2 T S / (T + S): T is the share of the prediction's skeleton in the truth, S that of the truth's in p.

    T = (sum(S_p y) + s) / (sum S_p + s) and S = (sum(S_y p) + s) / (sum S_y + s) with the soft skeletons S_p and
    S_y; the sums run over the whole batch, per channel, and the mean over the channels is taken. A gap in a thin
    structure costs as much as the piece of skeleton it removes, however thin the structure. What lies beside the
    skeletons costs nothing, so it is added to a region loss. Without foreground S is 1 and T is s / (s + sum S_p):
    false positives cost by their skeleton, and foreground everywhere, which has none, is the region loss's to punish.
    Source: Shit et al. 2021, "clDice - a novel topology-preserving loss function", algorithms 1 and 2.
    """

    def __init__(self, iterations: int, smoothing: float) -> None:
        """Take the erosions of a skeleton, at least half the structures' width in voxels, and s."""
        super().__init__()
        self.iterations, self.smoothing = iterations, smoothing

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """One minus the centreline Dice of the batch."""
        probability = torch.sigmoid(logits)
        precision = self._share(soft_skeleton(probability, self.iterations), target)
        sensitivity = self._share(soft_skeleton(target, self.iterations), probability)
        return (1 - 2 * precision * sensitivity / (precision + sensitivity)).mean()

    def _share(self, skeleton: Tensor, members: Tensor) -> Tensor:
        voxels = over_batch(members)
        return ((skeleton * members).sum(voxels) + self.smoothing) / (skeleton.sum(voxels) + self.smoothing)


def soft_skeleton(image: Tensor, iterations: int) -> Tensor:
    """The skeleton of grey values 0..1 in (B, C, ...): at every erosion, what an opening would remove."""
    eroded = _erode(image)
    skeleton = F.relu(image - _dilate(eroded))
    for _ in range(iterations):
        image, eroded = eroded, _erode(eroded)
        ridge = F.relu(image - _dilate(eroded))
        skeleton = skeleton + F.relu(ridge - skeleton * ridge)
    return skeleton


def _erode(image: Tensor) -> Tensor:
    """The smallest value among each voxel and its neighbours along the axes; an axis of one voxel changes nothing."""
    axes = [axis for axis in range(image.ndim - 2) if image.shape[axis + 2] > 1]
    eroded = image
    for axis in axes:
        kernel = [3 if other == axis else 1 for other in range(image.ndim - 2)]
        eroded = torch.minimum(eroded, -_highest(-image, kernel))
    return eroded


def _dilate(image: Tensor) -> Tensor:
    """The largest value in each voxel's cube of three."""
    return _highest(image, [3] * (image.ndim - 2))


def _highest(image: Tensor, kernel: list[int]) -> Tensor:
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[len(kernel)]
    return pool(image, kernel, stride=1, padding=[length // 2 for length in kernel])
