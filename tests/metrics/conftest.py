"""Golden values: stacks scored by the challenge's own scorer; they lie beside a checkout and are no part of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden" / "em_metrics"


@dataclass(frozen=True)
class Golden:
    """One stack (H, W, N) with what the challenge's scorer says of it."""

    probability: np.ndarray
    truth: np.ndarray
    scores: dict[str, Any]

    def column(self, key: str) -> np.ndarray:
        """One number per threshold."""
        return np.array([row[key] for row in self.scores["thresholds"]])


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    """Read a golden stack by its name."""
    if not GOLDEN.is_dir():
        pytest.skip("the golden values in ../shared/golden/em_metrics are not beside this checkout")

    def read(name: str) -> Golden:
        probability, truth = (
            np.moveaxis(tifffile.imread(GOLDEN / f"{name}_{what}.tif"), 0, -1) for what in ("probability", "truth")
        )
        return Golden(probability, truth > 0, json.loads((GOLDEN / f"{name}.json").read_text()))

    return read
