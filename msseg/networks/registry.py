"""Networks by name."""

import math

import torch
from torch import nn

from msseg.config.network import NetworkConfig
from msseg.networks.residual_unet3d import ResidualUNet3d
from msseg.networks.unet3d import UNet3d
from msseg.networks.volume_network import VolumeNetwork

NETWORKS: dict[str, type[ResidualUNet3d] | type[UNet3d]] = {
    "residual_unet3d": ResidualUNet3d,
    "unet3d": UNet3d,
}
"""Name in a configuration -> class."""


def build_network(config: NetworkConfig, in_channels: int, out_channels: int = 1) -> VolumeNetwork:
    """Make the network that `config` names, with fresh weights drawn from torch's global generator."""
    parameters = config.model_dump(exclude={"name"})
    return NETWORKS[config.name](in_channels, out_channels, **parameters)


def parameter_count(network: nn.Module) -> int:
    """Number of trained values: weights, biases, scales and shifts."""
    return sum(parameter.numel() for parameter in network.parameters())


def set_prior_bias(network: VolumeNetwork, prior: float) -> None:
    """Start all output layers at logit(prior): training need not begin by unlearning a probability of 0.5.

    `prior` is the expected share of foreground voxels, above 0 and below 1; ValueError otherwise.
    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", section 3.3.
    """
    if not 0 < prior < 1:
        raise ValueError(f"the prior has to lie between 0 and 1, both excluded, but is {prior}")
    with torch.no_grad():
        for head in network.heads:
            assert isinstance(head, nn.Conv3d)
            assert head.bias is not None
            head.bias.fill_(math.log(prior / (1 - prior)))
