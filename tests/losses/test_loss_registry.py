"""What every loss of the registry has to hold, alone and in a sum, in 2D and 3D."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from msseg.config.loss import BceConfig, BceDiceConfig, DiceConfig, LossConfig, NamedLoss, SumConfig
from msseg.losses.combined import DeepSupervisionLoss, shrink
from msseg.losses.registry import LOSSES, build_loss
from msseg.volumes.maps import MAPS

MapsOf = Callable[[Tensor], dict[str, Tensor]]

VARIANTS: dict[str, object] = {
    **{name: name for name in LOSSES},
    "focal, gamma below 1": {"name": "focal", "gamma": 0.5},
    "cldice of the background": {"name": "cldice", "of": "background"},
    "boundary with bce": {"name": "boundary", "region": "bce", "alpha": 2},
    "exponential_logarithmic, gammas above 1": {"name": "exponential_logarithmic", "gamma_dice": 2, "gamma_cross": 1.2},
    "sum": {"bce": 1, "dice": 1},
    "sum with maps": {"dice": 1, "border_weighted_bce": {"weight": 0.5, "w0": 10, "sigma": 5}},
}
SHAPES = [(2, 1, 8, 8), (2, 1, 6, 5, 4), (3, 1, 6, 6, 1)]


def built(settings: object) -> DeepSupervisionLoss:
    return build_loss(TypeAdapter(LossConfig).validate_python(settings))


@pytest.fixture(params=VARIANTS)
def loss(request: pytest.FixtureRequest) -> DeepSupervisionLoss:
    return built(VARIANTS[request.param])


def sample(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator)
    return logits, (torch.rand(shape, generator=generator) > 0.7).float()


def sure(target: Tensor) -> Tensor:
    """Logits of a perfect prediction."""
    return (2 * target - 1) * 100


def test_every_configuration_has_a_loss_and_the_other_way_round() -> None:
    names = [config.model_fields["name"].default for config in get_args(NamedLoss)]
    assert names == list(LOSSES)
    assert ["name", *names] == list(SumConfig.model_fields)


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
            "sum": SumConfig(bce=BceConfig(weight=2.0), dice=DiceConfig(weight=0.5)),
            "thrice": BceConfig(weight=3.0),
        }.items()
    }
    assert values["smooth"] < values["dice"]
    assert values["both"] == pytest.approx(values["bce"] + values["dice"])
    assert values["both smooth"] == pytest.approx(values["bce"] + values["smooth"])
    assert values["sum"] == pytest.approx(2 * values["bce"] + 0.5 * values["dice"])
    assert values["thrice"] == pytest.approx(3 * values["bce"])


PARAMETERS = [
    (type(config), field)
    for config in (config() for config in get_args(NamedLoss))
    for field in type(config).model_fields
    if field not in ("name", "weight")
]


@pytest.mark.parametrize(("config", "field"), PARAMETERS, ids=lambda value: getattr(value, "__name__", value))
def test_every_parameter_changes_the_value(config: type, field: str, maps_of: MapsOf) -> None:
    # Background in one sample only: shares below `least` do not occur otherwise.
    logits, target = sample(4, 1, 12, 12)
    target[1:] = 0
    default = config()
    others = {"region": "bce", "of": "background", "iterations": 1, "least": 0.4, "sensitivity": 0.5}
    changed = others.get(field) or getattr(default, field) * 0.9
    values = {
        build_loss(settings)(3 * logits, target, maps_of(target)).item()
        for settings in (default, default.model_copy(update={field: changed}))
    }
    assert len(values) == 2


# ------------------------------------------------------------------------------------------ the empty patch


@pytest.mark.parametrize("shape", SHAPES)
def test_perfect_is_free_and_wrong_is_not_with_and_without_foreground(
    loss: DeepSupervisionLoss, shape: tuple[int, ...], maps_of: MapsOf
) -> None:
    for target in (torch.zeros(shape), sample(*shape)[1], torch.ones(shape)):
        maps = maps_of(target)
        right = sure(target)
        assert loss(right, target, maps).item() == pytest.approx(0, abs=1e-6)
        wrong = right.clone()
        wrong[0, 0].flatten()[0] *= -1
        assert loss(wrong, target, maps).item() > 1e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_a_patch_without_foreground_among_others_costs_nothing_when_right(
    loss: DeepSupervisionLoss, shape: tuple[int, ...], maps_of: MapsOf
) -> None:
    """Three of four patches empty: with sums per patch, an overlap loss divides 0 by 0 there."""
    target = torch.cat([sample(*shape)[1][:1], torch.zeros(3, *shape[1:])])
    assert loss(sure(target), target, maps_of(target)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_false_positives_are_pushed_down_where_the_truth_is_empty(
    loss: DeepSupervisionLoss, shape: tuple[int, ...], maps_of: MapsOf
) -> None:
    """One voxel of probability 0.88 in a haze of 0.05; and foreground predicted everywhere."""
    target = torch.zeros(shape)
    haze = torch.full(shape, -3.0)
    one = haze.clone()
    one[0, 0].flatten()[7] = 2
    costs = []
    for values in (haze, one, torch.full(shape, 2.0)):
        logits = values.clone().requires_grad_()
        cost = loss(logits, target, maps_of(target))
        (slope,) = torch.autograd.grad(cost, logits)
        assert torch.isfinite(slope).all()
        assert (slope[values > 0] > 0).all()
        costs.append(cost.item())
    assert 0 < costs[0] < min(costs[1:])


# ------------------------------------------------------------------------------------------ arithmetic


@pytest.mark.parametrize("magnitude", [0.0, 1e2, 1e4, 1e30])
@pytest.mark.parametrize("foreground", [0.0, 0.5, 1.0])
def test_value_and_gradient_are_finite_at_extreme_logits(
    loss: DeepSupervisionLoss, magnitude: float, foreground: float, maps_of: MapsOf
) -> None:
    signs, _ = sample(1, 1, 4, 4, 4)
    target = (torch.rand(signs.shape, generator=torch.Generator().manual_seed(1)) < foreground).float()
    logits = (signs.sign() * magnitude).requires_grad_()
    value = loss(logits, target, maps_of(target))
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_under_autocast_are_summed_in_float32(
    loss: DeepSupervisionLoss, dtype: torch.dtype, maps_of: MapsOf
) -> None:
    """The value is that of the same logits in float32, not one rounded to the 8 bits of bf16."""
    logits = torch.full((1, 1, 200, 200), -4.125, dtype=dtype)
    target = torch.zeros(1, 1, 200, 200)
    maps = maps_of(target)
    with torch.autocast("cpu", dtype):
        value = loss(logits, target, maps)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target, maps))


def test_bool_targets_are_welcome(loss: DeepSupervisionLoss, maps_of: MapsOf) -> None:
    logits, target = sample(2, 1, 5, 5, 5)
    maps = maps_of(target)
    assert torch.equal(loss(logits, target.bool(), maps), loss(logits, target, maps))


def test_a_slice_as_a_volume_costs_what_it_costs_as_a_plane(loss: DeepSupervisionLoss, maps_of: MapsOf) -> None:
    logits, target = sample(2, 1, 12, 10)
    plane = loss(logits, target, maps_of(target))
    volume = loss(logits[..., None], target[..., None], maps_of(target[..., None]))
    torch.testing.assert_close(volume, plane)


def test_equal_channels_cost_what_one_does(loss: DeepSupervisionLoss, maps_of: MapsOf) -> None:
    """Sums run per channel, and the mean over channels is taken."""
    logits, target = sample(2, 1, 6, 6)
    maps = maps_of(target)
    both = loss(logits.expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1), maps)
    torch.testing.assert_close(both, loss(logits, target, maps))


def test_gradient_descent_on_the_logits_finds_the_truth(loss: DeepSupervisionLoss, maps_of: MapsOf) -> None:
    """The truth is cells between membranes one and two voxels wide, one of which ends."""
    logits, _ = sample(2, 1, 12, 12)
    target = torch.ones(2, 1, 12, 12)
    target[0, 0, 4] = target[0, 0, :4, 5] = target[1, 0, :, 7:9] = 0
    maps = maps_of(target)
    logits.requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.5)
    start = loss(logits, target, maps).item()
    for _ in range(60):
        optimiser.zero_grad()
        loss(logits, target, maps).backward()
        optimiser.step()
    assert torch.equal(logits > 0, target > 0.5)
    assert loss(logits, target, maps).item() < 0.05 * max(start, 1)


# ------------------------------------------------------------------------------------------ levels and maps


def test_every_loss_takes_logits_of_several_sizes(loss: DeepSupervisionLoss, maps_of: MapsOf) -> None:
    """Perfect on all levels is free; a false positive on the coarsest is pushed down."""
    target = torch.zeros(2, 1, 9, 8, 6)
    target[0, 0, 2:5, 1:4, :3] = 1
    maps = maps_of(target)
    half = shrink(target, torch.zeros(2, 1, 5, 4, 3))
    quarter = shrink(half, torch.zeros(2, 1, 3, 2, 2))
    levels = [sure(level) for level in (target, half, quarter)]
    assert loss(levels, target, maps).item() == pytest.approx(0, abs=1e-6)
    wrong = levels[2].clamp(-5, 5)
    wrong[1, 0, 0, 0, 0] = 3
    wrong.requires_grad_()
    (slope,) = torch.autograd.grad(loss([*levels[:2], wrong], target, maps), wrong)
    assert slope[1, 0, 0, 0, 0] > 0


def test_losses_say_which_maps_they_need(maps_of: MapsOf) -> None:
    logits, target = sample(2, 1, 6, 6)
    needed = {name: built(name).maps for name in LOSSES}
    assert {name: maps for name, maps in needed.items() if maps} == {
        "distance_penalised_bce": ("signed_distance",),
        "border_weighted_bce": ("two_cell_distance",),
        "boundary": ("signed_distance",),
    }
    together = built({"bce": 1, "boundary": 1, "distance_penalised_bce": 1, "border_weighted_bce": 1}).maps
    assert sorted(together) == ["signed_distance", "two_cell_distance"]
    assert set(together) == set(MAPS)
    for name, maps in needed.items():
        if maps:
            with pytest.raises(ValueError, match=f"needs the map {maps[0]} of the truth, which was not given"):
                built(name)(logits, target)
        else:
            assert torch.equal(built(name)(logits, target), built(name)(logits, target, maps_of(target)))


def test_a_map_of_another_shape_is_refused(maps_of: MapsOf) -> None:
    logits, target = sample(2, 1, 6, 6)
    with pytest.raises(ValueError, match=r"two_cell_distance has the shape \(2, 1, 4, 6\), the logits have \(2, 1, 6"):
        built("border_weighted_bce")(logits, target, maps_of(target[:, :, 1:5]))


def test_shapes_that_would_be_broadcast_are_refused(loss: DeepSupervisionLoss) -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\) and target \(2, 4, 4\)"):
        loss(torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4))
