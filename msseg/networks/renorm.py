"""Batch renormalisation (Ioffe 2017): a norm that sees a voxel alike in every window."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST_SCALE = 3.0
LARGEST_SHIFT = 5.0
"""How far a batch's spread and mean may be from the running ones; the paper's r_max and d_max."""
SLOWEST = 0.05
"""Weight of a new batch in the running averages; the first ones weigh 1, 1/2, 1/3 ..., a plain mean."""


class _BatchRenorm(nn.modules.batchnorm._BatchNorm):
    """Normalises by running averages of mean and spread, in training as at prediction.

    Instance and batch norm learn with the mean and spread of a patch. At prediction the first one takes those of the
    window, so that the answer hangs on how large it is; the second one takes running averages, which the network has
    never seen. Here a map x with batch mean m and spread s becomes (x - m) / s * r + d, with r = s / S and
    d = (m - M) / S for the running averages M and S, held between bounds: between these the same as (x - M) / S, but
    the gradient is that of batch norm, with r and d as constants.

    The averages hold the batch at hand already, so that the first steps are those of batch norm; the paper has
    thousands of steps with r = 1 and d = 0 to start with.
    Source: Ioffe 2017, "Batch renormalization: towards reducing minibatch dependence in batch-normalized models",
    algorithm 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, ...) to the same shape and memory layout."""
        if not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        scale, shift = self._correction(x)
        return F.batch_norm(x, None, None, self.weight * scale, self.bias + self.weight * shift, True, 0.0, self.eps)

    @torch.no_grad()
    def _correction(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take a batch into the running averages; r and d, each of shape (C,)."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked += 1
        newest = (1 / self.num_batches_tracked.to(self.running_mean.dtype)).clamp(min=SLOWEST)
        # The one operator that has mean and variance of channels-last maps in one pass; torch.var_mean takes 20 times
        # as long on a CPU.
        mean, variance = torch.ops.aten.batch_norm_update_stats(x, None, None, 0.0)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), newest)
        self.running_var.lerp_(variance.to(self.running_var.dtype), newest)
        spread = (self.running_var + self.eps).sqrt()
        scale = (variance + self.eps).sqrt() / spread
        shift = (mean - self.running_mean) / spread
        return scale.clamp(1 / LARGEST_SCALE, LARGEST_SCALE), shift.clamp(-LARGEST_SHIFT, LARGEST_SHIFT)


class BatchRenorm3d(_BatchRenorm, nn.BatchNorm3d):
    """Batch renormalisation of volumes."""


class BatchRenorm2d(_BatchRenorm, nn.BatchNorm2d):
    """Batch renormalisation of slices."""


def renormalised(network: nn.Module) -> None:
    """Put batch renormalisation in the place of all instance and batch norms of a network."""
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm3d | nn.InstanceNorm3d):
            setattr(network, name, BatchRenorm3d(child.num_features))
        elif isinstance(child, nn.BatchNorm2d | nn.InstanceNorm2d):
            setattr(network, name, BatchRenorm2d(child.num_features))
        else:
            renormalised(child)
