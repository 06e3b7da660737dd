"""Cross entropies against their closed forms, and the focal loss against MONAI's."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from msseg.losses.cross_entropy import BalancedBceLoss, BceLoss, FocalLoss, WeightedBceLoss, balance

logits_ = st.floats(-6, 6)


def entropy(logit: float, truth: int) -> float:
    return math.log1p(math.exp(-logit if truth else logit))


def two(foreground: float, background: float, share: float = 0.25) -> tuple[Tensor, Tensor]:
    """Logits and target (2, 1, 4, 4) with one logit for each class, a share of the voxels being foreground."""
    target = torch.zeros(2, 1, 4, 4)
    target.flatten()[: int(32 * share)] = 1
    return torch.where(target > 0, foreground, background), target


@pytest.mark.parametrize("logit", [-3.0, 0.0, 0.7, 5.0])
@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (1, 1, 3, 4, 5)])
def test_closed_form(logit: float, shape: tuple[int, ...]) -> None:
    """log(1 + exp(-z)) where the truth is 1, log(1 + exp(z)) where it is 0."""
    target = torch.zeros(shape)
    target[:, :, ::2] = 1
    share = target.mean().item()
    expected = share * entropy(logit, 1) + (1 - share) * entropy(logit, 0)
    assert BceLoss()(torch.full(shape, logit), target).item() == pytest.approx(expected, rel=1e-5)


def test_empty_truth_costs_nothing_when_right_and_something_when_wrong() -> None:
    target = torch.zeros(2, 1, 4, 4)
    assert BceLoss()(target - 100, target).item() == pytest.approx(0, abs=1e-6)
    wrong = target - 100
    wrong[0, 0, 0, 0] = 100
    assert BceLoss()(wrong, target).item() == pytest.approx(100 / 32)


@given(logits_, logits_, st.floats(0.1, 10), st.floats(0.1, 10))
def test_weights_of_the_classes(inside: float, outside: float, foreground: float, background: float) -> None:
    expected = 0.25 * foreground * entropy(inside, 1) + 0.75 * background * entropy(outside, 0)
    found = WeightedBceLoss(foreground, background)(*two(inside, outside)).item()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(logits_, logits_)
def test_balanced_classes_weigh_as_much_as_each_other(inside: float, outside: float) -> None:
    """A quarter is foreground: 1/4 * 3/4 of the one entropy, 3/4 * 1/4 of the other."""
    expected = 3 / 16 * (entropy(inside, 1) + entropy(outside, 0))
    assert BalancedBceLoss(0.01)(*two(inside, outside)).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_shares_are_those_of_the_batch_and_of_each_channel() -> None:
    target = torch.zeros(2, 2, 4)
    target[0, 0] = 1  # channel 0: half of the batch; channel 1: none
    weights = balance(target, 0.1)
    assert weights[:, 0].unique().tolist() == [0.5]
    assert weights[:, 1].unique().tolist() == pytest.approx([0.1])


@given(logits_, logits_, st.floats(0, 4), st.floats(0.05, 0.95))
def test_focal_closed_form(inside: float, outside: float, gamma: float, alpha: float) -> None:
    right = 1 / (1 + math.exp(-inside)), 1 / (1 + math.exp(outside))  # p_t of foreground and background
    expected = 0.25 * alpha * (1 - right[0]) ** gamma * entropy(inside, 1)
    expected += 0.75 * (1 - alpha) * (1 - right[1]) ** gamma * entropy(outside, 0)
    found = FocalLoss(gamma, alpha)(*two(inside, outside)).item()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 1, 9, 7), (2, 1, 5, 6, 7), (3, 2, 4, 4, 4)])
@pytest.mark.parametrize("gamma", [0.0, 2.0, 0.5])
def test_focal_has_the_same_value_and_gradient_as_monai(shape: tuple[int, ...], gamma: float) -> None:
    losses = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).mul(3).requires_grad_()
    target = (torch.rand(shape, generator=generator) > 0.8).float()
    values = [loss(logits, target) for loss in (FocalLoss(gamma, 0.8), losses.FocalLoss(gamma=gamma, alpha=0.8))]
    torch.testing.assert_close(values[0], values[1])
    ours, theirs = (torch.autograd.grad(value, logits)[0] for value in values)
    torch.testing.assert_close(ours, theirs)


def test_focal_gradient_is_finite_where_the_prediction_is_perfect_and_gamma_below_1() -> None:
    logits = torch.tensor([[[100.0, -100.0]]], requires_grad=True)
    FocalLoss(0.5, 0.5)(logits, torch.tensor([[[1.0, 0.0]]])).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
