"""The 3D U-Net against the published architecture."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.registry import parameter_count
from msseg.networks.unet3d import UNet3d


def test_parameter_count_is_the_published_one() -> None:
    """Cicek et al. 2016, section 3: 19,069,955 parameters, batch norm's scales and shifts not counted."""
    with torch.device("meta"):
        network = UNet3d(3, 3, base_channels=32)
    convolutions = (nn.Conv3d, nn.ConvTranspose3d)
    counts = [parameter_count(module) for module in network.modules() if isinstance(module, convolutions)]
    assert sum(counts) == 19_069_955
    assert parameter_count(network) == 19_069_955 + 4_672


def test_levels_have_the_published_maps() -> None:
    with torch.device("meta"):
        network = UNet3d(3, 3, base_channels=32)
    maps = [
        [(layer.in_channels, layer.out_channels) for layer in block if isinstance(layer, nn.Conv3d)]
        for block in [*network.encoder, *network.decoder]
    ]
    assert maps == [
        [(3, 32), (32, 64)],
        [(64, 64), (64, 128)],
        [(128, 128), (128, 256)],
        [(256, 256), (256, 512)],
        [(64 + 128, 64), (64, 64)],
        [(128 + 256, 128), (128, 128)],
        [(256 + 512, 256), (256, 256)],
    ]
    assert [layer.in_channels for layer in network.up] == [128, 256, 512]


def described(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The published network in plain functions, in evaluation mode."""

    def block(key: str, x: Tensor) -> Tensor:
        for conv, norm in ((0, 1), (3, 4)):
            x = F.conv3d(x, state[f"{key}.{conv}.weight"], state[f"{key}.{conv}.bias"], padding=1)
            mean, variance, scale, shift = (
                state[f"{key}.{norm}.{part}"].view(1, -1, 1, 1, 1)
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            x = ((x - mean) / torch.sqrt(variance + 1e-5) * scale + shift).clamp(min=0)
        return x

    skips = []
    for level in range(3):
        skips.append(block(f"encoder.{level}", x))
        x = F.max_pool3d(skips[-1], 2)
    x = block("encoder.3", x)
    for level in (2, 1, 0):
        x = F.conv_transpose3d(x, state[f"up.{level}.weight"], stride=2)
        x = block(f"decoder.{level}", torch.cat([x, skips[level]], dim=1))
    return F.conv3d(x, state["heads.0.weight"], state["heads.0.bias"])


def test_forward_is_what_the_paper_describes() -> None:
    torch.manual_seed(0)
    network = UNet3d(2, base_channels=3).double().eval()
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:  # scales, shifts, biases and running statistics away from 1 and 0
            tensor.uniform_(0.5, 1.5)
    x = torch.randn(2, 2, 16, 24, 8, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), described(network.state_dict(), x))
