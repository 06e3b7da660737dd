"""The layers against PyTorch's own in exact arithmetic."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msseg.networks.blocks import InstanceNorm3d, UpsampleConv3d

LAYOUTS = [torch.contiguous_format, torch.channels_last_3d]


def gradients(result: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Gradients of a sum with fixed random weights."""
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(5), dtype=result.dtype)
    return torch.autograd.grad((result * weights).sum(), inputs)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("batch", [1, 3])
def test_instance_norm_is_pytorchs(batch: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours, theirs = InstanceNorm3d(4).double(), nn.InstanceNorm3d(4, affine=True).double()
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    x = (3 * torch.randn(batch, 4, 5, 6, 7, dtype=torch.float64) + 2).contiguous(memory_format=layout)
    x.requires_grad_()
    torch.testing.assert_close(ours(x), theirs(x))
    ours_gradients = gradients(ours(x), x, ours.weight, ours.bias)
    torch.testing.assert_close(ours_gradients, gradients(theirs(x), x, theirs.weight, theirs.bias))


@pytest.mark.parametrize("training", [True, False])
def test_instance_norm_knows_no_running_statistics(training: bool) -> None:
    norm = InstanceNorm3d(2).train(training)
    result = norm(5 + 2 * torch.randn(2, 2, 8, 8, 8))
    torch.testing.assert_close(result.mean((2, 3, 4)), torch.zeros(2, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std((2, 3, 4)), torch.ones(2, 2), atol=1e-2, rtol=0)
    assert set(norm.state_dict()) == {"weight", "bias"}


def test_instance_norm_of_a_single_voxel_is_the_shift() -> None:
    norm = InstanceNorm3d(3).train()
    nn.init.normal_(norm.bias)
    torch.testing.assert_close(norm(torch.randn(1, 3, 1, 1, 1)).flatten(), norm.bias, atol=1e-4, rtol=0)


@pytest.mark.parametrize("batch", [1, 2])
def test_layers_keep_channels_last_in_bf16(batch: int) -> None:
    """A layer that answers channels-first makes the next convolution copy its input back."""
    last = torch.channels_last_3d
    x = torch.randn(batch, 8, 6, 6, 6).bfloat16().contiguous(memory_format=last).requires_grad_()
    for layer in (InstanceNorm3d(8), UpsampleConv3d(8, 4).to(memory_format=last)):
        with torch.autocast("cpu", torch.bfloat16):
            result = layer(x * 1)
        assert result.dtype == torch.bfloat16
        assert result.is_contiguous(memory_format=last)
        assert not result.is_contiguous()


def test_instance_norm_in_bf16_is_close_to_fp32() -> None:
    x = torch.randn(2, 8, 9, 9, 9)
    norm = InstanceNorm3d(8)
    torch.testing.assert_close(norm(x.bfloat16()).float(), norm(x), atol=0.03, rtol=0.02)


@pytest.mark.parametrize("size", [(4, 5, 6), (1, 1, 1), (2, 1, 3)], ids=str)
def test_upsampling_convolution_is_nearest_neighbour_then_convolution(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = UpsampleConv3d(3, 2).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    reference = F.conv3d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, padding=1)
    torch.testing.assert_close(layer(x), reference)
    torch.testing.assert_close(gradients(layer(x), x, layer.weight), gradients(reference, x, layer.weight))
