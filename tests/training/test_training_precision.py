"""The arithmetic of training: bf16 where its gradients are right."""

import pytest
import torch

from msseg.config.network import ResidualUNet3dConfig, SFNetworkConfig, UNet3dConfig
from msseg.errors import InputError
from msseg.inference.device import has_fast_bf16
from msseg.networks.registry import build_network
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.training.precision import training_precision

CPU = torch.device("cpu")
RESIDUAL, PLAIN, SLICES = (
    build_network(config(base_channels=4), in_channels=1)
    for config in (ResidualUNet3dConfig, UNet3dConfig, SFNetworkConfig)
)


@pytest.mark.parametrize("size", [(16, 48, 48), (48, 48, 32), (1, 96, 96)])
def test_small_patches_are_not_trained_in_bf16_on_a_cpu(size: tuple[int, int, int]) -> None:
    assert training_precision("auto", CPU, size, RESIDUAL) == torch.float32
    with pytest.raises(InputError, match=r"too small to train in bf16.*fp32.*above 32"):
        training_precision("bf16", CPU, size, RESIDUAL)


@pytest.mark.parametrize(
    ("size", "network"),
    [((48, 48, 48), RESIDUAL), ((33, 96, 144), RESIDUAL), ((24, 17, 24), PLAIN), ((16, 16, 1), SLICES)],
)
def test_larger_patches_and_slices_of_any_size_are(size: tuple[int, int, int], network: SegmentationNetwork) -> None:
    assert training_precision("bf16", CPU, size, network) == torch.bfloat16
    fast = torch.bfloat16 if has_fast_bf16(CPU) else torch.float32
    assert training_precision("auto", CPU, size, network) == fast
    assert training_precision("fp32", CPU, size, network) == torch.float32


@pytest.mark.parametrize(
    ("config", "edge"), [(ResidualUNet3dConfig(base_channels=4), 48), (UNet3dConfig(base_channels=4), 24)]
)
def test_gradients_in_bf16_do_not_depend_on_what_was_in_memory(
    config: ResidualUNet3dConfig | UNet3dConfig, edge: int
) -> None:
    """At the smallest size that is let through: what PyTorch computes there is finite, repeatable and near fp32."""

    def gradients(dtype: torch.dtype, junk: float) -> list[torch.Tensor]:
        torch.manual_seed(0)
        network = build_network(config, in_channels=1).to(memory_format=torch.channels_last_3d)
        image = torch.randn(1, 1, edge, edge, edge).to(memory_format=torch.channels_last_3d)
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = network(image).float().square().mean()
        freed = [torch.full((count,), junk) for count in (10**3, 10**4, 10**5, 10**6)]
        del freed
        loss.backward()
        return [weights.grad for weights in network.parameters()]

    first, second = gradients(torch.bfloat16, float("nan")), gradients(torch.bfloat16, 1e30)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    exact = torch.cat([gradient.ravel() for gradient in gradients(torch.float32, 0.0)])
    error = (torch.cat([gradient.ravel() for gradient in first]) - exact).norm() / exact.norm()
    assert error < 0.1
