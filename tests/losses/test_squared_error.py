"""Squared errors against their closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msseg.losses.squared_error import MseLoss, SensitivitySpecificityLoss

logits_ = st.floats(-6, 6)


def probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@given(logits_, logits_)
def test_mean_squared_error(inside: float, outside: float) -> None:
    """One foreground voxel of four."""
    logits = torch.tensor([inside, outside, outside, outside]).reshape(1, 1, 2, 2)
    target = torch.tensor([1.0, 0, 0, 0]).reshape(1, 1, 2, 2)
    expected = ((1 - probability(inside)) ** 2 + 3 * probability(outside) ** 2) / 4
    assert MseLoss()(logits, target).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(logits_, logits_, st.floats(0.01, 0.99))
def test_sensitivity_and_specificity(inside: float, outside: float, weight: float) -> None:
    """Each class has the mean of its squared errors, whatever its size."""
    logits = torch.tensor([inside, outside, outside, outside]).reshape(1, 1, 2, 2)
    target = torch.tensor([1.0, 0, 0, 0]).reshape(1, 1, 2, 2)
    expected = weight * (1 - probability(inside)) ** 2 + (1 - weight) * probability(outside) ** 2
    found = SensitivitySpecificityLoss(weight)(logits, target).item()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_sums_run_over_the_whole_batch() -> None:
    """One of two samples is empty: it does not have a mean of its own."""
    target = torch.zeros(2, 1, 4)
    target[0] = 1
    logits = torch.where(target > 0, -100.0, -100.0)
    logits[1, 0, 0] = 100
    assert SensitivitySpecificityLoss(0.5)(logits, target).item() == pytest.approx(0.5 * 1 + 0.5 / 4)


def test_without_foreground_the_false_positives_are_left() -> None:
    target = torch.zeros(1, 1, 4)
    logits = torch.tensor([[[100.0, -100, -100, -100]]])
    assert SensitivitySpecificityLoss(0.05)(logits, target).item() == pytest.approx(0.95 / 4)
