"""Losses with distances: closed forms on given maps, Kervadec's gradient, MONAI's Hausdorff loss."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from msseg.losses.cross_entropy import BceLoss
from msseg.losses.distances import BorderWeightedBceLoss, BoundaryTerm, DistancePenalisedBceLoss, HausdorffLoss
from msseg.volumes.maps import signed_distance

MapsOf = Callable[[Tensor], dict[str, Tensor]]


def sample(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator), (torch.rand(shape, generator=generator) > 0.7).float()


def row(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 1, -1)


# ------------------------------------------------------------------------------------------ cross entropies


def test_distance_penalty_falls_from_the_border_to_the_reach() -> None:
    """Undecided everywhere: the mean weight times log 2."""
    distance = row(-3.0, -1.0, 1.0, 5.0, 10.0, 50.0)
    target = (distance < 0).float()
    weights = [1 + 4 * nearness for nearness in (0.7, 0.9, 0.9, 0.5, 0.0, 0.0)]
    cost = DistancePenalisedBceLoss(strength=4, reach=10)(0 * target, target, {"signed_distance": distance})
    assert cost.item() == pytest.approx(math.log(2) * sum(weights) / 6)


def test_no_penalty_is_cross_entropy(maps_of: MapsOf) -> None:
    logits, target = sample(2, 1, 6, 6)
    plain = BceLoss()(logits, target)
    torch.testing.assert_close(DistancePenalisedBceLoss(0, 10)(logits, target, maps_of(target)), plain)


def test_border_weights_are_the_formula_of_u_net() -> None:
    """Half is foreground: w_c = 1 for both classes."""
    distance, target = row(2.0, 5.0, 10.0, 100.0), row(1.0, 0.0, 0.0, 1.0)
    weights = [1 + 10 * math.exp(-(d**2) / 50) for d in (2, 5, 10, 100)]
    cost = BorderWeightedBceLoss(w0=10, sigma=5, least=0.01)(0 * target, target, {"two_cell_distance": distance})
    assert cost.item() == pytest.approx(math.log(2) * sum(weights) / 4)


def test_border_weights_balance_the_classes() -> None:
    """A quarter is foreground: w_c = 2 * 3/4 there, 2 * 1/4 in the background."""
    target = row(1.0, 0.0, 0.0, 0.0)
    cost = BorderWeightedBceLoss(10, 5, 0.01)(0 * target, target, {"two_cell_distance": target * 0 + 1000})
    assert cost.item() == pytest.approx(math.log(2) * (1.5 + 3 * 0.5) / 4)


def test_a_gap_between_two_cells_weighs_most(maps_of: MapsOf) -> None:
    """Closing the gap of two voxels costs more than a false positive of the same size elsewhere."""
    target = torch.zeros(1, 1, 24, 24)
    target[..., 2:11, 2:8] = target[..., 13:22, 2:8] = 1
    loss, maps, right = BorderWeightedBceLoss(10, 5, 0.01), maps_of(target), (2 * target - 1) * 5
    bridge, blob = right.clone(), right.clone()
    bridge[..., 11:13, 4:6] = 5
    blob[..., 11:13, 20:22] = 5
    assert loss(bridge, target, maps) > 3 * loss(blob, target, maps)


# ------------------------------------------------------------------------------------------ boundary


def test_boundary_is_the_mean_of_errors_times_distances_in_reaches() -> None:
    distance, target = row(-4.0, -1.0, 1.0, 40.0), row(1.0, 1.0, 0.0, 0.0)
    logits = row(-100.0, 0.0, 100.0, 100.0)
    cost = BoundaryTerm(reach=8)(logits, target, {"signed_distance": distance})
    assert cost.item() == pytest.approx((4 / 8 * 1 + 1 / 8 * 0.5 + 1 / 8 + 1) / 4)


@pytest.mark.parametrize("shape", [(2, 1, 9, 8), (2, 1, 5, 6, 4)])
def test_boundary_is_kervadec_s_loss_but_for_a_constant(shape: tuple[int, ...], maps_of: MapsOf) -> None:
    """mean(p phi) - mean(y phi), phi the signed distance; so the gradient is the same."""
    logits, target = sample(*shape)
    maps = maps_of(target)
    logits.requires_grad_()
    ours = BoundaryTerm(reach=100)(logits, target, maps)
    phi = maps["signed_distance"] / 100
    theirs = (logits.sigmoid() * phi).mean()
    torch.testing.assert_close(ours, theirs - (target * phi).mean())
    torch.testing.assert_close(torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits))


def test_boundary_has_monai_s_gradient_outside_of_the_foreground(maps_of: MapsOf) -> None:
    """MONAI counts distances inside from 0, ours from 1; where both see background they are the same."""
    losses = pytest.importorskip("monai.losses")
    if not hasattr(losses, "BoundaryLoss"):
        pytest.skip("this MONAI has no boundary loss")
    logits, target = sample(2, 1, 9, 8)
    logits.requires_grad_()
    ours = BoundaryTerm(reach=100)(logits, target, maps_of(target)) * 100
    theirs = losses.BoundaryLoss(sigmoid=True)(logits, target)
    slopes = [torch.autograd.grad(value, logits)[0][target == 0] for value in (ours, theirs)]
    torch.testing.assert_close(*slopes)


# ------------------------------------------------------------------------------------------ Hausdorff


@pytest.mark.parametrize("shape", [(2, 1, 9, 7), (2, 1, 5, 6, 7), (3, 2, 6, 6, 6)])
@pytest.mark.parametrize("alpha", [2.0, 1.0])
def test_hausdorff_has_the_same_value_and_gradient_as_monai(shape: tuple[int, ...], alpha: float) -> None:
    losses = pytest.importorskip("monai.losses")
    logits, target = sample(*shape)
    logits.requires_grad_()
    reference = losses.HausdorffDTLoss(alpha=alpha, sigmoid=True, include_background=True)
    values = [loss(logits, target) for loss in (HausdorffLoss(alpha), reference)]
    torch.testing.assert_close(values[0], values[1])
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in values)
    torch.testing.assert_close(ours, theirs)


def test_hausdorff_closed_form() -> None:
    """Truth in voxel 0 of four, prediction sure of voxel 2: distances 1 1 2 3 and 2 1 1 1, errors in 0 and 2."""
    target, logits = row(1.0, 0.0, 0.0, 0.0), row(-100.0, -100.0, 100.0, -100.0)
    assert HausdorffLoss(2)(logits, target).item() == pytest.approx((1**2 + 2**2 + 2**2 + 1**2) / 4)


def test_foreground_everywhere_costs_where_the_truth_is_empty() -> None:
    """Neither mask has a border: with MONAI's distances of 0 this would be free."""
    target = torch.zeros(1, 1, 4, 4)
    assert HausdorffLoss(2)(target + 100, target).item() == pytest.approx(2)


def test_distances_of_the_maps_are_those_the_hausdorff_loss_takes() -> None:
    """A prediction that misses all: its own distance is 1 everywhere, the truth's that of the map."""
    mask = np.random.default_rng(0).random((7, 6, 5)) > 0.7
    target = torch.from_numpy(mask).float()[None, None]
    expected = ((np.abs(signed_distance(mask, (1, 1, 1))) + 1) * mask).mean()
    assert HausdorffLoss(1)(target - 200, target).item() == pytest.approx(expected)
