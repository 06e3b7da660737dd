"""The residual 3D U-Net against its description, written down once more in plain functions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.residual_unet3d import ResidualUNet3d

State = dict[str, Tensor]


def conv(state: State, key: str, x: Tensor, stride: int = 1) -> Tensor:
    weight, bias = state[f"{key}.weight"], state.get(f"{key}.bias")
    return F.conv3d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2)


def norm(state: State, key: str, x: Tensor) -> Tensor:
    mean = x.mean((2, 3, 4), keepdim=True)
    variance = x.var((2, 3, 4), correction=0, keepdim=True)
    scale, shift = (state[f"{key}.{part}"].view(1, -1, 1, 1, 1) for part in ("weight", "bias"))
    return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift


def act(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.01 * x)


def norm_act(state: State, key: str, x: Tensor) -> Tensor:
    return act(norm(state, f"{key}.0", x))


def up(state: State, key: str, x: Tensor) -> Tensor:
    for axis in (2, 3, 4):
        x = x.repeat_interleave(2, axis)
    return norm_act(state, f"{key}.1", conv(state, f"{key}.0", x))


def described(state: State, x: Tensor) -> Tensor:
    """Encoder block 1: the first convolution's output is added to the third's; the fourth steps down."""
    skips = []
    x = conv(state, "first", x)
    for level in range(5):
        key = f"encoder.{level}"
        change = conv(state, f"{key}.first", norm_act(state, f"{key}.before", x))
        change = conv(state, f"{key}.second", norm_act(state, f"{key}.between", change))
        skips.append(norm_act(state, f"{key}.after", x + change))
        if level < 4:
            x = conv(state, f"down.{level}", skips[-1], stride=2)
    x = skips[4]
    for level in (3, 2, 1, 0):
        key = f"decoder.{level}"
        x = torch.cat([up(state, f"up.{level}", x), skips[level]], dim=1)
        x = norm_act(state, f"{key}.join_norm", conv(state, f"{key}.join", x))
        x = act(conv(state, f"{key}.halve", x))
        if level > 0:
            x = norm(state, f"{key}.norm", x)
    return conv(state, "heads.0", x)


def test_forward_is_what_the_description_says() -> None:
    torch.manual_seed(0)
    network = ResidualUNet3d(2, base_channels=3).double().eval()
    for parameter in network.parameters():
        if parameter.ndim == 1:  # scales, shifts and biases away from 1 and 0
            nn.init.normal_(parameter, mean=0.5)
    x = torch.randn(2, 2, 32, 48, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), described(network.state_dict(), x))


def test_convolutions_have_the_described_maps() -> None:
    network = ResidualUNet3d(1, base_channels=16)
    maps = {
        key: (module.in_channels, module.out_channels)
        for key, module in network.named_modules()
        if isinstance(module, nn.Conv3d)
    }
    assert maps["first"] == (1, 16)
    assert [maps[f"encoder.{level}.second"] for level in range(5)] == [
        (16, 16), (32, 32), (64, 64), (128, 128), (256, 256),
    ]  # fmt: skip
    assert [maps[f"down.{level}"] for level in range(4)] == [(16, 32), (32, 64), (64, 128), (128, 256)]
    assert [maps[f"up.{level}.0"] for level in range(4)] == [(32, 16), (64, 32), (128, 64), (256, 128)]
    assert [maps[f"decoder.{level}.join"][0] for level in range(4)] == [32, 64, 128, 256]
    assert [maps[f"decoder.{level}.halve"] for level in range(4)] == [
        (32, 16), (64, 32), (128, 64), (256, 128),
    ]  # fmt: skip
    assert maps["heads.0"] == (16, 1)


def test_mean_logit_of_a_window_depends_on_what_is_in_it() -> None:
    """Behind an instance norm all windows would have the same mean logit, whether they hold lesion or not."""
    torch.manual_seed(0)
    network = ResidualUNet3d(1, base_channels=4, deep_supervision=True, dropout=0.0).train()
    plain, striped = torch.randn(2, 1, 1, 32, 32, 32)
    striped[..., 12:20] += 4
    for one, other in zip(network(plain), network(striped), strict=True):
        assert abs(one.mean() - other.mean()) > 1e-3 * one.std()


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_drops_whole_maps_in_every_residual_block(dropout: float) -> None:
    torch.manual_seed(0)
    network = ResidualUNet3d(1, base_channels=16, dropout=dropout).train()
    shares: list[float] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shares.append((inputs[0] == 0).flatten(2).all(-1).float().mean().item())

    for block in network.encoder:
        block.second.register_forward_pre_hook(note)
    network(torch.randn(1, 1, 32, 32, 16))
    assert len(shares) == 5
    # 16 to 256 maps: three standard deviations of a share among 16 are 0.375.
    assert shares == pytest.approx([dropout] * 5, abs=0.375 if dropout else 0)
