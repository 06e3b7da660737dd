"""The model folder: `model.safetensors` (weights) and `model.yaml` (everything needed to apply them). Nothing is unpickled."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from msseg.config.data import PreprocessingConfig
from msseg.config.inference import InferenceConfig
from msseg.config.network import NetworkConfig
from msseg.config.section import Section
from msseg.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SETTINGS_FILE = "model.yaml"
WEIGHTS_FILE = "model.safetensors"
FORMAT_VERSION = 1


class ModelSettings(Section):
    """What a model needs besides its weights."""

    format_version: int = FORMAT_VERSION
    """Version of this file's format."""
    network: NetworkConfig
    """The network and its parameters."""
    channels: tuple[str, ...]
    """Input channels, in order."""
    preprocessing: PreprocessingConfig
    """What was done to the training volumes and is done to every input."""
    patch_size: tuple[int, int, int]
    """Size of the training patches (voxels), which is the size of the windows."""
    inference: InferenceConfig
    """Windows and threshold, unless told otherwise at prediction."""
    provenance: dict[str, Any] = {}
    """How the model came about: experiment, training cases, epochs, versions."""
    weights_sha256: str = ""
    """Checksum of the weights file."""


def save_model(folder: Path, network: nn.Module, settings: ModelSettings) -> None:
    """Write a model folder in one step: it is complete or not there.

    Raises:
        InputError: The folder cannot be written.
    """
    from safetensors.torch import save_file

    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(state, temporary / WEIGHTS_FILE)
        complete = settings.model_copy(update={"weights_sha256": _sha256(temporary / WEIGHTS_FILE)})
        text = yaml.safe_dump(complete.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (temporary / SETTINGS_FILE).write_text(text, encoding="utf-8")
        _replace_folder(temporary, folder)
    except OSError as error:
        raise InputError(f"the model folder {folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(new: Path, old: Path) -> None:
    aside = new.with_name(f"{new.name}.old")
    if old.exists():
        os.replace(old, aside)
    os.replace(new, old)
    shutil.rmtree(aside, ignore_errors=True)


def read_settings(folder: Path) -> ModelSettings:
    """Read `model.yaml`.

    Raises:
        InputError: The file is missing or damaged, or of a newer format.
    """
    path = folder / SETTINGS_FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} is not a model folder: it has no {SETTINGS_FILE}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"the model folder {folder} is damaged: {SETTINGS_FILE} cannot be read; train or copy it anew"
        ) from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"the model in {folder} has format {version}; this msseg reads up to {FORMAT_VERSION}: update msseg"
        )
    try:
        return ModelSettings.model_validate(content, strict=False)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole file"
        raise InputError(
            f"the model folder {folder} is damaged: {SETTINGS_FILE} is not valid at {place}; train or copy it anew"
        ) from error


def load_network(folder: Path) -> tuple[nn.Module, ModelSettings]:
    """Build the network and load its weights (evaluation mode, float32, CPU).

    Raises:
        InputError: A file is missing or damaged, or weights and settings do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from msseg.networks.registry import build_network

    settings = read_settings(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise InputError(f"the model folder {folder} is damaged: {WEIGHTS_FILE} is missing; train or copy it anew")
    if settings.weights_sha256 and _sha256(path) != settings.weights_sha256:
        raise InputError(
            f"the model folder {folder} is damaged: {WEIGHTS_FILE} has changed since it was written; copy it anew"
        )
    network = build_network(settings.network, in_channels=len(settings.channels))
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(
            f"the model folder {folder} is damaged: {WEIGHTS_FILE} does not fit the network in {SETTINGS_FILE}"
        ) from error
    return network.eval(), settings


def find_models(path: Path) -> list[Path]:
    """Model folders at a path: the folder itself, its `model`, or those of the folders in it (channels, folds).

    Raises:
        InputError: There is none.
    """
    if not path.exists():
        raise InputError(f"the model {path} does not exist")
    if (path / SETTINGS_FILE).exists() or (path / WEIGHTS_FILE).exists():
        return [path]
    found = sorted({file.parent for depth in ("*", "*/*", "*/*/*") for file in path.glob(f"{depth}/{SETTINGS_FILE}")})
    found = [folder for folder in found if not any(part.startswith(".") for part in folder.relative_to(path).parts)]
    if not found:
        raise InputError(
            f"{path} is neither a model folder nor a run folder with a trained model (no {SETTINGS_FILE} in it)"
        )
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
