"""Learning rates in closed form, and the optimisers that names stand for."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from msseg.config.training import OptimiserConfig, ScheduleConfig
from msseg.training.optimisation import make_optimiser, make_schedule, rate_factor


@given(epoch=st.integers(0, 300))
def test_constant_stays(epoch: int) -> None:
    assert rate_factor(epoch, ScheduleConfig(name="constant"), 100) == 1


@given(epoch=st.integers(0, 100))
def test_cosine_and_polynomial_are_their_formulas(epoch: int) -> None:
    assert rate_factor(epoch, ScheduleConfig(name="cosine"), 100) == pytest.approx(
        (1 + math.cos(math.pi * epoch / 100)) / 2
    )
    assert rate_factor(epoch, ScheduleConfig(name="polynomial"), 100) == pytest.approx((1 - epoch / 100) ** 0.9)


@pytest.mark.parametrize("name", ["cosine", "polynomial"])
def test_schedules_run_from_1_to_0_and_never_below(name: str) -> None:
    schedule = ScheduleConfig(name=name)
    factors = [rate_factor(epoch, schedule, 20) for epoch in range(25)]
    assert factors[0] == 1
    assert factors[:21] == sorted(factors[:21], reverse=True)
    assert factors[20:] == pytest.approx([0] * 5)


@pytest.mark.parametrize("name", ["constant", "cosine", "polynomial"])
def test_warm_up_rises_linearly_from_a_tenth_to_the_start_of_the_schedule(name: str) -> None:
    schedule = ScheduleConfig(name=name, warmup_epochs=3)
    factors = [rate_factor(epoch, schedule, 13) for epoch in range(13)]
    assert factors[:4] == pytest.approx([0.1, 0.4, 0.7, 1.0])
    unwarmed = [rate_factor(epoch, ScheduleConfig(name=name), 10) for epoch in range(10)]
    assert factors[3:] == pytest.approx(unwarmed)


def test_one_epoch_has_the_full_rate() -> None:
    assert rate_factor(0, ScheduleConfig(name="polynomial"), 1) == 1


def test_the_schedule_is_stepped_by_epoch() -> None:
    network = nn.Linear(1, 1)
    optimiser = make_optimiser(network, OptimiserConfig(learning_rate=0.5))
    schedule = make_schedule(optimiser, ScheduleConfig(name="polynomial"), epochs=4)
    rates = []
    for _ in range(4):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates == pytest.approx([0.5 * (1 - epoch / 4) ** 0.9 for epoch in range(4)])


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_names_of_optimisers(name: str, kind: type[torch.optim.Optimizer]) -> None:
    network = nn.Linear(2, 3)
    optimiser = make_optimiser(network, OptimiserConfig(name=name, learning_rate=0.25, weight_decay=0.125))
    assert type(optimiser) is kind
    (group,) = optimiser.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.125)
    assert len(group["params"]) == 2
    if name == "sgd":
        assert (group["momentum"], group["nesterov"]) == (0.99, True)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_fused_step_is_the_same_step(name: str) -> None:
    networks, config = [], OptimiserConfig(name=name, learning_rate=0.1, weight_decay=0.01)
    for fused in (False, True):
        torch.manual_seed(0)
        network = nn.Linear(5, 7)
        optimiser = make_optimiser(network, config, fused)
        assert bool(optimiser.param_groups[0]["fused"]) is fused
        for _ in range(4):
            optimiser.zero_grad()
            network(torch.randn(3, 5)).square().sum().backward()
            optimiser.step()
        networks.append(network.state_dict())
    torch.testing.assert_close(*networks)
