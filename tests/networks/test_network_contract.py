"""What every network of the registry has to hold."""

from collections.abc import Callable

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load, save
from torch import Tensor, nn

from msseg.config.network import NetworkConfig
from msseg.networks.blocks import InstanceNorm2d
from msseg.networks.registry import NETWORKS, build_network, require_patch_fits, set_prior_bias
from msseg.networks.segmentation_network import SegmentationNetwork

SMALL_COLUMNS = [{"window": 63}, {"window": 65}]
VARIANTS = {
    "residual_unet3d": {"name": "residual_unet3d", "base_channels": 2, "dropout": 0.0},
    "residual_unet3d renorm": {"name": "residual_unet3d", "base_channels": 2, "dropout": 0.0, "norm": "renorm"},
    "unet3d": {"name": "unet3d", "base_channels": 2},
    "sf_network": {"name": "sf_network", "base_channels": 4},
    "unet2d": {"name": "unet2d", "base_channels": 2},
    "unet2d by image": {"name": "unet2d", "base_channels": 2, "norm": "instance"},
    "unet2d renorm": {"name": "unet2d", "base_channels": 2, "norm": "renorm"},
    "unet2d valid": {"name": "unet2d", "base_channels": 2, "padding": "valid", "batch_norm": False},
    "fusionnet": {"name": "fusionnet", "base_channels": 2},
    "mcdnn": {"name": "mcdnn", "base_channels": 2, "neurons": 4, "columns": SMALL_COLUMNS},
}
VOLUMES = ("residual_unet3d", "residual_unet3d renorm", "unet3d")
SIZES = [(1, 1, 1), (3, 2, 1), (16, 16, 1), (17, 50, 1), (1, 40, 3)]


def make(variant: str, in_channels: int = 1, **changes: object) -> SegmentationNetwork:
    torch.manual_seed(0)
    config = TypeAdapter(NetworkConfig).validate_python(VARIANTS[variant] | changes)
    return build_network(config, in_channels)


def image(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def patch_of(network: SegmentationNetwork, more: int = 0) -> int:
    """A size that the network learns from: a bottleneck of two, or more steps than its least."""
    return max(network.smallest, 2 * network.multiple) + more * network.multiple


@pytest.fixture(params=sorted(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[name for name in sorted(VARIANTS) if name not in VOLUMES])
def slices(request: pytest.FixtureRequest) -> str:
    """A network of slices."""
    return request.param


def test_every_network_is_tested() -> None:
    assert {options["name"] for options in VARIANTS.values()} == set(NETWORKS)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_in_the_same_size_out(variant: str, size: tuple[int, ...]) -> None:
    network = make(variant, in_channels=2).eval()
    with torch.no_grad():
        logits = network(image(1, 2, *size))
    assert logits.shape == (1, 1, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_patch_of_any_size_can_be_learned(variant: str, size: tuple[int, ...]) -> None:
    """Even one whose bottleneck would be a single pixel, in a batch of one; without padding, all but the margin."""
    network = make(variant).train()
    more = 2 * network.margin
    logits = network(image(1, 1, size[0] + more, size[1] + more, size[2]))
    logits.sum().backward()
    assert logits.shape == (1, 1, *size)
    assert logits.isfinite().all()


def test_every_parameter_gets_a_gradient(variant: str) -> None:
    network = make(variant, in_channels=2).double().train()
    side = patch_of(network)
    logits = network(image(2, 2, side, side, 16 if variant in VOLUMES else 1, dtype=torch.float64))
    (logits * image(*logits.shape, seed=2, dtype=torch.float64)).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        if not feeds_a_batch_norm(network, key):
            assert parameter.grad.abs().max() > 1e-9, key


def feeds_a_batch_norm(network: nn.Module, key: str) -> bool:
    """Whether `key` is a bias that a batch norm removes again, so that its gradient is 0 but for rounding."""
    names = [name for name, module in network.named_modules() if not list(module.children())]
    layer, _, what = key.rpartition(".")
    follower = network.get_submodule(names[min(names.index(layer) + 1, len(names) - 1)])
    return what == "bias" and isinstance(follower, nn.BatchNorm2d | nn.BatchNorm3d | InstanceNorm2d)


@pytest.mark.parametrize("training", [True, False])
def test_a_slice_is_the_same_as_a_volume_of_one_slice(slices: str, training: bool) -> None:
    network = make(slices, in_channels=2).train(training)
    x = image(2, 2, patch_of(network), patch_of(network, 1) + 3)
    with torch.no_grad():
        torch.manual_seed(0)
        flat = network(x)
        torch.manual_seed(0)
        assert torch.equal(network(x[..., None])[..., 0], flat)


def test_a_stack_is_computed_slice_by_slice(slices: str) -> None:
    network = make(slices).eval()
    stack = image(2, 1, 20, 37, 3)
    with torch.no_grad():
        each = torch.stack([network(stack[..., z]) for z in range(3)], dim=-1)
        torch.testing.assert_close(network(stack), each, rtol=1e-4, atol=1e-5)


def test_samples_of_a_batch_do_not_influence_each_other_in_evaluation(slices: str) -> None:
    network, x = make(slices).eval(), image(3, 1, 32, 17, 1)
    with torch.no_grad():
        alone = torch.cat([network(sample) for sample in x.split(1)])
        torch.testing.assert_close(network(x), alone, rtol=1e-4, atol=1e-5)


def test_evaluation_is_deterministic(slices: str) -> None:
    network, x = make(slices).eval(), image(1, 1, 40, 33, 1)
    with torch.no_grad():
        assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("prior", [0.02, 0.78])
def test_prior_bias_gives_a_mean_probability_near_the_prior(slices: str, prior: float) -> None:
    network = make(slices, base_channels=4)
    set_prior_bias(network, prior)
    x = image(2, 1, patch_of(network), patch_of(network), 1)
    with torch.no_grad():
        assert network.train()(x).sigmoid().mean().item() == pytest.approx(prior, rel=0.2)
        assert network.eval()(x).sigmoid().mean().item() == pytest.approx(prior, rel=0.2)


def test_weights_survive_a_file(variant: str) -> None:
    """The format of model folders refuses weights that two names share."""
    network, other = make(variant).eval(), make(variant).eval()
    for parameter in other.parameters():
        nn.init.constant_(parameter, 0.5)
    other.load_state_dict(load(save(network.state_dict())))
    x = image(1, 1, 32, 32, 1)
    with torch.no_grad():
        assert torch.equal(other(x), network(x))


def test_autocast_bf16_agrees_with_fp32(slices: str) -> None:
    network = make(slices, base_channels=8).eval()
    for head in network.heads:
        nn.init.normal_(head.weight)
    x = image(1, 1, 32, 48, 1)
    with torch.no_grad():
        exact = network(x)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network.to(memory_format=torch.channels_last_3d)(x)
    assert (logits - exact).abs().mean() < 0.1 * exact.std()


def test_convolutions_get_channels_last(slices: str) -> None:
    """Whatever layout the volume has: a layer that is given channels first takes twice the time on a CPU."""
    network = make(slices, in_channels=2, base_channels=8).to(memory_format=torch.channels_last_3d).eval()
    layouts: dict[str, bool] = {}

    def noting(name: str) -> Callable[..., None]:
        def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            both = (inputs[0], layer.weight) if layer.kernel_size != (1, 1) else inputs
            layouts[name] = all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in both)

        return note

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_pre_hook(noting(name))
    for x in (image(1, 2, 32, 40, 1), image(1, 2, 32, 40, 1).to(memory_format=torch.channels_last_3d)):
        with torch.no_grad():
            network(x)
        assert len(layouts) > 1
        assert all(layouts.values()), layouts


def test_an_exported_program_equals_the_network(variant: str) -> None:
    """It pads and mirrors as the network does, too."""
    network, x = make(variant).eval(), image(1, 1, 33, 18, 1)
    with torch.no_grad():
        program = torch.export.export(network, (x,)).module()
        torch.testing.assert_close(program(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "slices",
    ["unet2d", pytest.param("sf_network", marks=pytest.mark.slow), pytest.param("fusionnet", marks=pytest.mark.slow)],
)
def test_one_exported_program_serves_all_batches_and_sizes(slices: str) -> None:
    network = make(slices).eval()
    sides = [16 * torch.export.Dim(axis, min=2, max=64) for axis in "xy"]
    shapes = ({0: torch.export.Dim("batch", min=1, max=8), 2: sides[0], 3: sides[1]},)
    with torch.no_grad():
        program = torch.export.export(network, (image(2, 1, 32, 48),), dynamic_shapes=shapes).module()
        for x in (image(2, 1, 32, 48), image(1, 1, 64, 32)):
            torch.testing.assert_close(program(x), network(x), rtol=1e-4, atol=1e-5)


def test_a_patch_that_fits_is_accepted(variant: str) -> None:
    config = TypeAdapter(NetworkConfig).validate_python(VARIANTS[variant])
    network = make(variant)
    side = max(network.smallest, 32)
    require_patch_fits(config, (side, side, 1))
    assert network.train()(image(2, 1, side, side, 1)).shape[2] == side - 2 * network.margin
