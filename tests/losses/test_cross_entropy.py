"""Binary cross entropy against its closed form."""

import math

import pytest
import torch

from msseg.losses.cross_entropy import BceLoss


@pytest.mark.parametrize("logit", [-3.0, 0.0, 0.7, 5.0])
@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (1, 1, 3, 4, 5)])
def test_closed_form(logit: float, shape: tuple[int, ...]) -> None:
    """log(1 + exp(-z)) where the truth is 1, log(1 + exp(z)) where it is 0."""
    target = torch.zeros(shape)
    target[:, :, ::2] = 1
    share = target.mean().item()
    expected = share * math.log1p(math.exp(-logit)) + (1 - share) * math.log1p(math.exp(logit))
    assert BceLoss()(torch.full(shape, logit), target).item() == pytest.approx(expected, rel=1e-5)


def test_empty_truth_costs_nothing_when_right_and_something_when_wrong() -> None:
    target = torch.zeros(2, 1, 4, 4)
    assert BceLoss()(target - 100, target).item() == pytest.approx(0, abs=1e-6)
    wrong = target - 100
    wrong[0, 0, 0, 0] = 100
    assert BceLoss()(wrong, target).item() == pytest.approx(100 / 32)
