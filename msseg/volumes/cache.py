"""Preprocessed cases on disk, once per content and settings, memory-mapped by whoever needs them."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from msseg.atomic import replacing
from msseg.cases.case import Case
from msseg.cases.containers import split_container
from msseg.config.data import LabelMeaning
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.geometry import Grid
from msseg.volumes.labels import read_truth
from msseg.volumes.maps import MAPS
from msseg.volumes.nifti import reason
from msseg.volumes.preprocessing import Prepared, prepare
from msseg.volumes.slabs import files_of, read_slices, slices_of

CACHE_VERSION = 2


@dataclass(frozen=True)
class Truth:
    """What the values of labels mean, see `msseg.volumes.labels.read_truth`."""

    meaning: LabelMeaning = "mask"
    membrane_width: int = 2


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

    def map(self, name: str) -> np.ndarray:
        """A map of the label (see `msseg.volumes.maps`), shape (X, Y, Z), float32, read-only."""
        return np.load(self._map(name), mmap_mode="r")

    def _map(self, name: str) -> Path:
        return self.folder / f"map_{name}.npy"

    def make_map(self, name: str) -> None:
        """Compute a map of the label, unless it is there.

        Raises:
            InputError: The cache cannot be written.
        """
        try:
            self.map(name)
        except (OSError, ValueError, EOFError):
            values = MAPS[name](np.array(self.label()), self.prepared().spacing)
            with replacing(self._map(name)) as temporary, temporary.open("wb") as file:
                np.save(file, values.astype(np.float32))

    def prepared(self) -> Prepared:
        """All of it, as `prepare` gave it."""
        facts = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return Prepared(self.data(), self.label(), Grid.from_json_dict(facts["grid"]), tuple(facts["spacing"]))


def cache_case(
    case: Case,
    channels: tuple[str, ...],
    settings: PreprocessingConfig,
    folder: Path,
    truth: Truth = Truth(),
    maps: Sequence[str] = (),
) -> CachedCase:
    """Prepare a case with a label, or find it prepared.

    Args:
        case: The case; its label is required.
        channels: Channels to stack, in order.
        settings: The preprocessing.
        folder: The cache; an entry appears in it complete or not at all.
        truth: What the label's values mean.
        maps: Maps of the label that the loss needs (see `msseg.volumes.maps`).

    Raises:
        InputError: A file cannot be used.
    """
    if case.label is None:
        raise InputError(f"case {case.id} has no label, so it can be predicted but not trained on")
    files = [*files_of(case, channels, settings.context), case.label]
    entry = CachedCase(case.id, folder / _key(files, case.slice_index, settings, truth))
    if not _is_complete(entry):
        _store(*_prepare(case, channels, settings, truth), entry)
    for name in maps:
        entry.make_map(name)
    return entry


def _prepare(case: Case, channels: Sequence[str], settings: PreprocessingConfig, truth: Truth) -> tuple[Prepared, int]:
    """The prepared case, and how many foreground voxels its label file has."""
    assert case.label is not None
    slices = slices_of(case)
    page = slices if slices is not None and not case.series else None
    label = read_truth(case.label, truth.meaning, truth.membrane_width, page)
    read = [read_slices(case.images[channel], settings, slices, case.series.get(channel, ())) for channel in channels]
    prepared = prepare([volume for volume, _ in read], settings, label, read[0][1])
    return prepared, int(label.data.sum())


def _is_complete(entry: CachedCase) -> bool:
    """Whether the entry is there, with arrays as long as their headers say (a full disk truncates files)."""
    try:
        entry.prepared()
        entry.lesion_voxels()
    except (OSError, ValueError, KeyError, EOFError):
        return False
    return True


def _key(files: Sequence[Path], slice_index: int | None, settings: PreprocessingConfig, truth: Truth) -> str:
    facts = f"{CACHE_VERSION} {slice_index} {truth} {settings.model_dump_json()}"
    digest = hashlib.sha256(facts.encode())
    for path in files:
        container, dataset = split_container(path)
        try:
            status = container.stat()
            digest.update(_content(container, status.st_size, status.st_mtime_ns))
        except OSError as error:
            raise InputError(f"{container} cannot be read: {error.strerror}") from error
        digest.update((dataset or "").encode())
    return digest.hexdigest()[:24]


@lru_cache(maxsize=1024)
def _content(path: Path, size: int, changed: int) -> bytes:
    """Checksum of a file; the slices of one stack ask for it again and again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _store(prepared: Prepared, lesion_voxels_total: int, entry: CachedCase) -> None:
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
