"""Which engine computes a model, and the model ready in it. PyTorch is imported where it computes, or exports."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from msseg.box import box_folder
from msseg.errors import InputError
from msseg.inference.engines.base import Engine, EngineName, Precision
from msseg.inference.engines.check import checked_engine, fast_precision
from msseg.inference.engines.installed import EngineError, is_installed, require_engine, usable_exporter
from msseg.inference.engines.store import Export, read_export, why_not_exportable, write_export
from msseg.inference.trust import chosen_precision, chosen_window
from msseg.model import ModelSettings

GPU_FILES = ("/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg", "/dev/kfd")
"""What a system with a GPU has that PyTorch may compute on (NVIDIA, Windows' Linux, AMD)."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What was asked for.

    Attributes:
        engine: As `EngineName`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16" or "fp16".
        threads: CPU threads; None: the engine's choice.
    """

    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None


def load_engine(folder: Path, settings: ModelSettings, wish: Wish) -> Engine:
    """The network of a model folder, in the engine that was asked for.

    `auto` is OpenVINO where it is installed, the CPU computes, and the model has an export or can get one that stays;
    else PyTorch.

    Raises:
        InputError: The engine is unknown, not installed or cannot do what is asked, or the model is damaged.
    """
    if wish.engine not in get_args(EngineName):
        raise InputError(f"the engine '{wish.engine}' is unknown: give {', '.join(get_args(EngineName))}")
    if wish.precision not in ("auto", *get_args(Precision)):
        raise InputError(f"the precision '{wish.precision}' is unknown: give auto, {', '.join(get_args(Precision))}")
    if wish.engine == "auto":
        return _automatic(folder, settings, wish) or _torch(folder, settings, wish)
    if wish.engine == "torch":
        return _torch(folder, settings, wish)
    require_engine(wish.engine)
    _require_cpu(wish)
    return _exported(folder, settings, wish.engine, wish, read_export(folder, settings) or _made(folder))


def _automatic(folder: Path, settings: ModelSettings, wish: Wish) -> Engine | None:
    on_cpu = wish.device == "cpu" or (wish.device == "auto" and not may_have_gpu())
    if not on_cpu or wish.precision == "fp16" or not is_installed("openvino"):
        return None
    export = read_export(folder, settings)
    try:
        if export is None:
            possible = usable_exporter() and not why_not_exportable(settings)
            export = _made(folder) if possible and _may_change(folder) else None
        return None if export is None else _exported(folder, settings, "openvino", wish, export)
    except EngineError as error:
        _LOG.warning("%s; PyTorch computes it", error)
        return None


def _may_change(folder: Path) -> bool:
    """Whether an export would stay: models in the box are left as they were installed."""
    return os.access(folder, os.W_OK) and not folder.resolve().is_relative_to(box_folder().resolve())


def _exported(folder: Path, settings: ModelSettings, name: str, wish: Wish, export: Export) -> Engine:
    precision: Precision
    if wish.precision == "auto":
        precision = chosen_precision(settings.inference, settings.trusted, name, fast_precision(name))
    else:
        precision = "bf16" if wish.precision == "bf16" else "fp32"
    engine = checked_engine(folder, export, name, precision, wish.threads)
    if chosen_window(settings.inference, settings.trusted, name, precision) == "patch":
        engine.get_ready((1, settings.in_channels, *settings.patch_size))
    return engine


def may_have_gpu() -> bool:
    """Whether the system may have a GPU: then PyTorch is asked, which takes a second to import."""
    return any(Path(path).exists() for path in GPU_FILES)


def _require_cpu(wish: Wish) -> None:
    if wish.device not in ("auto", "cpu"):
        raise InputError(f"the engine {wish.engine} computes on the CPU, not on {wish.device}: give --engine torch")
    if wish.precision == "fp16" or (wish.precision == "bf16" and wish.engine == "onnxruntime"):
        raise InputError(f"the engine {wish.engine} does not compute in {wish.precision}: give auto or fp32")


def _torch(folder: Path, settings: ModelSettings, wish: Wish) -> Engine:
    import torch

    from msseg.inference.device import choose_device, choose_precision, has_fast_bf16
    from msseg.inference.engines.torch_engine import TorchEngine
    from msseg.model import load_network

    device = choose_device(wish.device)
    precision = wish.precision
    if precision == "auto":
        fast: Precision = "bf16" if has_fast_bf16(device) else "fp32"
        precision = chosen_precision(settings.inference, settings.trusted, "torch", fast)
    dtype = choose_precision(precision, device)
    if wish.threads is not None:
        torch.set_num_threads(wish.threads)
    return TorchEngine(load_network(folder)[0], device, dtype)


def _made(folder: Path) -> Export:
    """A fresh export, which stays in the folder where it can be written."""
    from msseg.inference.engines.export import make_export
    from msseg.model import load_network
    from msseg.networks.segmentation_network import SegmentationNetwork

    network, settings = load_network(folder)
    export = make_export(folder, cast(SegmentationNetwork, network), settings)
    write_export(folder, export)
    return export
