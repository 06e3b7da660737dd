"""The exponential logarithmic loss against its closed form, and its gradient where powers are steep."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msseg.losses.exponential_logarithmic import ExponentialLogarithmicLoss


@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(0.2, 2), st.floats(0.2, 2), st.floats(0, 1), st.floats(0.1, 1))
def test_closed_form(
    inside: float, outside: float, gamma_dice: float, gamma_cross: float, weight_dice: float, weight_cross: float
) -> None:
    """One foreground voxel of four: class weights sqrt(4) and sqrt(4 / 3)."""
    logits = torch.tensor([inside, outside, outside, outside]).reshape(1, 1, 2, 2)
    target = torch.tensor([1.0, 0, 0, 0]).reshape(1, 1, 2, 2)
    p, q = (1 / (1 + math.exp(-logit)) for logit in (inside, outside))
    dice = (2 * p + 1) / (1 + p + 3 * q + 1)
    cross = 2 * (-math.log(p)) ** gamma_cross + 3 * math.sqrt(4 / 3) * (-math.log(1 - q)) ** gamma_cross
    expected = weight_dice * (-math.log(dice)) ** gamma_dice + weight_cross * cross / 4
    loss = ExponentialLogarithmicLoss(gamma_dice, gamma_cross, weight_dice, weight_cross, smoothing=1.0)
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-4)


def test_without_foreground() -> None:
    """The Dice index is 1 / (1 + sum p), the background's weight 1."""
    logits = torch.zeros(1, 1, 4)
    expected = 0.8 * math.log(3) ** 0.3 + 0.2 * math.log(2) ** 0.3
    loss = ExponentialLogarithmicLoss(0.3, 0.3, 0.8, 0.2, smoothing=1.0)
    assert loss(logits, torch.zeros(1, 1, 4)).item() == pytest.approx(expected)


@pytest.mark.parametrize("confidence", [1.0, 8.0, 14.0, 16.0, 20.0, 50.0])
def test_the_gradient_stays_bounded_on_the_way_to_perfection(confidence: float) -> None:
    """The slope of x^0.3 has no bound at 0."""
    target = torch.tensor([1.0, 0, 0, 0]).reshape(1, 1, 2, 2)
    logits = ((2 * target - 1) * confidence).requires_grad_()
    ExponentialLogarithmicLoss(0.3, 0.3, 0.8, 0.2, smoothing=1.0)(logits, target).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().max() < 1
    assert (logits.grad * target <= 0).all()
