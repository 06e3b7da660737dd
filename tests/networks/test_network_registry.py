"""Networks by name."""

from typing import get_args

import pytest
import torch

from msseg.config.network import NetworkConfig, ResidualUNet3dConfig, UNet3dConfig
from msseg.networks.registry import NETWORKS, build_network, parameter_count, set_prior_bias
from msseg.networks.residual_unet3d import ResidualUNet3d
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


def test_parameter_count_counts_what_is_trained() -> None:
    assert parameter_count(torch.nn.Conv3d(2, 5, 3)) == 2 * 5 * 27 + 5
    assert parameter_count(torch.nn.BatchNorm3d(7)) == 14


@pytest.mark.parametrize("prior", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_prior_is_refused(prior: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        set_prior_bias(UNet3d(1, base_channels=1), prior)
