"""What the engines that compute exported networks share: everything but the computing."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from msseg.config.inference import InferenceConfig
from msseg.inference.blending import sigmoid, volume_logits
from msseg.inference.engines.base import Precision
from msseg.inference.engines.store import Export
from msseg.inference.places import Size


class ExportedEngine(ABC):
    """An engine that computes an export and pads, crops and blends in numpy; attributes as `Engine`."""

    name: ClassVar[str]
    on_cpu = True

    def __init__(self, export: Export, precision: Precision) -> None:
        self.precision = precision
        self.shapes = export.about.shapes

    @abstractmethod
    def compute(self, array: np.ndarray) -> np.ndarray:
        """Map (B, C, X, Y, Z) or slices (B, C, X, Y), of sizes that need no padding, to logits, float32."""

    def get_ready(self, shape: Sequence[int]) -> None:  # noqa: B027
        """Do now what the first windows of this shape (B, C, X, Y, Z) would have to wait for, if there is anything."""

    @property
    def multiples(self) -> Size:
        """As `Engine`."""
        return self.shapes.multiples

    @property
    def margin(self) -> int:
        """As `Engine`."""
        return self.shapes.margin

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """As `Engine`."""
        return self.shapes.everywhere(self.compute, windows)

    def centre(self, windows: np.ndarray) -> np.ndarray:
        """Logits of what has `margin` voxels of surroundings in the windows."""
        return self.shapes.centre(self.compute, windows)

    def probability(
        self, data: np.ndarray, patch_size: Sequence[int], settings: InferenceConfig, largest: int | None = None
    ) -> np.ndarray:
        """As `Engine`."""
        return sigmoid(volume_logits(self, data, patch_size, settings, largest))

    def error(self, export: Export) -> float:
        """Largest difference from PyTorch's logits on the stored windows, as a share of the largest logit (or of 1)."""
        difference = np.abs(self(export.windows) - export.logits)
        largest = max(float(np.abs(export.logits).max()), 1.0)
        return float(difference.max()) / largest if np.isfinite(difference).all() else np.inf
