"""When losses that are not finite are told: at once on a CPU, many steps at a time where looking means waiting."""

import math

import pytest
import torch
from torch import Tensor

from msseg.training.finite import FiniteLosses

BAD = [math.nan, math.inf, -math.inf]


class Elsewhere:
    """A loss on another device than the CPU, as far as can be seen from outside."""

    device = torch.device("cuda")

    def __init__(self, value: float) -> None:
        self.value = torch.tensor(value)

    def detach(self) -> Tensor:
        return self.value


@pytest.mark.parametrize("bad", BAD)
def test_on_a_cpu_the_step_itself_tells(bad: float) -> None:
    losses = FiniteLosses()
    assert losses.look(torch.tensor(1.0), ["first"]) is None
    assert losses.look(torch.tensor(bad), ["second", "third"]) == ["second", "third"]
    assert losses.look_at_rest() is None


@pytest.mark.parametrize("bad", BAD)
def test_elsewhere_the_first_of_many_steps_is_named(bad: float) -> None:
    losses = FiniteLosses(together=4)
    values = [1.0, bad, 2.0, math.nan]
    answers = [losses.look(Elsewhere(value), [str(step)]) for step, value in enumerate(values)]  # type: ignore[arg-type]
    assert answers == [None, None, None, ["1"]]
    assert losses.look(Elsewhere(1.0), ["4"]) is None  # type: ignore[arg-type]


def test_what_is_left_at_the_end_of_an_epoch_is_looked_at() -> None:
    losses = FiniteLosses(together=4)
    assert losses.look(Elsewhere(math.nan), ["0"]) is None  # type: ignore[arg-type]
    assert losses.look_at_rest() == ["0"]
    assert losses.look_at_rest() is None


def test_the_graph_of_a_step_is_let_go() -> None:
    losses = FiniteLosses(together=4)
    weights = torch.ones(2, requires_grad=True)
    losses.look(Elsewhere(1.0), ["0"])  # type: ignore[arg-type]
    losses.look(weights.sum(), ["1"])
    assert all(not loss.requires_grad for loss, _ in losses.waiting)
