"""An exported network in its model folder: the graph, and beside it what it belongs to and has to answer.

The graph is ONNX, which holds numbers and names of operations and no code. It is tied to the weights and to the values
beside it by checksums: an export of other weights, a damaged one or one of another format counts as none.
"""

import contextlib
import hashlib
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from msseg.atomic import replacing
from msseg.config.network import MCDNNConfig, NetworkConfig
from msseg.config.section import Section
from msseg.errors import InputError
from msseg.inference.engines.shapes import Shapes
from msseg.model import CHECK_FILE, GRAPH_FILE, ModelSettings, weights_checksum

FORMAT_VERSION = 1


class About(Section):
    """What an export says of itself."""

    format_version: int = FORMAT_VERSION
    """Version of the export's format: the network between the paddings, batch and spatial axes free."""
    weights_sha256: str
    """The weights that were exported."""
    network: NetworkConfig
    """The network that they are of."""
    channels: int
    """Channels of its input."""
    graph_sha256: str
    """The graph's file."""
    shapes: Shapes
    """How windows of any size are given to the network."""
    torch: str
    """PyTorch's version."""
    checked: tuple[str, ...] = ()
    """Engines with their versions that were found to compute it as PyTorch does."""


@dataclass(frozen=True, eq=False)
class Export:
    """An exported network.

    Attributes:
        graph: ONNX, or the file that holds it, which engines read much faster; axes are batch, channels and two or
            three spatial ones.
        about: What it belongs to.
        windows: Windows (B, C, X, Y, Z), float32, for a check.
        logits: What PyTorch answers to them in float32, (B, 1, X, Y, Z).
    """

    graph: bytes | Path
    about: About
    windows: np.ndarray
    logits: np.ndarray


def read_export(folder: Path, settings: ModelSettings) -> Export | None:
    """The export in a model folder; None where there is none that belongs to its weights and is whole.

    Raises:
        InputError: The model's weights are missing or have changed.
    """
    weights = weights_checksum(folder, settings)
    try:
        with (folder / CHECK_FILE).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = About.model_validate(json.loads(stored["about"].tobytes()), strict=False)
            windows, logits = stored["windows"], stored["logits"]
        with (folder / GRAPH_FILE).open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, ValidationError):
        return None
    whole = about.format_version == FORMAT_VERSION and about.graph_sha256 == checksum
    same = (about.weights_sha256, about.network, about.channels) == (weights, settings.network, settings.in_channels)
    return Export(folder / GRAPH_FILE, about, windows, logits) if whole and same else None


def write_export(folder: Path, export: Export) -> bool:
    """Put an export into its model folder; False where the folder cannot be written, which is no error."""
    try:
        with replacing(folder / GRAPH_FILE) as temporary:
            temporary.write_bytes(export.graph if isinstance(export.graph, bytes) else export.graph.read_bytes())
        _write_about(folder, export)
    except InputError:
        return False
    return True


def write_checked(folder: Path, export: Export, engine: str) -> None:
    """Note that an engine computes an export as it should, where the folder can be written."""
    about = export.about.model_copy(update={"checked": (*export.about.checked, engine)})
    with contextlib.suppress(InputError):
        if (folder / CHECK_FILE).exists():
            _write_about(folder, replace(export, about=about))


def _write_about(folder: Path, export: Export) -> None:
    with replacing(folder / CHECK_FILE) as temporary:
        about = np.frombuffer(export.about.model_dump_json().encode(), np.uint8)
        np.savez(temporary, about=about, windows=export.windows, logits=export.logits)


def why_not_exportable(settings: ModelSettings) -> str | None:
    """What is in the way of an export, as a part of a sentence; None: nothing."""
    network = settings.network
    if isinstance(network, MCDNNConfig) and any(column.transform != "plain" for column in network.columns):
        return "columns with foveation or non-uniform sampling go window by window, in loops that a graph does not hold"
    return None
