"""Networks by name."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from msseg.config.network import NetworkConfig
from msseg.errors import InputError
from msseg.networks.blocks import normalised_by_image
from msseg.networks.fusionnet import FusionNet
from msseg.networks.mcdnn import MCDNN
from msseg.networks.renorm import renormalised
from msseg.networks.residual_unet3d import ResidualUNet3d
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.networks.sf_network import SFNetwork
from msseg.networks.unet2d import UNet2d
from msseg.networks.unet3d import UNet3d

NETWORKS: dict[str, Callable[..., SegmentationNetwork]] = {
    "residual_unet3d": ResidualUNet3d,
    "unet3d": UNet3d,
    "sf_network": SFNetwork,
    "unet2d": UNet2d,
    "fusionnet": FusionNet,
    "mcdnn": MCDNN,
}
"""Name in a configuration -> class."""


def build_network(config: NetworkConfig, in_channels: int, out_channels: int = 1) -> SegmentationNetwork:
    """Make the network that `config` names, with fresh weights drawn from torch's global generator.

    Raises:
        InputError: Its strides are `auto`, which training turns into numbers.
    """
    if getattr(config, "strides", None) == "auto":
        raise InputError("network.strides auto is known in training alone: write the numbers down")
    parameters = {key: value for key, value in config if key not in ("name", "norm")}
    network = NETWORKS[config.name](in_channels, out_channels, **parameters)
    match getattr(config, "norm", None):
        case "instance":
            normalised_by_image(network)
        case "renorm":
            renormalised(network)
    return network


def require_patch_fits(config: NetworkConfig, patch_size: Sequence[int]) -> None:
    """Refuse patches that leave a network without padding nothing to answer.

    Raises:
        InputError: A side of the patch in the plane of the first two axes is below the network's smallest.
    """
    with torch.device("meta"):
        network = build_network(config, in_channels=1)
    if network.margin and min(patch_size[:2]) < network.smallest:
        raise InputError(
            f"patches.size {' x '.join(map(str, patch_size))} is too small for the network {config.name}, which uses up"
            f" {network.margin} pixels on each side: give at least {network.smallest} x {network.smallest}"
        )


def parameter_count(network: nn.Module) -> int:
    """Number of trained values: weights, biases, scales and shifts."""
    return sum(parameter.numel() for parameter in network.parameters())


def set_prior_bias(network: SegmentationNetwork, prior: float) -> None:
    """Start all output layers at logit(prior): training need not begin by unlearning a probability of 0.5.

    `prior` is the expected share of foreground voxels, above 0 and below 1; ValueError otherwise.
    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", section 3.3.
    """
    if not 0 < prior < 1:
        raise ValueError(f"the prior has to lie between 0 and 1, both excluded, but is {prior}")
    network.set_output_bias(math.log(prior / (1 - prior)))
