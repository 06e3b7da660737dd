"""Where and in which arithmetic networks are computed."""

import contextlib

import torch
from torch import nn

from msseg.errors import InputError

BF16_CUDA_CAPABILITY = (8, 0)
"""Ampere: the first CUDA generation whose tensor cores compute bfloat16."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """The device of a name.

    Args:
        name: "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: The name is unknown, or CUDA is asked for and not usable.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"the device '{name}' is unknown: give auto, cpu or cuda")
    if device.type == "cuda":
        _require_cuda(device)
    return device


def _require_cuda(device: torch.device) -> None:
    if not torch.cuda.is_available():
        built = torch.version.cuda or torch.version.hip
        reason = "no GPU can be used here" if built else f"PyTorch {torch.__version__} is built for the CPU alone"
        raise InputError(f"the device '{device}' was asked for, but {reason}: give auto or cpu")
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise InputError(
            f"the device '{device}' does not exist among {torch.cuda.device_count()} GPUs (they count from 0)"
        )


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The arithmetic of a name on a device.

    Args:
        name: "fp32", "bf16", "fp16", or "auto": bf16 where the device computes it fast, else fp32.
        device: Where the network is computed.

    Raises:
        InputError: The name is unknown, or fp16 is asked for on a CPU.
    """
    if name == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else torch.float32
    if name not in _DTYPES:
        raise InputError(f"the precision '{name}' is unknown: give auto, {', '.join(_DTYPES)}")
    if name == "fp16" and device.type == "cpu":
        raise InputError("fp16 is not computed on a CPU: give auto, bf16 or fp32")
    return _DTYPES[name]


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device has instructions that multiply bfloat16 (AVX512_BF16 or AMX; Ampere or newer)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= BF16_CUDA_CAPABILITY
    # Private names, the same from torch 2.5 on; a torch without them computes in fp32.
    probes = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(probe is not None and probe() for probe in probes)


def autocast(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
    """Context in which convolutions are computed in a reduced precision; does nothing for float32."""
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def place_network(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, in the memory layout in which it is computed fastest there.

    On a CPU channels come last: measured with bf16, 1.25 times faster for the residual U-Net and 1.4
    times for the 3D U-Net; with fp32, equal and 1.3 times.
    """
    if device.type == "cpu":
        return network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network.to(device)
