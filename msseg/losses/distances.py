"""Losses that weigh voxels by distances: to the truth's border, to the two nearest cells, to the prediction's border.

Maps of the truth are made once per case from the whole case, so a border beyond the patch is known too. Like the cross
entropies, these are means over all voxels of the batch and never divided by the size of a class. The boundary and
Hausdorff terms, which have zero weight or a patch of one class as their trap, say how they avoid it.
"""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from msseg.losses.cross_entropy import balance, voxel_entropy
from msseg.losses.loss import Loss


class DistancePenalisedBceLoss(Loss):
    """Cross entropy weighted by 1 + k max(0, 1 - d / reach), d the distance to the truth's border.

    Voxels at the border weigh most, those beyond the reach 1, so that a false positive always costs something.
    Source: Caliva et al. 2019, "Distance map loss penalty term for semantic segmentation": (1 + M - d) with M the
    largest distance in the image; the reach stands for M here, so the weights do not depend on the image's size.
    """

    maps = ("signed_distance",)

    def __init__(self, strength: float, reach: float) -> None:
        """Take k, and the reach in the units of the spacing."""
        super().__init__()
        self.strength, self.reach = strength, reach

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels; it is not divided by the weights' sum."""
        nearness = (1 - maps["signed_distance"].abs() / self.reach).clamp(min=0)
        return ((1 + self.strength * nearness) * voxel_entropy(logits, target)).mean()


class BorderWeightedBceLoss(Loss):
    """Cross entropy weighted by w_c + w0 exp(-(d1 + d2)^2 / (2 s^2)): narrow gaps between cells weigh most.

    d1 and d2 are the distances to the two nearest cells (0 within a cell). w_c balances the classes: twice the share
    of the other class in the batch, which is 1 for both where there is as much of each, and at least `2 least`.
    Source: Ronneberger et al. 2015, "U-Net", eq. 2 (which leaves w_c open).
    """

    maps = ("two_cell_distance",)

    def __init__(self, w0: float, sigma: float, least: float) -> None:
        """Take w0, s in the units of the spacing, and the smallest share; see `balance`."""
        super().__init__()
        self.w0, self.sigma, self.least = w0, sigma, least

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels; it is not divided by the weights' sum."""
        gap = maps["two_cell_distance"] / self.sigma
        weight = 2 * balance(target, self.least) + self.w0 * (-0.5 * gap.square()).exp()
        return (weight * voxel_entropy(logits, target)).mean()


class BoundaryTerm(Loss):
    """|p - y| times the distance to the truth's border in reaches, at most 1; the mean over all voxels of the batch.

    This is the mean of p times the signed distance (negative inside) but for a constant that depends on the truth
    alone, -mean(y times it): a perfect prediction costs 0, with the same gradient. It says little about voxels at
    the border, so it is added to a region loss. In a case without foreground the distance is the reach everywhere.
    Source: Kervadec et al. 2019, "Boundary loss for highly unbalanced segmentation".
    """

    maps = ("signed_distance",)

    def __init__(self, reach: float) -> None:
        """Take the distance, in the units of the spacing, from which on a voxel weighs 1."""
        super().__init__()
        self.reach = reach

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels."""
        distance = (maps["signed_distance"].abs() / self.reach).clamp(max=1)
        return (distance * (torch.sigmoid(logits) - target).abs()).mean()


class HausdorffLoss(Loss):
    """(p - y)^2 (d_p^a + d_y^a), averaged over all voxels of the batch; d are distances to the borders, in voxels.

    d_y is the distance to the border of the truth, d_p to that of the prediction at probability 1/2, each within
    the patch and on the CPU, at every step, since the prediction's border moves.
    A mask without a border in the patch (all foreground, or none) has d = 1. MONAI's HausdorffDTLoss, which is the
    same otherwise, has d = 0 there: with an empty truth, foreground predicted everywhere is free.
    Source: Karimi and Salcudean 2019, "Reducing the Hausdorff distance in medical image segmentation", eq. 8.
    """

    def __init__(self, alpha: float) -> None:
        """Take the distances' exponent a."""
        super().__init__()
        self.alpha = alpha

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all voxels."""
        distances = _border_distance(logits > 0) ** self.alpha + _border_distance(target > 0.5) ** self.alpha
        return (distances * (torch.sigmoid(logits) - target).square()).mean()


def _border_distance(masks: Tensor) -> Tensor:
    """Distance in voxels to the nearest voxel of the other class, within each of the masks (B, C, ...)."""
    distances = np.ones(masks.shape, dtype=np.float32)
    for place in np.ndindex(*masks.shape[:2]):
        mask = masks[place].cpu().numpy()
        if mask.any() and not mask.all():
            distances[place] = distance_transform_edt(mask) + distance_transform_edt(~mask)
    return torch.from_numpy(distances).to(masks.device)
