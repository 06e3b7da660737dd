"""What every engine can do, and what engines are called."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from msseg.config.inference import InferenceConfig
from msseg.inference.places import Size

EngineName = Literal["auto", "torch", "openvino", "onnxruntime"]
"""`auto`: OpenVINO where it is installed and the CPU computes, else PyTorch."""
Precision = Literal["fp32", "bf16", "fp16"]


class Engine(Protocol):
    """A trained network that is ready to compute.

    Attributes:
        name: "torch", "openvino" or "onnxruntime".
        precision: Arithmetic of the network; logits are float32.
        multiples: Along each axis of a volume the network computes sizes in steps of this, and pads others.
        margin: Voxels of true surroundings that a logit needs on each side of the plane of the first two axes.
        on_cpu: Whether it computes in the main memory.
    """

    precision: Precision

    @property
    def on_cpu(self) -> bool:
        """As the class says."""

    @property
    def name(self) -> str:
        """As the class says."""

    @property
    def multiples(self) -> Size:
        """As the class says."""

    @property
    def margin(self) -> int:
        """As the class says."""

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Map windows (B, C, X, Y, Z), float32, to logits (B, 1, X, Y, Z), float32."""

    def probability(
        self, data: np.ndarray, patch_size: Sequence[int], settings: InferenceConfig, largest: int | None = None
    ) -> np.ndarray:
        """Foreground probability (X, Y, Z), float32, of a volume of any size.

        Args:
            data: Channels, shape (C, X, Y, Z), float32.
            patch_size: The training patch.
            settings: Windows, overlap, blending, mirrored and turned copies.
            largest: Voxels that a window of `fit` may have; None: any number.
        """
