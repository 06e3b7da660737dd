"""The arithmetic of training, where it may differ from that of prediction."""

from collections.abc import Sequence

import torch

from msseg.errors import InputError
from msseg.inference.device import choose_precision
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.networks.slice_network import SliceNetwork

SMALLEST_BF16_MAP = 3
"""Voxels along an axis from which gradients in bf16 are right on a CPU. Below, oneDNN 3.12 (PyTorch 2.13) reads and
writes beyond its buffers when it computes the gradient of a 3D convolution's weights: they are noise or NaN, or the
process dies. Found with AVX512_BF16 on maps of two voxels along the first axis, and of one along any; PyTorch's issue
169688 is about a relative of it."""


def training_precision(
    name: str, device: torch.device, patch_size: Sequence[int], network: SegmentationNetwork
) -> torch.dtype:
    """The arithmetic for patches of a size and a network. Convolutions in 2D are right in bf16 at every size.

    Raises:
        InputError: bf16 is asked for where its gradients are wrong, or as `choose_precision`.
    """
    dtype = choose_precision(name, device)
    if isinstance(network, SliceNetwork):
        return dtype
    multiples = network.multiples
    smallest = min(-(-length // multiple) for length, multiple in zip(patch_size, multiples, strict=True))
    if dtype != torch.bfloat16 or device.type != "cpu" or smallest >= SMALLEST_BF16_MAP:
        return dtype
    if name == "bf16":
        least = " x ".join(str((SMALLEST_BF16_MAP - 1) * multiple) for multiple in multiples)
        raise InputError(
            f"patches of {' x '.join(map(str, patch_size))} voxels are too small to train in bf16 on a CPU: give"
            f" training.precision=fp32, or patches.size above {least} along its axes"
        )
    return torch.float32
