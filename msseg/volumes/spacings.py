"""What an experiment leaves to its training cases: the spacing that the network sees, and its strides."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from msseg.cases.case import Case
from msseg.config.experiment import ExperimentConfig
from msseg.config.network import ResidualUNet3dConfig, Steps, UNet3dConfig
from msseg.errors import InputError
from msseg.volumes.files import is_stack, read_header
from msseg.volumes.geometry import Spacing, spacing_along, whole_grid

THICK = 2.0
"""Voxels along an axis are thick where they are at least so many times as long as the shortest (nnU-Net)."""

LEVELS = {ResidualUNet3dConfig: 4, UNet3dConfig: 3}
"""How often networks halve their maps."""


def resolved(config: ExperimentConfig, cases: Sequence[Case], channels: Sequence[str]) -> ExperimentConfig:
    """The experiment with numbers where it says `preprocessing.spacing: median` or `network.strides: auto`.

    Args:
        config: The experiment.
        cases: The training cases; of each the header of its first channel is read, and only where it is needed.
        channels: The network's channels, in order.

    Raises:
        InputError: A file cannot be read, or does not say how large its voxels are.
    """
    preprocessing, network = config.preprocessing, config.network
    strides = getattr(network, "strides", None)
    if preprocessing.spacing != "median" and strides != "auto":
        return config
    spacing = preprocessing.spacing
    if not isinstance(spacing, tuple):
        found = [network_spacing(case, channels, preprocessing.orientation) for case in cases]
        spacing = median_spacing(found)
    if preprocessing.spacing == "median":
        preprocessing = preprocessing.model_copy(update={"spacing": spacing})
    if strides == "auto":
        network = network.model_copy(update={"strides": strides_for(spacing, LEVELS[type(network)])})
    return config.model_copy(update={"preprocessing": preprocessing, "network": network})


def network_spacing(case: Case, channels: Sequence[str], orientation: Literal["RAS", "keep"]) -> Spacing:
    """Voxel edge lengths (mm) of a case along the network's axes, from the header of its first channel.

    Raises:
        InputError: The file cannot be read, or is a stack, whose voxels have no known size.
    """
    path = next(case.images[channel] for channel in channels if channel in case.images)
    if is_stack(path):
        raise InputError(
            f"{path} does not say how large its voxels are: give numbers in place of preprocessing.spacing median and"
            " network.strides auto"
        )
    header = read_header(path)
    return spacing_along(whole_grid(header.shape, header.affine, orientation), header.spacing)


def median_spacing(spacings: Sequence[Spacing]) -> Spacing:
    """The median along each axis, to a thousandth of a mm."""
    x, y, z = (round(float(length), 3) for length in np.median(np.array(spacings), axis=0))
    return x, y, z


def strides_for(spacing: Spacing, levels: int) -> tuple[Steps, ...]:
    """Strides that bring the voxels of all axes closer to one length, level by level.

    An axis is halved unless its voxels are `THICK`: at least twice as long as the shortest at that level. So they are
    isotropic within a factor of 2 at the bottleneck, if there are levels enough (Isensee et al. 2021, "nnU-Net",
    supplement: network topology; without its limit on small patches, which are padded here).
    """
    current = list(spacing)
    strides: list[Steps] = []
    for _ in range(levels):
        shortest = min(current)
        x, y, z = (1 if length >= THICK * shortest * (1 - 1e-3) else 2 for length in current)
        strides.append((x, y, z))  # type: ignore[arg-type]
        current = [length * step for length, step in zip(current, (x, y, z), strict=True)]
    return tuple(strides)
