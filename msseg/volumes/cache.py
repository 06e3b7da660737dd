"""Preprocessed cases on disk, once per content and settings, memory-mapped by whoever needs them."""

import hashlib
import json
import logging
import os
import secrets
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from msseg.atomic import replacing, why
from msseg.cases.case import Case
from msseg.cases.containers import split_container
from msseg.config.data import LabelMeaning
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.files import is_stack, read_header, volume_suffix
from msseg.volumes.geometry import Grid
from msseg.volumes.labels import read_truth
from msseg.volumes.maps import MAPS
from msseg.volumes.preprocessing import Prepared, prepare
from msseg.volumes.slabs import files_of, read_slices, slices_of
from msseg.volumes.suffixes import IMG_SUFFIXES

CACHE_VERSION = 3

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Truth:
    """What the values of labels mean, see `msseg.volumes.labels.read_truth`."""

    meaning: LabelMeaning = "mask"
    membrane_width: int = 2
    values: tuple[int, ...] | None = None


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
        """Compute a map of the label, unless it is there and sound.

        Raises:
            InputError: The cache cannot be written.
        """
        path = self._map(name)
        note = path.with_suffix(".crc32")
        if _is_sound_map(path, note):
            return
        values = MAPS[name](np.array(self.label()), self.prepared().spacing)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, values.astype(np.float32))
        with replacing(note) as temporary:
            temporary.write_text(str(_checksum(path)), encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        """Grid, spacing, and the checksums of the files."""
        facts: dict[str, Any] = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return facts

    def prepared(self) -> Prepared:
        """All of it, as `prepare` gave it."""
        facts = self.facts()
        return Prepared(self.data(), self.label(), Grid.from_json_dict(facts["grid"]), tuple(facts["spacing"]))


def cache_case(
    case: Case,
    channels: tuple[str, ...],
    settings: PreprocessingConfig,
    folder: Path,
    truth: Truth = Truth(),
    maps: Sequence[str] = (),
) -> CachedCase:
    """Prepare a case with a label, or find it prepared; an entry that was damaged is made anew.

    Args:
        case: The case; its label is required. A channel that it lacks is 0 everywhere.
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
    present = tuple(channel in case.images for channel in channels)
    entry = CachedCase(case.id, folder / _key(files, present, case.slice_index, settings, truth))
    if not _is_complete(entry):
        if os.path.lexists(entry.folder):
            _LOG.warning("the cache entry %s of case %s is damaged and is made anew", entry.folder, case.id)
        _store(*_prepare(case, channels, settings, truth), entry)
    for name in maps:
        entry.make_map(name)
    return entry


def _prepare(case: Case, channels: Sequence[str], settings: PreprocessingConfig, truth: Truth) -> tuple[Prepared, int]:
    """The prepared case, and how many foreground voxels its label file has."""
    assert case.label is not None
    slices = slices_of(case)
    page = slices if slices is not None and not case.series else None
    label = read_truth(case.label, truth.meaning, truth.membrane_width, page, truth.values)
    read = [
        read_slices(case.images[channel], settings, slices, case.series.get(channel, ()))
        if channel in case.images
        else None
        for channel in channels
    ]
    places = next((of[1] for of in read if of is not None), None)
    prepared = prepare([None if of is None else of[0] for of in read], settings, label, places)
    return prepared, int(label.data.sum())


def _is_complete(entry: CachedCase) -> bool:
    """Whether the entry is there, and its files are as they were written (disks fill up, and copies go wrong)."""
    try:
        facts = entry.facts()
        entry.prepared()
        return bool(facts.pop("checksum") == _checksum_of(facts)) and all(
            _checksum(entry.folder / name) == checksum for name, checksum in facts["files"].items()
        )
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError):
        return False


def _is_sound_map(path: Path, note: Path) -> bool:
    try:
        return note.read_text(encoding="utf-8") == str(_checksum(path))
    except (OSError, ValueError):
        return False


def _checksum(path: Path) -> int:
    """CRC-32 of a file: against accidents, at the speed of reading."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def _checksum_of(facts: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def _key(
    files: Sequence[Path],
    present: tuple[bool, ...],
    slice_index: int | None,
    settings: PreprocessingConfig,
    truth: Truth,
) -> str:
    facts = f"{CACHE_VERSION} {present} {slice_index} {truth} {settings.model_dump_json()}"
    digest = hashlib.sha256(facts.encode())
    for path in files:
        container, dataset = split_container(path)
        try:
            status = container.stat()
            digest.update(_content(container, status.st_size, status.st_mtime_ns))
        except OSError as error:
            raise InputError(f"{container} cannot be read: {error.strerror}") from error
        digest.update((dataset or "").encode())
        if not is_stack(path):
            _add_detached(digest, path)
    return digest.hexdigest()[:24]


def _add_detached(digest: "hashlib._Hash", path: Path) -> None:
    """A header or voxels in a file of their own are content as well."""
    header = read_header(path)
    others = [block.path for block in header.blocks if block.path != path]
    if not others and volume_suffix(path, IMG_SUFFIXES) is None:
        return
    digest.update(repr((header.shape, header.affine.tolist(), header.dtype, header.slope, header.intercept)).encode())
    for other in others:
        status = other.stat()
        digest.update(_content(other, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=1024)
def _content(path: Path, size: int, changed: int) -> bytes:
    """Checksum of a file; the slices of one stack ask for it again and again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _store(prepared: Prepared, lesion_voxels_total: int, entry: CachedCase) -> None:
    assert prepared.label is not None
    target = entry.folder
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        np.save(temporary / "data.npy", prepared.data)
        np.save(temporary / "label.npy", prepared.label)
        np.save(temporary / "lesion_voxels.npy", np.argwhere(prepared.label).astype(np.int32))
        facts = {
            "grid": prepared.grid.to_json_dict(),
            "spacing": list(prepared.spacing),
            "lesion_voxels_total": lesion_voxels_total,
            "files": {path.name: _checksum(path) for path in sorted(temporary.iterdir())},
        }
        text = json.dumps(facts | {"checksum": _checksum_of(facts)})
        (temporary / "facts.json").write_text(text, encoding="utf-8")
        _publish(temporary, entry)
    except OSError as error:
        raise InputError(f"the cache folder {target.parent} cannot be written: {why(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, entry: CachedCase) -> None:
    """Give the new entry its name; where another process was faster, its entry is the same and stays."""
    if os.path.lexists(entry.folder) and not _is_complete(entry):
        if entry.folder.is_dir() and not entry.folder.is_symlink():
            shutil.rmtree(entry.folder)
        else:
            entry.folder.unlink()
    try:
        os.replace(temporary, entry.folder)
    except OSError:
        if not _is_complete(entry):
            raise
