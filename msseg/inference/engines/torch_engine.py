"""PyTorch: the reference, and the engine of GPUs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from msseg.config.inference import InferenceConfig
from msseg.inference.device import autocast, place_network
from msseg.inference.engines.base import Precision
from msseg.inference.places import Size, windows_at_once
from msseg.inference.window_plan import window_size
from msseg.inference.windows import predict_windows

PRECISIONS: dict[torch.dtype, Precision] = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


class TorchEngine:
    """Computes a network with PyTorch, on a CPU or a GPU.

    Attributes:
        network: In evaluation mode, on the device.
        device: Where it is computed.
        dtype: The arithmetic in which it is computed (autocast).
    """

    name = "torch"

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        """Take a network in evaluation mode, which is moved to the device."""
        self.network, self.device, self.dtype = place_network(network, device), device, dtype
        self.precision = PRECISIONS[dtype]

    @property
    def multiples(self) -> Size:
        """As `Engine`."""
        return getattr(self.network, "multiples", (1, 1, 1))

    @property
    def margin(self) -> int:
        """As `Engine`."""
        return getattr(self.network, "margin", 0)

    @torch.inference_mode()
    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """As `Engine`."""
        with autocast(self.device, self.dtype):
            logits = self.network(torch.from_numpy(windows).to(self.device))
        return logits.float().cpu().numpy()

    @property
    def on_cpu(self) -> bool:
        """As `Engine`."""
        return self.device.type == "cpu"

    def probability(
        self, data: np.ndarray, patch_size: Sequence[int], settings: InferenceConfig, largest: int | None = None
    ) -> np.ndarray:
        """As `Engine`."""
        shape = data.shape[1:]
        size = window_size(shape, patch_size, settings.window, self.multiples, settings.overlap, largest)
        probability = predict_windows(
            self.network,
            torch.from_numpy(data),
            size,
            settings.overlap,
            settings.blending,
            batch=windows_at_once(size, self.device.type),
            mirror=settings.mirror,
            rotate=settings.rotate,
            device=self.device,
            dtype=self.dtype,
        )
        return probability.cpu().numpy()
