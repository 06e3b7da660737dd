"""Networks by name."""

from typing import get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from msseg.config.network import (
    MCDNNColumnConfig,
    MCDNNConfig,
    NetworkConfig,
    ResidualUNet3dConfig,
    SFNetworkConfig,
    UNet2dConfig,
    UNet3dConfig,
)
from msseg.errors import InputError
from msseg.networks.mcdnn import MCDNN
from msseg.networks.registry import NETWORKS, build_network, parameter_count, require_patch_fits, set_prior_bias
from msseg.networks.residual_unet3d import ResidualUNet3d
from msseg.networks.unet2d import UNet2d
from msseg.networks.unet3d import UNet3d


def test_every_configuration_has_a_network_and_the_other_way_round() -> None:
    configs = get_args(get_args(NetworkConfig)[0])
    assert {config.model_fields["name"].default for config in configs} == set(NETWORKS)


def test_the_configuration_decides() -> None:
    network = build_network(ResidualUNet3dConfig(base_channels=3, deep_supervision=True), 4, 2)
    assert isinstance(network, ResidualUNet3d)
    assert network.first.weight.shape == (3, 4, 3, 3, 3)
    assert [tuple(head.weight.shape[:2]) for head in network.heads] == [(2, 3), (2, 6), (2, 12)]
    network = build_network(UNet3dConfig(base_channels=3, dropout=0.25), 1)
    assert isinstance(network, UNet3d)
    assert {m.p for m in network.modules() if isinstance(m, torch.nn.Dropout3d)} == {0.25}


def test_the_configuration_decides_in_2d() -> None:
    network = build_network(UNet2dConfig(base_channels=3, padding="valid", batch_norm=False), 4, 2)
    assert isinstance(network, UNet2d)
    assert (network.margin, network.smallest, network.fitting(300)) == (92, 188, 300)
    assert not [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert network.heads[0].weight.shape == (2, 3, 1, 1)
    columns = (MCDNNColumnConfig(window=63), MCDNNColumnConfig(window=65, transform="nonuniform"))
    network = build_network(MCDNNConfig(base_channels=2, neurons=7, columns=columns), 1)
    assert isinstance(network, MCDNN)
    assert [column.field for column in network.columns] == [63, 97]
    assert network.margin == 48


def test_columns_are_read_from_a_file() -> None:
    given = {"name": "mcdnn", "columns": [{"window": 65, "transform": "foveation"}, {}]}
    config = TypeAdapter(NetworkConfig).validate_python(given)
    assert config.columns == (MCDNNColumnConfig(window=65, transform="foveation"), MCDNNColumnConfig(window=95))
    assert TypeAdapter(NetworkConfig).validate_python("mcdnn") == MCDNNConfig()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"window": 64}, "odd"),
        ({"window": 61}, "63"),
        ({"window": 65, "field": 95}, "non-uniform sampling alone"),
        ({"window": 65, "transform": "nonuniform", "field": 63}, "at least as large"),
        ({"window": 65, "transform": "nonuniform", "field": 96}, "odd"),
        ({"transform": "fisheye"}, "foveation"),
    ],
)
def test_impossible_columns_are_refused(column: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MCDNNColumnConfig(**column)


@pytest.mark.parametrize("other", [{"padding": "valid"}, {"batch_norm": False}], ids=str)
def test_instance_norm_is_refused_where_it_has_no_meaning(other: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="norm: instance"):
        UNet2dConfig(norm="instance", **other)


@pytest.mark.parametrize(
    ("config", "size", "smallest"),
    [
        (UNet2dConfig(padding="valid"), (187, 256, 1), 188),
        (UNet2dConfig(padding="valid"), (256, 128, 1), 188),
        (MCDNNConfig(), (94, 94, 1), 95),
        (MCDNNConfig(columns=(MCDNNColumnConfig(window=63),)), (62, 80, 1), 63),
    ],
)
def test_a_patch_below_the_receptive_field_is_refused(
    config: NetworkConfig, size: tuple[int, int, int], smallest: int
) -> None:
    sizes = f"{size[0]} x {size[1]} x 1"
    with pytest.raises(InputError, match=f"patches.size {sizes} is too small .* at least {smallest} x {smallest}"):
        require_patch_fits(config, size)


@pytest.mark.parametrize("config", [SFNetworkConfig(), UNet2dConfig(), ResidualUNet3dConfig()])
def test_networks_with_padding_learn_from_any_patch(config: NetworkConfig) -> None:
    require_patch_fits(config, (1, 1, 1))


def test_parameter_count_counts_what_is_trained() -> None:
    assert parameter_count(torch.nn.Conv3d(2, 5, 3)) == 2 * 5 * 27 + 5
    assert parameter_count(torch.nn.BatchNorm3d(7)) == 14


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_prior_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        set_prior_bias(UNet3d(1, base_channels=1), prior)
