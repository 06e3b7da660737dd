"""Networks for voxels that are longer along one axis."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from msseg.config.network import ResidualUNet3dConfig, UNet3dConfig
from msseg.errors import InputError
from msseg.losses.combined import DeepSupervisionLoss
from msseg.losses.overlap import DiceLoss
from msseg.networks.blocks import UpsampleConv3d
from msseg.networks.registry import build_network
from msseg.networks.volume_network import VolumeNetwork, kernels

Steps = tuple[int, int, int]
THICK = {
    "residual_unet3d": ((2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2)),
    "unet3d": ((2, 2, 1), (2, 2, 1), (2, 2, 2)),
}
FLAT = {"residual_unet3d": ((2, 2, 1),) * 4, "unet3d": ((2, 2, 1),) * 3}
CONFIGS = {"residual_unet3d": ResidualUNet3dConfig, "unet3d": UNet3dConfig}


@pytest.fixture(params=["residual_unet3d", "unet3d"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(name: str, strides: object = None, **options: object) -> VolumeNetwork:
    torch.manual_seed(0)
    values = {"base_channels": 2, "dropout": 0.0, "strides": strides or THICK[name], **options}
    network = build_network(CONFIGS[name](**values), 1)
    assert isinstance(network, VolumeNetwork)
    return network


def volume(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_kernels_do_not_reach_along_an_axis_until_it_is_halved() -> None:
    assert kernels([(2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2)]) == [
        (3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3), (3, 3, 3),
    ]  # fmt: skip
    assert kernels([(2, 2, 2), (2, 2, 1)]) == [(3, 3, 3)] * 3
    assert kernels([(1, 2, 2)]) == [(1, 3, 3)] * 2


def test_convolutions_have_these_kernels_and_strides(name: str) -> None:
    network = make(name)
    depth = len(THICK[name])
    for level, kernel in enumerate(kernels(THICK[name])):
        encoder = [of.kernel_size for of in network.encoder[level].modules() if isinstance(of, nn.Conv3d)]
        assert set(encoder) == {kernel}
        if level < depth:
            decoder = {of.kernel_size for of in network.decoder[level].modules() if isinstance(of, nn.Conv3d)}
            assert decoder - {(1, 1, 1)} == {kernel}
    assert network.strides == THICK[name]
    assert network.multiples == {"residual_unet3d": (16, 16, 2), "unet3d": (8, 8, 2)}[name]
    assert network.multiple == network.multiples[0]


@pytest.mark.parametrize("size", [(32, 32, 6), (17, 33, 5), (40, 16, 1), (3, 2, 7), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_any_size_in_the_same_size_out(name: str, size: Steps, training: bool) -> None:
    for strides in (THICK[name], FLAT[name]):
        logits = make(name, strides).train(training)(volume(1, 1, *size))
        assert logits.shape == (1, 1, *size)
        assert torch.isfinite(logits).all()


def test_a_size_of_its_multiples_is_not_padded(name: str) -> None:
    network = make(name)
    seen: list[torch.Size] = []
    network.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2:]))
    network(volume(1, 1, 32, 48, 6))
    network(volume(1, 1, 30, 48, 5))
    assert seen == [(32, 48, 6)] * 2


def test_without_strides_along_an_axis_slices_do_not_know_of_each_other(name: str) -> None:
    """Batch norm in evaluation is the same for all slices; instance norm sees them together, so it is left out."""
    network = make("unet3d", FLAT["unet3d"]).eval()
    x = volume(1, 1, 16, 16, 6)
    changed = x.clone()
    changed[..., 4] += 3
    with torch.no_grad():
        difference = (network(x) - network(changed)).abs().amax((0, 1, 2, 3))
    assert difference[4] > 1e-4
    assert difference[[0, 1, 2, 3, 5]].max() == 0


def test_neighbours_along_the_thick_axis_count_at_the_coarse_levels(name: str) -> None:
    network = make("unet3d").eval()
    x = volume(1, 1, 16, 16, 8)
    changed = x.clone()
    changed[..., 4] += 3
    with torch.no_grad():
        difference = (network(x) - network(changed)).abs().amax((0, 1, 2, 3))
    assert difference.min() > 0


def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = make(name, deep_supervision=True).double().train()
    levels = network(volume(2, 1, 32, 16, 6).double())
    sum((level * volume(*level.shape, seed=2)).sum() for level in levels).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


def test_deep_supervision_halves_the_axes_that_strides_halve(name: str) -> None:
    network = make(name, deep_supervision=True).train()
    levels = network(volume(1, 1, 33, 20, 5))
    assert [tuple(level.shape[2:]) for level in levels] == [(33, 20, 5), (17, 10, 5), (9, 5, 5)]
    target = (volume(1, 1, 33, 20, 5) > 1).float()
    assert torch.isfinite(DeepSupervisionLoss(DiceLoss())(levels, target))


@pytest.mark.parametrize("strides", [(2, 2, 1), (1, 2, 2), (1, 2, 1), (2, 2, 2), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("kernel", [(3, 3, 3), (3, 3, 1), (1, 3, 1)], ids=str)
def test_upsampling_is_nearest_neighbour_then_convolution(strides: Steps, kernel: Steps) -> None:
    torch.manual_seed(0)
    layer = UpsampleConv3d(3, 2, strides, kernel).double()
    x = volume(2, 3, 4, 5, 6).double()
    repeated = x
    for axis, times in zip((2, 3, 4), strides, strict=True):
        repeated = repeated.repeat_interleave(times, axis)
    expected = F.conv3d(repeated, layer.weight, padding=tuple(length // 2 for length in kernel))
    torch.testing.assert_close(layer(x), expected)


# ------------------------------------------------------------------------------------------------ configuration


def test_the_strides_of_before_are_the_default(name: str) -> None:
    config = CONFIGS[name]()
    assert config.strides == ((2, 2, 2),) * (4 if name == "residual_unet3d" else 3)
    assert {parameter.shape[2:] for parameter in make(name, config.strides).parameters() if parameter.ndim == 5} >= {
        (3, 3, 3), (1, 1, 1),
    }  # fmt: skip


def test_a_seed_gives_the_weights_of_before() -> None:
    """Their sum, computed before networks had strides."""
    torch.manual_seed(3)
    network = build_network(ResidualUNet3dConfig(base_channels=4), 2)
    total = sum(parameter.double().abs().sum().item() for parameter in network.parameters())
    assert total == pytest.approx(20429.602170694456, rel=1e-6)
    assert len(network.state_dict()) == 85


@pytest.mark.parametrize(
    "strides", [[[2, 2, 2]], [[2, 2, 3]] * 4, [[1, 1, 1], *[[2, 2, 2]] * 3], "isotropic", [[2, 2]] * 4], ids=str
)
def test_impossible_strides_are_refused(strides: object) -> None:
    with pytest.raises(ValidationError):
        ResidualUNet3dConfig.model_validate_json(f'{{"strides": {strides!r}}}'.replace("'", '"'))


def test_auto_is_not_built() -> None:
    with pytest.raises(InputError, match=r"network\.strides auto is known in training alone"):
        build_network(ResidualUNet3dConfig(strides="auto"), 1)
