"""The arithmetic of training: bf16 where its gradients are right."""

import pytest
import torch

from msseg.config.network import ResidualUNet3dConfig, UNet3dConfig
from msseg.errors import InputError
from msseg.inference.device import has_fast_bf16
from msseg.networks.registry import build_network
from msseg.training.precision import training_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [(16, 48, 48), (48, 48, 32), (1, 96, 96)])
def test_small_patches_are_not_trained_in_bf16_on_a_cpu(size: tuple[int, int, int]) -> None:
    assert training_precision("auto", CPU, size, multiple=16) == torch.float32
    with pytest.raises(InputError, match=r"too small to train in bf16.*fp32.*above 32"):
        training_precision("bf16", CPU, size, multiple=16)


@pytest.mark.parametrize(("size", "multiple"), [((48, 48, 48), 16), ((33, 96, 144), 16), ((24, 17, 24), 8)])
def test_larger_patches_are(size: tuple[int, int, int], multiple: int) -> None:
    assert training_precision("bf16", CPU, size, multiple) == torch.bfloat16
    fast = torch.bfloat16 if has_fast_bf16(CPU) else torch.float32
    assert training_precision("auto", CPU, size, multiple) == fast
    assert training_precision("fp32", CPU, size, multiple) == torch.float32


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
