"""What every loss of the registry has to hold."""

from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from msseg.config.loss import BceConfig, BceDiceConfig, DiceConfig, LossConfig
from msseg.losses.combined import DeepSupervisionLoss
from msseg.losses.registry import LOSSES, build_loss


@pytest.fixture(params=sorted(LOSSES))
def loss(request: pytest.FixtureRequest) -> DeepSupervisionLoss:
    return build_loss(TypeAdapter(LossConfig).validate_python(request.param))


def sample(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    return logits, (torch.rand(shape, generator=generator) > 0.7).float()


def test_every_configuration_has_a_loss_and_the_other_way_round() -> None:
    configs = get_args(get_args(LossConfig)[0])
    names = {config.model_fields["name"].default for config in configs}
    assert names == set(LOSSES)


def test_the_configuration_decides() -> None:
    logits, target = sample(2, 1, 6, 6)
    values = {
        key: build_loss(config)(logits, target).item()
        for key, config in {
            "bce": BceConfig(),
            "dice": DiceConfig(),
            "smooth": DiceConfig(smoothing=50.0),
            "both": BceDiceConfig(),
            "both smooth": BceDiceConfig(smoothing=50.0),
        }.items()
    }
    assert values["smooth"] < values["dice"]
    assert values["both"] == pytest.approx(values["bce"] + values["dice"])
    assert values["both smooth"] == pytest.approx(values["bce"] + values["smooth"])


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 1, 6, 5, 4), (3, 2, 4, 4, 1)])
def test_perfect_is_free_and_wrong_is_not_with_and_without_foreground(
    loss: DeepSupervisionLoss, shape: tuple[int, ...]
) -> None:
    for target in (torch.zeros(shape), sample(*shape)[1]):
        right = (2 * target - 1) * 100
        assert loss(right, target).item() == pytest.approx(0, abs=1e-6)
        wrong = right.clone()
        wrong[0, 0].flatten()[0] *= -1
        assert loss(wrong, target).item() > 1e-3


@pytest.mark.parametrize("magnitude", [0.0, 1e2, 1e4, 1e30])
@pytest.mark.parametrize("foreground", [0.0, 0.5, 1.0])
def test_value_and_gradient_are_finite_at_extreme_logits(
    loss: DeepSupervisionLoss, magnitude: float, foreground: float
) -> None:
    signs, _ = sample(1, 1, 4, 4, 4)
    target = (torch.rand(signs.shape, generator=torch.Generator().manual_seed(1)) < foreground).float()
    logits = (signs.sign() * magnitude).requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_bf16_logits_under_autocast_are_summed_in_float32(loss: DeepSupervisionLoss) -> None:
    """The value is that of the same logits in float32, not one rounded to the 8 bits of bf16."""
    logits = torch.full((1, 1, 200, 200), -4.125, dtype=torch.bfloat16)
    target = torch.zeros(1, 1, 200, 200)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target))


def test_bool_targets_are_welcome(loss: DeepSupervisionLoss) -> None:
    logits, target = sample(2, 1, 5, 5, 5)
    assert torch.equal(loss(logits, target.bool()), loss(logits, target))


def test_gradient_descent_on_the_logits_finds_the_truth(loss: DeepSupervisionLoss) -> None:
    logits, target = sample(2, 1, 6, 6)
    logits.requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.5)
    for _ in range(60):
        optimiser.zero_grad()
        loss(logits, target).backward()
        optimiser.step()
    assert torch.equal(logits > 0, target > 0.5)
    assert loss(logits, target).item() < 0.05
