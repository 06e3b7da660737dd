"""SF Network, U-Net and FusionNet against their descriptions, written down once more in plain functions."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from msseg.networks.fusionnet import FusionNet
from msseg.networks.registry import parameter_count
from msseg.networks.sf_network import SFNetwork
from msseg.networks.slice_network import SliceNetwork
from msseg.networks.unet2d import UNet2d


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (lambda: SFNetwork(1), 1_593_601),
        (lambda: UNet2d(1, batch_norm=False), 31_030_593),
        (lambda: UNet2d(1), 31_042_369),
        (lambda: UNet2d(1, padding="valid"), 31_042_369),
        (lambda: FusionNet(1), 75_049_537),
    ],
)
def test_parameter_count(build: Callable[[], SliceNetwork], count: int) -> None:
    with torch.device("meta"):
        assert parameter_count(build()) == count


def test_squeezed_maps_are_half() -> None:
    with torch.device("meta"):
        network = SFNetwork(3)
    assert [block[0][0].in_channels for block in network.down] == [3, 32, 32, 32]
    assert [block[0][0].in_channels for block in network.fuse] == [64, 64, 64, 64]
    assert {block[-1][0].out_channels for block in [*network.down, network.bridge, *network.fuse]} == {32}


def conv(state: dict[str, Tensor], key: str, x: Tensor, padding: int | None = None) -> Tensor:
    weight = state[f"{key}.weight"]
    return F.conv2d(x, weight, state[f"{key}.bias"], padding=weight.shape[-1] // 2 if padding is None else padding)


def norm_relu(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    mean, variance, scale, shift = (
        state[f"{key}.{part}"].view(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / torch.sqrt(variance + 1e-5) * scale + shift).clamp(min=0)


def cbr(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    return norm_relu(state, f"{key}.1", conv(state, f"{key}.0", x))


def block(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    """Convolution, residual block, convolution, and whatever follows."""
    x = cbr(state, f"{key}.0", x)
    inner = x
    for number in range(3):
        inner = cbr(state, f"{key}.1.convolutions.{number}", inner)
    x = cbr(state, f"{key}.2", x + inner)
    return cbr(state, f"{key}.3", x) if f"{key}.3.0.weight" in state else x


def up(state: dict[str, Tensor], key: str, x: Tensor) -> Tensor:
    x = F.conv_transpose2d(x, state[f"{key}.0.weight"], state[f"{key}.0.bias"], stride=2)
    return norm_relu(state, f"{key}.1", x)


def sf_network(state: dict[str, Tensor], x: Tensor) -> Tensor:
    skips = []
    for level in range(4):
        skips.append(block(state, f"down.{level}", x))
        x = F.max_pool2d(skips[-1], 2)
    x = block(state, "bridge", x)
    for step in range(4):
        x = block(state, f"fuse.{step}", torch.cat([skips[3 - step], up(state, f"up.{step}", x)], dim=1))
    return conv(state, "heads.0", x)


def fusionnet(state: dict[str, Tensor], x: Tensor) -> Tensor:
    skips = []
    for level in range(4):
        skips.append(block(state, f"down.{level}", x))
        x = F.max_pool2d(skips[-1], 2)
    x = block(state, "bridge", x)
    for level in (3, 2, 1, 0):
        x = block(state, f"fuse.{level}", skips[level] + up(state, f"up.{level}", x))
    return conv(state, "heads.0", x)


def unet2d(state: dict[str, Tensor], x: Tensor, padding: int) -> Tensor:
    with_norm = any("running_mean" in key for key in state)

    def double(key: str, x: Tensor) -> Tensor:
        for number in range(2):
            layer = number * (3 if with_norm else 2)
            x = conv(state, f"{key}.{layer}", x, padding)
            x = norm_relu(state, f"{key}.{layer + 1}", x) if with_norm else x.clamp(min=0)
        return x

    skips = []
    for level in range(4):
        skips.append(double(f"encoder.{level}", x))
        x = F.max_pool2d(skips[-1], 2)
    x = double("encoder.4", x)
    for level in (3, 2, 1, 0):
        x = F.conv_transpose2d(x, state[f"up.{level}.weight"], state[f"up.{level}.bias"], stride=2)
        spare = (skips[level].shape[-1] - x.shape[-1]) // 2
        skip = skips[level][:, :, spare : spare + x.shape[2], spare : spare + x.shape[3]]
        x = double(f"decoder.{level}", torch.cat([skip, x], dim=1))
    return conv(state, "heads.0", x)


DESCRIBED: dict[str, tuple[Callable[[], SliceNetwork], Callable[[dict[str, Tensor], Tensor], Tensor], int]] = {
    "sf_network": (lambda: SFNetwork(2, base_channels=6), sf_network, 48),
    "fusionnet": (lambda: FusionNet(2, base_channels=3), fusionnet, 48),
    "unet2d": (lambda: UNet2d(2, base_channels=3), lambda state, x: unet2d(state, x, 1), 48),
    "unet2d without norm": (
        lambda: UNet2d(2, base_channels=3, batch_norm=False), lambda state, x: unet2d(state, x, 1), 48,
    ),
    "unet2d valid": (
        lambda: UNet2d(2, base_channels=3, padding="valid"), lambda state, x: unet2d(state, x, 0), 204,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_forward_is_what_the_papers_describe(name: str) -> None:
    torch.manual_seed(0)
    build, described, side = DESCRIBED[name]
    network = build().double().eval()
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:  # scales, shifts, biases and running statistics away from 1 and 0
            tensor.uniform_(0.5, 1.5)
    x = torch.randn(1, 2, side, side, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network.centre(x), described(network.state_dict(), x))


def test_without_padding_572_pixels_give_388() -> None:
    """Ronneberger et al. 2015, figure 1."""
    with torch.device("meta"):
        network = UNet2d(1, base_channels=1, padding="valid").train()
        assert network(torch.empty(1, 1, 572, 572)).shape == (1, 1, 388, 388)
        assert network.compute(torch.empty(1, 1, network.smallest, 572)).shape == (1, 1, 4, 388)


def test_without_padding_a_logit_sees_no_further_than_the_margin() -> None:
    """And no less: but for pooling, whose steps of 16 pixels may look up to 15 further."""
    torch.manual_seed(0)
    network = UNet2d(1, base_channels=1, padding="valid", batch_norm=False).double().eval()
    for parameter in network.parameters():
        parameter.data.uniform_(0.1, 1)  # nothing cancels and no ReLU is shut
    x = torch.rand(1, 1, 220, 220, dtype=torch.float64, requires_grad=True)
    network.compute(x)[0, 0, 0, 0].backward()
    assert x.grad is not None
    rows = x.grad[0, 0].abs().amax(1).nonzero()
    assert rows.min() == 0
    assert 92 + 92 <= rows.max() < 92 + 92 + 16
