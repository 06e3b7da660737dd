"""What every engine has to hold, for every network: the same answers as PyTorch, whatever the windows."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from msseg.config.inference import InferenceConfig
from msseg.config.network import NetworkConfig
from msseg.inference.engines.base import Engine
from msseg.inference.engines.check import checked_engine
from msseg.inference.engines.export import make_export, shapes_of
from msseg.inference.engines.store import Export
from msseg.inference.engines.torch_engine import TorchEngine
from msseg.inference.places import Size
from msseg.inference.tiles import LEAST_TILE
from msseg.model import ModelSettings, load_network, save_model
from msseg.networks.registry import NETWORKS, build_network
from msseg.networks.segmentation_network import SegmentationNetwork

pytest.importorskip("onnx")
for engine in ("openvino", "onnxruntime"):
    pytest.importorskip(engine)

VARIANTS = {
    "residual_unet3d": {"name": "residual_unet3d", "base_channels": 2},
    "residual_unet3d flat": {
        "name": "residual_unet3d",
        "base_channels": 2,
        "strides": ((2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
    },
    "residual_unet3d renorm": {"name": "residual_unet3d", "base_channels": 2, "norm": "renorm"},
    "unet3d": {"name": "unet3d", "base_channels": 2},
    "sf_network": {"name": "sf_network", "base_channels": 4},
    "unet2d": {"name": "unet2d", "base_channels": 2},
    "unet2d by image": {"name": "unet2d", "base_channels": 2, "norm": "instance"},
    "unet2d valid": {"name": "unet2d", "base_channels": 2, "padding": "valid"},
    "fusionnet": {"name": "fusionnet", "base_channels": 4},
    "mcdnn": {"name": "mcdnn", "base_channels": 2, "neurons": 4, "columns": [{"window": 63}, {"window": 65}]},
}
VOLUMES = ("residual_unet3d", "residual_unet3d flat", "residual_unet3d renorm", "unet3d")
EXPORTED = ("openvino", "onnxruntime")
SETTINGS = {
    "constant": InferenceConfig(blending="constant", overlap=0.25),
    "mirrored": InferenceConfig(mirror=True, overlap=0.0),
    "turned": InferenceConfig(rotate=True, overlap=0.0),
    "one pass": InferenceConfig(window="whole"),
}
CHANNELS = 2


def folder_of(variant: str, folder: Path) -> Path:
    """A model whose batch norms have seen something, and whose logits are spread."""
    config = TypeAdapter(NetworkConfig).validate_python(VARIANTS[variant])
    settings = ModelSettings(
        network=config,
        channels=("FLAIR", "T1"),
        preprocessing={},
        patch_size=(32, 32, 32 if variant in VOLUMES else 1),
        inference=InferenceConfig(),
    )
    torch.manual_seed(0)
    network = build_network(config, CHANNELS)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
            elif name.endswith("running_mean"):
                buffer.uniform_(-0.5, 0.1)  # little: behind a ReLU that never opens all engines agree
        for head in network.heads:
            head.weight.mul_(50)
    save_model(folder, network, settings)
    return folder


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Export]:
    """Each network: its variant, model folder and export."""
    folder = folder_of(request.param, tmp_path_factory.mktemp("engines") / "model")
    network, settings = load_network(folder)
    return request.param, folder, make_export(folder, network, settings)


@pytest.fixture
def engine(model: tuple[str, Path, Export]) -> Callable[[str], Engine]:
    """The network in an engine."""
    _, folder, export = model

    def make(name: str) -> Engine:
        if name == "torch":
            return TorchEngine(load_network(folder)[0], torch.device("cpu"), torch.float32)
        return checked_engine(folder, export, name, "fp32", threads=1)

    return make


def windows(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """Behind norms of a few voxels single ones differ by a thousandth: other orders of sums, Winograd's convolution."""
    assert (found.shape, found.dtype) == (expected.shape, np.dtype(np.float32))
    scale = max(1, np.abs(expected).max())
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=2e-3 * scale)
    assert np.abs(found - expected).mean() < 1e-4 * scale


def test_every_network_is_tested() -> None:
    assert {options["name"] for options in VARIANTS.values()} == set(NETWORKS)


@pytest.mark.parametrize("name", EXPORTED)
def test_windows_of_any_size_and_number(
    engine: Callable[[str], Engine], model: tuple[str, Path, Export], name: str
) -> None:
    reference, other = engine("torch"), engine(name)
    assert (other.multiples, other.margin, other.name) == (reference.multiples, reference.margin, name)
    volume = model[0] in VOLUMES
    sizes = [(32, 32, 32), (37, 18, 33), (9, 17, 16)] if volume else [(32, 32, 2), (37, 18, 3), (16, 1, 1)]
    for number, size in zip((1, 2, 1), sizes, strict=True):
        shape = (number, CHANNELS, *size)
        same(other(windows(*shape)), reference(windows(*shape)))


def volume_of(model: tuple[str, Path, Export], monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, Size]:
    """A volume that takes several windows, some of them background, and the patch's size."""
    monkeypatch.setattr("msseg.inference.tiles.LEAST_TILE", 84)  # several tiles, but not one a pixel
    volume = model[0] in VOLUMES
    data = windows(CHANNELS, 45, 33, 20 if volume else 2)
    data[:, :12] = 0
    return data, (32, 32, 32) if volume else (32, 32, 1)


@pytest.mark.parametrize("name", EXPORTED)
def test_volumes(
    engine: Callable[[str], Engine], model: tuple[str, Path, Export], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, patch = volume_of(model, monkeypatch)
    expected = engine("torch").probability(data, patch, InferenceConfig())
    same(engine(name).probability(data, patch, InferenceConfig()), expected)


@pytest.mark.parametrize("model", ["residual_unet3d", "sf_network", "unet2d valid"], indirect=True)
@pytest.mark.parametrize("settings", SETTINGS)
def test_windows_and_copies_of_a_volume(
    engine: Callable[[str], Engine],
    model: tuple[str, Path, Export],
    settings: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, patch = volume_of(model, monkeypatch)
    expected = engine("torch").probability(data, patch, SETTINGS[settings])
    same(engine("openvino").probability(data, patch, SETTINGS[settings]), expected)


def test_the_export_knows_the_sizes(model: tuple[str, Path, Export]) -> None:
    network = load_network(model[1])[0]
    assert isinstance(network, SegmentationNetwork)
    shapes = model[2].about.shapes
    assert shapes == shapes_of(network)
    lengths = range(1, LEAST_TILE)
    assert [shapes.fitting(length) for length in lengths] == [network.fitting(length) for length in lengths]


def test_bf16_is_close_to_fp32(model: tuple[str, Path, Export]) -> None:
    _, folder, export = model
    data = windows(1, CHANNELS, 32, 32, 32 if model[0] in VOLUMES else 2)
    full, half = (checked_engine(folder, export, "openvino", precision)(data) for precision in ("fp32", "bf16"))
    assert np.abs(full - half).mean() < 0.05 * max(1, np.abs(full).max())
