"""Preprocessed cases on disk, once per content and settings, memory-mapped by whoever needs them."""

import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msseg.cases.case import Case
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.files import read_label, read_volume
from msseg.volumes.geometry import Grid
from msseg.volumes.nifti import reason
from msseg.volumes.preprocessing import Prepared, prepare

CACHE_VERSION = 1


@dataclass(frozen=True)
class CachedCase:
    """A prepared case in the cache; arrays are opened as memory maps, so processes share one copy in memory.

    Attributes:
        case: The case's id.
        folder: Where its arrays are.
    """

    case: str
    folder: Path

    def data(self) -> np.ndarray:
        """Channels, shape (C, X, Y, Z), float32, read-only."""
        return np.load(self.folder / "data.npy", mmap_mode="r")

    def label(self) -> np.ndarray:
        """Lesion mask, shape (X, Y, Z), boolean, read-only."""
        return np.load(self.folder / "label.npy", mmap_mode="r")

    def lesion_voxels(self) -> np.ndarray:
        """Indices of the lesion voxels, shape (N, 3)."""
        return np.load(self.folder / "lesion_voxels.npy", mmap_mode="r")

    def prepared(self) -> Prepared:
        """All of it, as `prepare` gave it."""
        facts = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return Prepared(self.data(), self.label(), Grid.from_json_dict(facts["grid"]), tuple(facts["spacing"]))


def cache_case(case: Case, channels: tuple[str, ...], settings: PreprocessingConfig, folder: Path) -> CachedCase:
    """Prepare a case with a label, or find it prepared.

    Args:
        case: The case; its label is required.
        channels: Channels to stack, in order.
        settings: The preprocessing.
        folder: The cache; an entry appears in it complete or not at all.

    Raises:
        InputError: A file cannot be used.
    """
    if case.label is None:
        raise InputError(f"case {case.id} has no label, so it can be predicted but not trained on")
    paths = [case.images[channel] for channel in channels]
    entry = CachedCase(case.id, folder / _key([*paths, case.label], settings))
    if not _is_complete(entry):
        label = read_label(case.label)
        prepared = prepare([read_volume(path) for path in paths], settings, label)
        _store(prepared, entry, lesion_voxels_total=int(label.data.sum()))
    return entry


def _is_complete(entry: CachedCase) -> bool:
    """Whether the entry is there, with arrays as long as their headers say (a full disk truncates files)."""
    try:
        entry.prepared()
        entry.lesion_voxels()
    except (OSError, ValueError, KeyError, EOFError):
        return False
    return True


def _key(paths: list[Path], settings: PreprocessingConfig) -> str:
    digest = hashlib.sha256(f"{CACHE_VERSION} {settings.model_dump_json()}".encode())
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:24]


def _store(prepared: Prepared, entry: CachedCase, lesion_voxels_total: int) -> None:
    assert prepared.label is not None
    target = entry.folder
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    facts = {
        "grid": prepared.grid.to_json_dict(),
        "spacing": list(prepared.spacing),
        "lesion_voxels_total": lesion_voxels_total,
    }
    try:
        temporary.mkdir(parents=True)
        np.save(temporary / "data.npy", prepared.data)
        np.save(temporary / "label.npy", prepared.label)
        np.save(temporary / "lesion_voxels.npy", np.argwhere(prepared.label).astype(np.int32))
        (temporary / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        _publish(temporary, entry)
    except OSError as error:
        raise InputError(f"the cache folder {target.parent} cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, entry: CachedCase) -> None:
    """Give the new entry its name; where another process was faster, its entry is the same and stays."""
    if entry.folder.exists() and not _is_complete(entry):
        shutil.rmtree(entry.folder)
    try:
        os.replace(temporary, entry.folder)
    except OSError:
        if not _is_complete(entry):
            raise
