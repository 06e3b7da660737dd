"""What a prediction will cost: memory from measured coefficients, time from one window; and what memory there is."""

import math
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msseg.config.network import NetworkConfig
from msseg.inference.places import Size
from msseg.inference.window_plan import WindowPlan

LIVE_MAPS = {"residual_unet3d": 9.5, "unet3d": 14.0, "unet2d": 9.0, "sf_network": 7.0, "fusionnet": 9.0, "mcdnn": 28.0}
"""Feature maps of full size that PyTorch holds at a network's peak, in multiples of `base_channels`: measured as peak
resident memory over windows of 64 to 128 voxels a side, or slices of 256 to 768, with 8 to 32 base channels, in fp32
and bf16 (PyTorch 2.13, x86). Several windows of one shape scatter by 5 to 20 %."""
LIVE_MAPS_OPENVINO = {"residual_unet3d": 4.5, "unet3d": 12.2, "unet2d": 6.5, "sf_network": 3.5}
"""The same for OpenVINO 2026.4, which plans memory for the shape; networks that are not listed were not measured, and
PyTorch's figure is taken."""
WORKSPACE = {"torch": 60_000_000, "openvino": 40_000_000, "onnxruntime": 60_000_000}
"""Bytes that an engine takes for itself when it computes its first window."""
COPIES_OF_WEIGHTS = {"torch": 1, "openvino": 2, "onnxruntime": 2}
"""In the order that the processor wants them in, beside those that were read."""
ITEM = {"fp32": 4, "bf16": 2, "fp16": 2}
"""Bytes of a feature map's element."""
HEADROOM = 0.85
"""Share of the available memory that is planned with: the forecast may be 15 % too low, and others need some."""
SOURCE_COPIES = 1
"""Arrays of the source's size, 4 bytes a voxel, that are made after the network: the probability."""
LONG_WINDOW = 5.0
"""Seconds: what takes longer is not timed twice; else the second time counts, when the network is compiled."""

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass(frozen=True)
class NetworkCost:
    """Memory of a network while it computes.

    Attributes:
        fixed: Bytes that do not hang on the window.
        per_voxel: Bytes per voxel of the windows that are computed at once.
    """

    fixed: int
    per_voxel: float

    def memory(self, voxels: int) -> int:
        """Bytes for windows of so many voxels together."""
        return self.fixed + math.ceil(self.per_voxel * voxels)


def network_cost(network: NetworkConfig, channels: int, engine: str, precision: str, weights: int = 0) -> NetworkCost:
    """What a network needs on a CPU.

    Args:
        network: As `model.yaml` has it.
        channels: Of its input.
        engine: "torch", "openvino" or "onnxruntime".
        precision: "fp32", "bf16" or "fp16".
        weights: Bytes of its weights.
    """
    listed = LIVE_MAPS | LIVE_MAPS_OPENVINO if engine == "openvino" else LIVE_MAPS
    maps = listed.get(network.name, max(LIVE_MAPS.values())) * network.base_channels
    return NetworkCost(WORKSPACE[engine] + COPIES_OF_WEIGHTS[engine] * weights, maps * ITEM[precision] + 8 * channels)


def largest_window(cost: NetworkCost, shape: Sequence[int], channels: int, available: int | None) -> int | None:
    """Voxels that a window may have, so that a volume (X, Y, Z) is predicted in the memory there is.

    None where that is not known; 0 where there is not enough for any.
    """
    if available is None:
        return None
    left = HEADROOM * available - cost.fixed - _buffers(shape, channels) - 4 * SOURCE_COPIES * math.prod(shape)
    return max(int(left / (cost.per_voxel + 4 * channels)), 0)


def peak_memory(cost: NetworkCost, plan: WindowPlan, channels: int, source: Sequence[int], batch: int = 1) -> int:
    """Bytes that predicting a prepared case takes beyond what the process has.

    Args:
        cost: The network's.
        plan: The windows.
        channels: Of the network's input.
        source: Shape of the files' own grid.
        batch: Windows that are computed at once.
    """
    after = 4 * SOURCE_COPIES * math.prod(source)
    if not plan.places:
        return after + _buffers(plan.padded, channels)
    windows = min(batch, len(plan.places)) * math.prod(plan.size)
    return cost.memory(windows) + 4 * channels * windows + _buffers(plan.padded, channels) + after


def _buffers(padded: Sequence[int], channels: int) -> int:
    """The padded volume, and logits and weights in which windows are blended; float32."""
    return 4 * (channels + 2) * math.prod(padded)


def seconds_of_window(compute: Callable[[np.ndarray], object], size: Size, channels: int) -> float:
    """Time of one window (X, Y, Z), measured here and now with noise for an image."""
    window = np.random.default_rng(0).standard_normal((1, channels, *size), np.float32)
    for _ in range(2):
        begun = time.perf_counter()
        compute(window)
        seconds = time.perf_counter() - begun
        if seconds > LONG_WINDOW:
            break
    return seconds


# ------------------------------------------------------------------------------------------ what there is
def resident_memory() -> int | None:
    """Bytes of memory that this process has now; None where the system does not tell."""
    match = re.search(r"^VmRSS:\s+(\d+) kB", _read(PROC / "self" / "status"), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def available_memory() -> int | None:
    """Bytes that this process can still get: what the machine has left, or its container; None where neither tells."""
    return min((left for left in (_of_machine(), *_of_groups()) if left is not None), default=None)


def _of_machine() -> int | None:
    match = re.search(r"^MemAvailable:\s+(\d+) kB", _read(PROC / "meminfo"), re.MULTILINE)
    if match:
        return int(match[1]) * 1024
    try:  # macOS and others
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _of_groups() -> list[int | None]:
    """What the process's control group and those above it leave, in version 2 and version 1."""
    found = []
    for line in _read(PROC / "self" / "cgroup").splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            found += _up(CGROUPS, name, "memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            found += _up(CGROUPS / "memory", name, "memory.limit_in_bytes", "memory.usage_in_bytes")
    return found


def _up(root: Path, name: str, limit: str, usage: str) -> list[int | None]:
    """A container sees its own group as the root, whatever its name outside."""
    folder = root / name.lstrip("/")
    groups = [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]
    return [_left(group, limit, usage) for group in dict.fromkeys([*groups, root])]


def _left(group: Path, limit: str, usage: str) -> int | None:
    most, used = _read(group / limit).strip(), _read(group / usage).strip()
    if not most.isdigit() or not used.isdigit():
        return None
    # Pages of files that nobody has used of late are counted, and given back when memory is needed.
    match = re.search(r"^(?:total_)?inactive_file (\d+)", _read(group / "memory.stat"), re.MULTILINE)
    return max(int(most) - int(used) + (int(match[1]) if match else 0), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
