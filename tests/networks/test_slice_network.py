"""Mirrored borders, sizes and layouts of the networks of slices."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from msseg.networks.segmentation_network import initialise
from msseg.networks.slice_network import SliceNetwork, mirrored


class Shrinking(SliceNetwork):
    """Without a margin the input itself; with one, the input without it. Notes the sizes that it is given."""

    multiple = 16

    def __init__(self, margin: int = 0) -> None:
        super().__init__()
        self.margin = margin
        self.given: list[tuple[int, ...]] = []

    @property
    def smallest(self) -> int:
        return 2 * self.margin + 4 if self.margin else self.multiple

    def compute(self, x: Tensor) -> Tensor:
        self.given.append(tuple(x.shape[2:]))
        end = -self.margin or None
        return x[:, :1, self.margin : end, self.margin : end]


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    before=st.integers(0, 30),
    after=st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_mirroring_is_numpys_reflection(size: tuple[int, int], before: int, after: tuple[int, int]) -> None:
    x = torch.arange(float(2 * size[0] * size[1])).view(1, 2, *size)
    wide = [length + before + more for length, more in zip(size, after, strict=True)]
    expected = np.pad(x.numpy(), [(0, 0), (0, 0), (before, after[0]), (before, after[1])], mode="reflect")
    assert np.array_equal(mirrored(x, before, wide).numpy(), expected)


def test_a_fitting_slice_is_not_copied() -> None:
    x = torch.zeros(1, 1, 16, 32)
    assert mirrored(x, 0, [16, 32]) is x


@pytest.mark.parametrize(
    ("size", "given"),
    [((32, 48), (32, 48)), ((33, 48), (48, 48)), ((17, 5), (32, 16)), ((16, 16), (32, 32)), ((2, 3), (32, 32))],
)
def test_sizes_are_padded_to_multiples_with_a_bottleneck_of_more_than_one_pixel(
    size: tuple[int, int], given: tuple[int, int]
) -> None:
    network, x = Shrinking(), torch.rand(1, 2, *size)
    assert torch.equal(network(x), x[:, :1])
    assert network.given == [given]


@pytest.mark.parametrize(("size", "given"), [((4, 20), (24, 40)), ((5, 1), (40, 24)), ((30, 36), (56, 56))])
def test_surroundings_are_mirrored_in_evaluation_alone(size: tuple[int, int], given: tuple[int, int]) -> None:
    network, x = Shrinking(margin=10), torch.rand(1, 1, *size)
    assert torch.equal(network.eval()(x), x)
    assert network.given == [given]
    wide = torch.rand(1, 1, size[0] + 20, size[1] + 20)
    assert torch.equal(network.train()(wide), wide[:, :, 10:-10, 10:-10])
    assert torch.equal(network.eval().centre(wide), wide[:, :, 10:-10, 10:-10])
    assert network.given == [given] * 3


@pytest.mark.parametrize(("length", "fitting"), [(1, 24), (24, 24), (25, 40), (40, 40), (100, 104)])
def test_fitting_sizes_are_steps_from_the_smallest(length: int, fitting: int) -> None:
    assert Shrinking(margin=10).fitting(length) == fitting


def test_a_stack_of_samples_comes_back_in_order() -> None:
    x = torch.rand(2, 1, 16, 32, 3)
    assert torch.equal(Shrinking()(x), x)


class Layers(SliceNetwork):
    """Layers to initialise."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(32, 64, 3)
        self.up = nn.ConvTranspose2d(64, 64, 2, stride=2)
        self.heads = nn.ModuleList([nn.Conv2d(64, 1, 1)])


def test_the_layout_of_volumes_means_that_of_slices() -> None:
    network = Layers().to(memory_format=torch.channels_last_3d)
    assert network.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert network.to(torch.float64).conv.weight.dtype == torch.float64


def test_weights_keep_the_variance() -> None:
    """He et al. 2015, equation 10: fan_in * variance = 2."""
    torch.manual_seed(0)
    network = Layers()
    initialise(network, negative_slope=0)
    assert 32 * 9 * network.conv.weight.var().item() == pytest.approx(2, rel=0.05)
    x = torch.relu(torch.randn(1, 64, 40, 40))
    assert network.up(x).var().item() == pytest.approx(1, rel=0.2)
    assert network.up.bias is not None
    assert network.up.bias.abs().max() == 0
