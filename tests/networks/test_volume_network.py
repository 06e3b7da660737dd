"""Padding and cropping, and the first weights."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from msseg.networks.segmentation_network import initialise
from msseg.networks.unet3d import UNet3d
from msseg.networks.volume_network import VolumeNetwork, crop, margins, pad, padded_size

SIZES = st.tuples(*[st.integers(1, 40)] * 3)
MULTIPLES = st.tuples(*[st.sampled_from([1, 2, 4, 8, 16])] * 3)


@given(size=SIZES, multiple=MULTIPLES)
def test_inner_size_is_the_least_multiple_with_more_than_one_bottleneck_voxel(
    size: tuple[int, int, int], multiple: tuple[int, int, int]
) -> None:
    inner = padded_size(size, multiple)
    axes = list(zip(inner, size, multiple, strict=True))
    assert all(to % step == 0 and to >= length for to, length, step in axes)
    assert any(to > step for to, _, step in axes)
    if any(length > step for _, length, step in axes):
        assert all(to - length < step for to, length, step in axes)


@given(size=SIZES, powers=st.tuples(*[st.integers(0, 4)] * 3), level=st.integers(0, 2))
def test_crop_at_every_level_lies_on_the_image(
    size: tuple[int, int, int], powers: tuple[int, int, int], level: int
) -> None:
    """Pooling the padded volume and cropping it is the same as pooling the volume: nothing is shifted."""
    x = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    inner = padded_size(size, (2 ** powers[0], 2 ** powers[1], 2 ** powers[2]))
    before = margins(size, inner)
    padded = pad(x, before, inner)
    assert padded.shape[2:] == inner
    x_factor, y_factor, z_factor = (2 ** min(level, power) for power in powers)
    factors = x_factor, y_factor, z_factor
    pooled = F.max_pool3d(padded, factors)
    assert torch.equal(crop(pooled, before, size, factors), F.max_pool3d(x, factors, ceil_mode=True))


def test_padding_repeats_the_border() -> None:
    row = torch.arange(1.0, 6.0).view(1, 1, 5, 1, 1)
    padded = pad(row, (4, 0, 0), (16, 1, 1)).flatten().tolist()
    assert padded == [1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5]


def test_a_fitting_volume_is_not_copied() -> None:
    x = torch.zeros(1, 1, 16, 32, 16)
    assert pad(x, (0, 0, 0), padded_size((16, 32, 16), (16, 16, 16))) is x


class Layers(VolumeNetwork):
    """Layers to initialise."""

    def __init__(self) -> None:
        super().__init__((64,), 1, [(2, 2, 2)])
        self.conv = nn.Conv3d(32, 64, 3)
        self.up = nn.ConvTranspose3d(64, 64, 2, stride=2, bias=False)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.5])
def test_weights_keep_the_variance(slope: float) -> None:
    """He et al. 2015, equation 15: (1 + slope^2) / 2 * fan_in * variance = 1."""
    torch.manual_seed(0)
    network = Layers()
    initialise(network, negative_slope=slope)
    assert (1 + slope**2) / 2 * 32 * 27 * network.conv.weight.var().item() == pytest.approx(1, rel=0.05)
    assert network.conv.bias is not None
    assert network.conv.bias.abs().max() == 0
    x = F.relu(torch.randn(1, 64, 12, 12, 12))
    assert network.up(x).var().item() == pytest.approx(1, rel=0.2)


def test_same_seed_same_weights() -> None:
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(UNet3d(1, base_channels=2).heads[0].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
