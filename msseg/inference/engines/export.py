"""From a trained network to an export that other engines compute. The one module here that needs PyTorch and ONNX."""

import copy
import hashlib
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from msseg.inference.engines.check import checked_engine
from msseg.inference.engines.installed import ENGINES, EngineError, is_installed, require_exporter, usable_exporter
from msseg.inference.engines.shapes import Shapes
from msseg.inference.engines.store import About, Export, read_export, why_not_exportable, write_export
from msseg.model import ModelSettings, load_network, read_settings, weights_checksum
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.networks.slice_network import SliceNetwork
from msseg.networks.volume_network import VolumeNetwork

OPSET = 17
"""ONNX operators of 2022, which OpenVINO and ONNX Runtime have known since then."""

_LOG = logging.getLogger(__name__)


class _Core(nn.Module):
    """A network between its paddings: sizes that it computes as they are, to logits."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, X, Y, Z), or (B, C, X, Y), to logits."""
        if isinstance(self.network, VolumeNetwork):
            return cast(Tensor, self.network.heads[0](self.network.decode(x)[0]))
        assert isinstance(self.network, SliceNetwork)
        return self.network.compute(x)


def save_export(folder: Path) -> bool:
    """Export a model folder's network into it, where an engine is installed that could use it; called after training.

    A network that cannot be exported is no error here: PyTorch computes it. Returns whether there is an export now.
    """
    installed = [engine for engine in ENGINES if is_installed(engine)]
    if not installed or not usable_exporter() or why_not_exportable(read_settings(folder)):
        return False
    network, settings = load_network(folder)
    try:
        export = make_export(folder, cast(SegmentationNetwork, network), settings)
        written = write_export(folder, export)
        for engine in installed:
            checked_engine(folder, read_export(folder, settings) or export, engine)  # with what is checked by now
    except EngineError as error:
        _LOG.warning("%s", error)
        return False
    return written


def make_export(folder: Path, network: SegmentationNetwork, settings: ModelSettings) -> Export:
    """Export a network, with windows and what it answers to them.

    Args:
        folder: The model's.
        network: Its network, in evaluation mode.
        settings: Its settings.

    Raises:
        EngineError: The network has no export, or ONNX is not installed.
    """
    reason = why_not_exportable(settings)
    if reason:
        raise EngineError(f"the model {folder} cannot be exported for other engines: {reason}; give --engine torch")
    require_exporter()
    shapes = shapes_of(network)
    graph = _graph(network, settings.in_channels, shapes)
    windows = _windows(settings.in_channels, shapes)
    with torch.inference_mode():
        logits = network(torch.from_numpy(windows)).numpy()
    about = About(
        weights_sha256=weights_checksum(folder, settings),
        network=settings.network,
        channels=settings.in_channels,
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        shapes=shapes,
        torch=torch.__version__,
    )
    return Export(graph, about, windows, logits)


def shapes_of(network: SegmentationNetwork) -> Shapes:
    """The sizes that a network computes."""
    return Shapes(
        kind="slices" if isinstance(network, SliceNetwork) else "volumes",
        multiples=network.multiples,
        multiple=network.multiple,
        smallest=network.smallest,
        margin=network.margin,
    )


def _windows(channels: int, shapes: Shapes) -> np.ndarray:
    """Windows for the check: of odd sizes, so that padding is checked as well; the image noise of mean 0, spread 1."""
    x, y, z = shapes.multiples
    size = (2 * x + 1, 2 * y, 2 * z) if shapes.kind == "volumes" else (2 * x + 1, 2 * y, 2)
    return np.random.default_rng(0).standard_normal((1, channels, *size), dtype=np.float32)


def _graph(network: SegmentationNetwork, channels: int, shapes: Shapes) -> bytes:
    """The network as ONNX, with free batch and spatial axes.

    By PyTorch's tracing exporter: the newer one needs two more packages and five times as long, for the same graph.
    """
    plain = _Core(_plain(network)).eval()
    window = torch.zeros(1, channels, *_size_without_padding(shapes))
    free = {0: "batch"} | {axis: f"axis_{axis}" for axis in range(2, window.ndim)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that it is the older exporter, and of sizes that it thinks are fixed
        file = Path(folder) / "graph.onnx"
        torch.onnx.export(
            plain,
            (window,),
            file,
            input_names=["windows"],
            output_names=["logits"],
            dynamic_axes={"windows": free, "logits": free},
            opset_version=OPSET,
            dynamo=False,
        )
        return file.read_bytes()


def _size_without_padding(shapes: Shapes) -> Sequence[int]:
    """The smallest window whose bottleneck has more than one voxel along each axis."""
    if shapes.kind == "slices":
        return (shapes.fitting(shapes.smallest + 1),) * 2
    return [2 * multiple for multiple in shapes.multiples]


def _plain(network: SegmentationNetwork) -> SegmentationNetwork:
    """A copy, in the default memory layout, whose instance norms are PyTorch's own: one operator in the graph."""
    network = copy.deepcopy(network).cpu().float()
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _InstanceNorm):
                setattr(module, name, _plain_norm(child))
    return network


def _plain_norm(norm: _InstanceNorm) -> nn.Module:
    of = nn.InstanceNorm3d if isinstance(norm, nn.InstanceNorm3d) else nn.InstanceNorm2d
    plain = of(norm.num_features, eps=norm.eps, affine=True)
    plain.load_state_dict(norm.state_dict())
    return plain
