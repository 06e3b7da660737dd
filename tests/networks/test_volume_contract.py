"""What every 3D network has to hold beyond what all networks do."""

import copy
import math

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from msseg.config.network import NetworkConfig
from msseg.networks.registry import build_network, set_prior_bias
from msseg.networks.volume_network import VolumeNetwork

SIZES = [(16, 16, 16), (32, 16, 16), (17, 31, 5), (33, 20, 1), (1, 40, 18), (3, 2, 7), (1, 1, 1)]


def make(name: str, in_channels: int = 1, **options: object) -> VolumeNetwork:
    torch.manual_seed(0)
    config = TypeAdapter(NetworkConfig).validate_python({"name": name, "base_channels": 2, **options})
    return build_network(config, in_channels)


def volume(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["residual_unet3d", "unet3d"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_any_size_in_the_same_size_out(name: str, size: tuple[int, ...], training: bool) -> None:
    logits = make(name, in_channels=2).train(training)(volume(1, 2, *size))
    assert logits.shape == (1, 1, *size)
    assert torch.isfinite(logits).all()


def test_other_sizes_are_computed_as_if_the_border_went_on(name: str) -> None:
    network = make(name).eval()
    small = volume(1, 1, 40, 32, 20)
    with torch.no_grad():
        logits = network(small)
        fit = {"residual_unet3d": (48, 32, 32), "unet3d": (40, 32, 24)}[name]
        before = {"residual_unet3d": (4, 0, 4), "unet3d": (0, 0, 0)}[name]
        index = [
            (torch.arange(length) - start).clamp(0, have - 1)
            for length, start, have in zip(fit, before, small.shape[2:], strict=True)
        ]
        big = small[:, :, index[0]][:, :, :, index[1]][:, :, :, :, index[2]]
        x, y, z = before
        torch.testing.assert_close(logits, network(big)[:, :, x : x + 40, y : y + 32, z : z + 20])


def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = make(name, in_channels=2, dropout=0.0, deep_supervision=True).double().train()
    levels = network(volume(2, 2, 32, 16, 16).double())
    sum((level * volume(*level.shape, seed=2)).sum() for level in levels).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        if not feeds_a_batch_norm(network, key):
            assert parameter.grad.abs().max() > 1e-9, key


def feeds_a_batch_norm(network: nn.Module, key: str) -> bool:
    """Whether `key` is a bias that a batch norm removes again, so that its gradient is 0 but for rounding."""
    layer = network.get_submodule(key.rpartition(".")[0])
    return key.endswith("bias") and isinstance(layer, nn.Conv3d) and layer.kernel_size == (3, 3, 3)


# Mean and standard deviation of the logits, from the plain functions in test_residual_unet3d and test_unet3d.
GOLDEN = {
    "residual_unet3d": (1.254232280561253, 0.13386062878571667),
    "unet3d": (1.7305370974216316, 0.3778861922125796),
}


def test_golden_forward_value(name: str) -> None:
    """Weights from a formula, so that the value depends on no random generator."""
    network = make(name).double().eval()
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            index = torch.arange(parameter.numel(), dtype=torch.float64).view_as(parameter)
            parameter.copy_(torch.sin(index + number) / math.sqrt(parameter[0].numel()))
        grid = torch.arange(32 * 16 * 16, dtype=torch.float64).view(1, 1, 32, 16, 16)
        logits = network(torch.cos(grid * grid / 1000))
    mean, spread = GOLDEN[name]
    assert logits.mean().item() == pytest.approx(mean, rel=1e-6)
    assert logits.std().item() == pytest.approx(spread, rel=1e-6)


def test_evaluation_is_deterministic_and_dropout_only_in_training(name: str) -> None:
    network, x = make(name, dropout=0.5), volume(1, 1, 32, 16, 16)
    with torch.no_grad():
        network.train()
        assert not torch.equal(network(x), network(x))
        network.eval()
        assert torch.equal(network(x), network(x))


def test_samples_of_a_batch_do_not_influence_each_other_in_evaluation(name: str) -> None:
    network, x = make(name).eval(), volume(3, 1, 32, 16, 17)
    with torch.no_grad():
        alone = torch.cat([network(sample) for sample in x.split(1)])
        torch.testing.assert_close(network(x), alone, rtol=1e-4, atol=1e-6)


def test_deep_supervision_gives_full_half_and_quarter_size_in_training_only(name: str) -> None:
    network = make(name, deep_supervision=True)
    shapes = [tuple(level.shape[2:]) for level in network.train()(volume(1, 1, 33, 21, 2))]
    assert shapes == [(33, 21, 2), (17, 11, 1), (9, 6, 1)]
    assert network.eval()(volume(1, 1, 33, 21, 2)).shape == (1, 1, 33, 21, 2)


def test_deep_supervision_changes_nothing_but_its_output_layers(name: str) -> None:
    network, supervised = make(name, dropout=0.0), make(name, dropout=0.0, deep_supervision=True)
    extra = set(supervised.state_dict()) - set(network.state_dict())
    assert extra == {f"heads.{level}.{part}" for level in (1, 2) for part in ("weight", "bias")}
    supervised.load_state_dict(network.state_dict(), strict=False)
    x = volume(1, 1, 32, 16, 16)
    torch.testing.assert_close(supervised.train()(x)[0], network.train()(x))


@pytest.mark.parametrize("prior", [0.001, 0.02, 0.3])
def test_prior_bias_gives_a_mean_probability_near_the_prior(name: str, prior: float) -> None:
    network = make(name, base_channels=4, deep_supervision=True)
    set_prior_bias(network, prior)
    with torch.no_grad():
        for level in network.train()(volume(1, 1, 32, 32, 32)):
            assert level.sigmoid().mean().item() == pytest.approx(prior, rel=0.1)


def test_autocast_bf16_and_channels_last_agree_with_fp32(name: str) -> None:
    network, x = make(name, base_channels=8).eval(), volume(1, 1, 32, 32, 16)
    nn.init.normal_(network.heads[0].weight)
    layout = copy.deepcopy(network).to(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        exact = network(x)
        torch.testing.assert_close(layout(x), exact, rtol=1e-3, atol=1e-3)
        with torch.autocast("cpu", torch.bfloat16):
            logits = layout(x)
    assert logits.dtype == torch.bfloat16
    assert (logits - exact).abs().mean() < 0.1 * exact.std()


def test_one_exported_program_serves_all_batches_and_window_sizes(name: str) -> None:
    network = make(name).eval()
    batch = torch.export.Dim("batch", min=1, max=8)
    sizes = [16 * torch.export.Dim(axis, min=2, max=16) for axis in "xyz"]
    shapes = ({0: batch, 2: sizes[0], 3: sizes[1], 4: sizes[2]},)
    with torch.no_grad():
        program = torch.export.export(network, (volume(2, 1, 32, 48, 64),), dynamic_shapes=shapes).module()
        for x in (volume(2, 1, 32, 48, 64), volume(1, 1, 48, 32, 32)):
            torch.testing.assert_close(program(x), network(x), rtol=1e-4, atol=1e-6)
