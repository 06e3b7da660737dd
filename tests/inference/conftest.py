"""Tiny models and images."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from msseg.config.inference import InferenceConfig
from msseg.config.network import ResidualUNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.inference.engines.torch_engine import TorchEngine
from msseg.inference.predictor import Predictor
from msseg.model import ModelSettings, save_model
from msseg.networks.registry import build_network


class AboveLevel(nn.Module):
    """Logits that are positive exactly where the first channel is above a level."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        return 100 * (x[:, :1] - self.level)


def make_settings(channels: tuple[str, ...] = ("FLAIR",), patch: int = 16, **changes: object) -> ModelSettings:
    values = {
        "network": ResidualUNet3dConfig(base_channels=2),
        "channels": channels,
        "preprocessing": PreprocessingConfig(),
        "patch_size": (patch, patch, patch),
        "inference": InferenceConfig(),
    }
    return ModelSettings(**{**values, **changes})


@pytest.fixture
def above_level() -> Callable[..., Predictor]:
    """Predictor of voxels above a level of the file's own intensities, in small windows."""

    def make(level: float, **changes: object) -> Predictor:
        changes.setdefault("preprocessing", PreprocessingConfig(normalise="none"))
        settings = make_settings(**{"patch": 4, **changes})
        return Predictor([(TorchEngine(AboveLevel(level), torch.device("cpu"), torch.float32), settings)])

    return make


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Path]:
    """Write a model folder with random weights."""

    def write(name: str = "model", seed: int = 0, **changes: object) -> Path:
        settings = make_settings(**changes)
        torch.manual_seed(seed)
        network = build_network(settings.network, in_channels=len(settings.channels))
        with torch.no_grad():  # the first weights give logits next to 0; spread them
            for head in network.heads:
                head.weight.mul_(50)
        save_model(tmp_path / name, network, settings)
        return tmp_path / name

    return write


@pytest.fixture
def write_image(tmp_path: Path) -> Callable[..., Path]:
    """Write a NIfTI file with random voxels in the middle and a border of zeros."""

    def write(
        name: str = "case.nii.gz",
        shape: tuple[int, int, int] = (20, 18, 22),
        seed: int = 0,
        affine: np.ndarray | None = None,
    ) -> Path:
        data = np.zeros(shape, dtype=np.float32)
        inner = tuple(slice(1, size - 1) for size in shape)
        data[inner] = np.random.default_rng(seed).uniform(1, 100, data[inner].shape)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
        return path

    return write
