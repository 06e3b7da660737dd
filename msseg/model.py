"""The model folder: `model.safetensors` (weights) and `model.yaml` (everything needed to apply them).

Weights are plain numbers and settings are validated: loading a model never runs code that came with it. The network
may lie beside them as a graph for other engines than PyTorch (`msseg.inference.engines`), which can be made anew.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import Field, ValidationError

from msseg.atomic import write_text
from msseg.config.inference import InferenceConfig
from msseg.config.network import NetworkConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.config.section import AxisSize, Section
from msseg.config.trust import Trust
from msseg.config.yaml_source import load_plain
from msseg.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SETTINGS_FILE = "model.yaml"
WEIGHTS_FILE = "model.safetensors"
GRAPH_FILE = "model.onnx"
"""The exported network."""
CHECK_FILE = "model.onnx.npz"
"""What the exported network belongs to, and what it has to answer."""
FORMAT_VERSION = 1


class ModelSettings(Section):
    """What a model needs besides its weights."""

    format_version: int = FORMAT_VERSION
    """Version of this file's format."""
    network: NetworkConfig
    """The network and its parameters."""
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    """Input channels, in order."""
    preprocessing: PreprocessingConfig
    """What was done to the training volumes and is done to every input."""
    patch_size: tuple[AxisSize, AxisSize, AxisSize]
    """Size of the training patches (voxels), which is the size of the windows."""
    inference: InferenceConfig
    """Windows and threshold, unless told otherwise at prediction."""
    trusted: Trust | None = None
    """How faster ways of predicting compare with windows as in training in fp32; null: it was not measured."""
    provenance: dict[str, Any] = {}
    """How the model came about: experiment, training cases, epochs, versions."""
    weights_sha256: str = ""
    """Checksum of the weights file."""

    @property
    def in_channels(self) -> int:
        """Channels of the network's input: each channel, and its neighbouring slices where it sees them."""
        return len(self.channels) * (2 * self.preprocessing.context + 1)


def save_model(folder: Path, network: nn.Module, settings: ModelSettings) -> None:
    """Write a model folder in one step, in place of a model that is there: it is complete or not there.

    Raises:
        InputError: The folder cannot be written, or holds something else.
    """
    from safetensors.torch import save

    _refuse_foreign(folder)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        # Through bytes, since safetensors makes its files unreadable for everyone but their owner.
        weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
        (temporary / WEIGHTS_FILE).write_bytes(weights)
        complete = settings.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
        (temporary / SETTINGS_FILE).write_text(_as_yaml(complete), encoding="utf-8")
        _replace_folder(temporary, folder)
    except OSError as error:
        raise InputError(f"the model folder {folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_settings(folder: Path, settings: ModelSettings) -> None:
    """Write the `model.yaml` of a model folder anew, complete or not at all; the weights stay as they are.

    Raises:
        InputError: The file cannot be written.
    """
    write_text(folder / SETTINGS_FILE, _as_yaml(settings))


def _as_yaml(settings: ModelSettings) -> str:
    text: str = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text


def _refuse_foreign(folder: Path) -> None:
    """A folder is replaced as a whole, so it must not hold anything but a model."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"the model folder {folder} cannot be written: there is a file of that name")
    others = sorted({path.name for path in folder.glob("*")} - {SETTINGS_FILE, WEIGHTS_FILE, GRAPH_FILE, CHECK_FILE})
    if others:
        raise InputError(f"{folder} holds other files ({others[0]}) and would be replaced: give a new folder")


def _replace_folder(new: Path, old: Path) -> None:
    aside = new.with_name(f"{new.name}.old")
    if old.exists():
        os.replace(old, aside)
    try:
        os.replace(new, old)
    except OSError:
        if aside.exists():
            os.replace(aside, old)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def read_settings(folder: Path) -> ModelSettings:
    """Read `model.yaml`.

    Raises:
        InputError: The file is missing or damaged, or of a newer format.
    """
    try:
        content = load_plain((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{folder} is not a model folder: it has no {SETTINGS_FILE}") from error
    except OSError as error:
        raise InputError(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _damaged(folder, f"{SETTINGS_FILE} is not YAML") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"the model in {folder} has format {version}; this msseg reads up to {FORMAT_VERSION}: update msseg"
        )
    try:
        return ModelSettings.model_validate(content, strict=False)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole file"
        raise _damaged(folder, f"{SETTINGS_FILE} is not valid at {place}") from error


def load_network(folder: Path) -> tuple[nn.Module, ModelSettings]:
    """Build the network and load its weights (evaluation mode, float32, CPU).

    Raises:
        InputError: A file is missing or damaged, or weights and settings do not belong together.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from msseg.networks.registry import build_network

    settings = read_settings(folder)
    path = folder / WEIGHTS_FILE
    weights_checksum(folder, settings)
    try:
        with torch.device("meta"):  # without memory: the settings may ask for any size
            _require_same_shapes(build_network(settings.network, in_channels=settings.in_channels), path)
        network = build_network(settings.network, in_channels=settings.in_channels)
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise _damaged(folder, f"{WEIGHTS_FILE} does not fit the network in {SETTINGS_FILE}") from error
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise _damaged(folder, f"{WEIGHTS_FILE} holds numbers that are not finite")
    return network.eval(), settings


def weights_checksum(folder: Path, settings: ModelSettings) -> str:
    """The weights' SHA-256, which is the one in the settings where these have one.

    Raises:
        InputError: The weights are missing, cannot be read, or have changed.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise _damaged(folder, f"{WEIGHTS_FILE} is missing")
    checksum = _sha256(path)
    if settings.weights_sha256 not in ("", checksum):
        raise _damaged(folder, f"{WEIGHTS_FILE} has changed since it was written")
    return checksum


def _require_same_shapes(network: nn.Module, weights: Path) -> None:
    """Refuse weights of other shapes before a byte of them is read; a RuntimeError as from PyTorch."""
    from safetensors import safe_open

    expected = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    with safe_open(weights, framework="pt") as file:
        if expected != {name: file.get_slice(name).get_shape() for name in file.keys()}:  # noqa: SIM118
            raise RuntimeError("other names or shapes")


def find_models(path: Path) -> list[Path]:
    """Model folders at a path: the folder itself, its `model`, or those of the folders in it (channels, folds).

    Raises:
        InputError: There is none.
    """
    if not path.exists():
        raise InputError(f"the model {path} does not exist")
    if not path.is_dir():
        raise InputError(f"{path} is a file: give the model's folder")
    if (path / SETTINGS_FILE).exists() or (path / WEIGHTS_FILE).exists():
        return [path]
    found = sorted({file.parent for depth in ("*", "*/*", "*/*/*") for file in path.glob(f"{depth}/{SETTINGS_FILE}")})
    found = [folder for folder in found if not any(part.startswith(".") for part in folder.relative_to(path).parts)]
    if not found:
        raise InputError(
            f"{path} is neither a model folder nor a run folder with a trained model (no {SETTINGS_FILE} in it)"
        )
    return found


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(f"the model folder {folder} is damaged: {what}; train or copy it anew")


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
