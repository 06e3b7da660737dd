"""Batch renormalisation against the paper's formulas, written down plainly in exact arithmetic."""

import pytest
import torch
from torch import Tensor, nn

from msseg.config.network import ResidualUNet3dConfig, SFNetworkConfig, UNet3dConfig
from msseg.networks.registry import build_network
from msseg.networks.renorm import LARGEST_SCALE, LARGEST_SHIFT, SLOWEST, BatchRenorm2d, BatchRenorm3d

EPS = 1e-5


class Plainly:
    """Algorithm 1 of Ioffe 2017 with autograd doing the rest; the averages hold the batch at hand."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = (values.detach().clone().requires_grad_() for values in (weight, bias))
        self.means: Tensor = torch.zeros_like(weight)
        self.variances: Tensor = torch.zeros_like(weight)
        self.batches = 0

    def __call__(self, x: Tensor) -> Tensor:
        maps = x.transpose(0, 1).flatten(1)
        mean, variance = maps.mean(1), maps.var(1, correction=0)
        self.batches += 1
        share = max(1 / self.batches, SLOWEST)
        self.means = (1 - share) * self.means + share * mean.detach()
        self.variances = (1 - share) * self.variances + share * variance.detach()
        r = ((variance + EPS) / (self.variances + EPS)).sqrt().detach().clamp(1 / LARGEST_SCALE, LARGEST_SCALE)
        d = ((mean - self.means) / (self.variances + EPS).sqrt()).detach().clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
        normalised = (maps - mean[:, None]) / (variance + EPS).sqrt()[:, None] * r[:, None] + d[:, None]
        result = self.weight[:, None] * normalised + self.bias[:, None]
        return result.unflatten(1, (x.shape[0], *x.shape[2:])).transpose(0, 1)


def batches(*shape: int, spread: float = 2.0, many: int = 30) -> list[Tensor]:
    """Batches whose means and spreads differ, in float64."""
    torch.manual_seed(3)
    channels = (1, shape[1]) + (1,) * (len(shape) - 2)
    return [
        torch.randn(shape, dtype=torch.float64) * torch.rand(channels, dtype=torch.float64).mul(spread).exp()
        + spread * torch.randn(channels, dtype=torch.float64)
        for _ in range(many)
    ]


def fresh(kind: type[nn.BatchNorm3d] | type[nn.BatchNorm2d], channels: int) -> nn.Module:
    torch.manual_seed(1)
    norm = kind(channels).double().train()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("spread", [0.3, 4.0], ids=["within the bounds", "beyond them"])
@pytest.mark.parametrize(("kind", "size"), [(BatchRenorm3d, (4, 3, 5)), (BatchRenorm2d, (6, 5))])
def test_values_and_gradients_are_the_papers(kind: type, size: tuple[int, ...], spread: float) -> None:
    norm = fresh(kind, 3)
    plainly = Plainly(norm.weight, norm.bias)
    for x in batches(2, 3, *size, spread=spread):
        weights = torch.randn_like(x)
        ours, theirs = (x.clone().requires_grad_() for _ in range(2))
        result, expected = norm(ours), plainly(theirs)
        torch.testing.assert_close(result, expected)
        found = torch.autograd.grad((result * weights).sum(), [ours, norm.weight, norm.bias])
        right = torch.autograd.grad((expected * weights).sum(), [theirs, plainly.weight, plainly.bias])
        torch.testing.assert_close(found, right)
    torch.testing.assert_close(norm.running_mean, plainly.means)
    torch.testing.assert_close(norm.running_var, plainly.variances)


def test_the_first_batch_is_batch_norm() -> None:
    norm = fresh(BatchRenorm3d, 3)
    theirs = nn.BatchNorm3d(3).double().train()
    theirs.load_state_dict(norm.state_dict())
    (x,) = batches(2, 3, 4, 4, 4, many=1)
    torch.testing.assert_close(norm(x), theirs(x))


def test_within_the_bounds_training_sees_what_prediction_sees() -> None:
    """That is what it is for: batch norm in training and in evaluation are two functions."""
    norm = fresh(BatchRenorm3d, 3)
    batch = nn.BatchNorm3d(3, momentum=SLOWEST).double().train()
    batch.load_state_dict(norm.state_dict())
    for x in batches(1, 3, 6, 6, 6, spread=0.4):
        learned, learned_by_batch = norm(x), batch(x)
    norm.eval()
    batch.eval()
    torch.testing.assert_close(learned, norm(x))
    assert (learned_by_batch - batch(x)).abs().max() > 0.1


def test_a_voxel_is_the_same_in_every_window() -> None:
    norm = fresh(BatchRenorm3d, 3)
    for x in batches(1, 3, 8, 8, 8):
        norm(x)
    norm.eval()
    with torch.no_grad():
        torch.testing.assert_close(norm(x)[..., 2:7, :4, 1:], norm(x[..., 2:7, :4, 1:]))


def test_bf16_and_channels_last_stay_so() -> None:
    norm = BatchRenorm3d(8).train()
    x = torch.randn(2, 8, 6, 6, 6).bfloat16().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    for _ in range(2):
        result = norm(x * 1)
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=torch.channels_last_3d)
    exact = BatchRenorm3d(8).train()
    for _ in range(2):
        expected = exact(x.detach().float())
    torch.testing.assert_close(result.detach().float(), expected, atol=0.03, rtol=0.02)
    assert norm.running_mean.dtype == torch.float32
    torch.testing.assert_close(norm.running_var, exact.running_var, atol=0.01, rtol=0.01)


@pytest.mark.parametrize("config", [ResidualUNet3dConfig, UNet3dConfig, SFNetworkConfig])
def test_a_network_has_it_everywhere_and_the_same_first_weights(config: type) -> None:
    torch.manual_seed(0)
    usual = build_network(config(base_channels=4), 1)
    torch.manual_seed(0)
    network = build_network(config(base_channels=4, norm="renorm"), 1)
    norms = [module for module in network.modules() if isinstance(module, BatchRenorm2d | BatchRenorm3d)]
    others = (nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    assert len(norms) == sum(isinstance(module, others) for module in usual.modules()) > 5
    assert sum(isinstance(module, others) for module in network.modules()) == len(norms)
    for (name, ours), (same, theirs) in zip(network.named_parameters(), usual.named_parameters(), strict=True):
        assert name == same
        assert torch.equal(ours, theirs)
