"""The run folder: everything that explains and reproduces a run is in it, under names that are given here alone.

RUN/
  config.yaml  split.json  versions.json     the resolved settings, who is in which part, software versions
  cache/                                      preprocessed volumes (unless data.cache names another folder)
  report.html  tables/
  FLAIR/                                      one folder for each trained model, named by its channels
    run.json  cases.json  epochs.csv  evaluation.json  times.json
    checkpoints/  tensorboard/  model/  predictions/
"""

import errno
import fcntl
import importlib.metadata
import json
import logging
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msseg.atomic import remove_leftovers, write_text
from msseg.config.experiment import ExperimentConfig
from msseg.config.load import dump_config, load_config
from msseg.errors import InputError

CONFIG_FILE = "config.yaml"

_LOG = logging.getLogger(__name__)
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the owner of a disk can mend; other errors of a running experiment are ours."""
LEFT_ALONE = 3600.0
"""Seconds without a change after which what is half-written in a cache belongs to no run that still writes it."""
_MAY_CHANGE = {"data.cache", "training.device", "training.devices", "training.threads", "training.workers"}
"""Settings that say where and by how many a run is computed, and not what: it may be resumed with others."""
_LIBRARIES = ("msseg", "torch", "lightning", "torchio", "numpy", "nibabel", "scipy")


@dataclass(frozen=True)
class ModelRun:
    """The folder of one trained model in a run: RUN/FLAIR."""

    folder: Path

    @property
    def facts(self) -> Path:
        """Network, channels, cases, duration (JSON)."""
        return self.folder / "run.json"

    @property
    def cases(self) -> Path:
        """Test cases: images, truth, prediction (JSON)."""
        return self.folder / "cases.json"

    @property
    def epochs(self) -> Path:
        """Losses and validation scores per epoch (CSV)."""
        return self.folder / "epochs.csv"

    @property
    def evaluation(self) -> Path:
        """Scores of the test cases (JSON)."""
        return self.folder / "evaluation.json"

    @property
    def times(self) -> Path:
        """Seconds that predicting each test case and evaluating all of them took (JSON)."""
        return self.folder / "times.json"

    @property
    def model(self) -> Path:
        """The trained model's folder."""
        return self.folder / "model"

    @property
    def checkpoints(self) -> Path:
        """Lightning checkpoints, for resuming."""
        return self.folder / "checkpoints"

    @property
    def predictions(self) -> Path:
        """Masks and probabilities of the test cases."""
        return self.folder / "predictions"


@dataclass(frozen=True)
class Run:
    """A run folder, locked while it is open."""

    folder: Path
    config: ExperimentConfig

    @property
    def split(self) -> Path:
        """Who trains, validates, is tested (JSON)."""
        return self.folder / "split.json"

    @property
    def check(self) -> Path:
        """What was noticed about the data (JSON)."""
        return self.folder / "check.json"

    @property
    def cache(self) -> Path:
        """Preprocessed volumes."""
        chosen = self.config.data.cache
        return Path(chosen).expanduser() if chosen else self.folder / "cache"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def model_run(self, channels: tuple[str, ...]) -> ModelRun:
        """The folder of the model for these channels."""
        return ModelRun(self.folder / "+".join(channels))


@contextmanager
def open_run(folder: Path, config: ExperimentConfig, resume: bool = False) -> Iterator[Run]:
    """Create a run folder, or with `resume` continue one, and hold its lock.

    Raises:
        InputError: The folder cannot be written, is in use, holds something else, or was made with other settings.
    """
    with ExitStack() as stack:
        try:
            _require_usable(folder, resume)
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(folder))
            _require_usable(folder, resume)  # once more: another process may have made a run here meanwhile
            run = Run(folder, config)
            remove_leftovers(folder, spared=run.cache)
            remove_leftovers(run.cache, older_than=LEFT_ALONE)
            if (folder / CONFIG_FILE).exists():
                _require_same_settings(folder, config)
            else:
                write_text(folder / CONFIG_FILE, dump_config(config))
            write_json(folder / "versions.json", versions())
        except OSError as error:
            raise InputError(f"the run folder {folder} cannot be written: {error.strerror or error}") from error
        try:
            yield run
        except OSError as error:
            if error.errno not in _DENIED:
                raise
            raise InputError(
                f"{error.filename or folder} cannot be read or written: {error.strerror};"
                " what is finished stays, and --resume continues the run"
            ) from error


@contextmanager
def finished_run(folder: Path) -> Iterator[Run]:
    """A run that is there, locked, for what changes it afterwards.

    Raises:
        InputError: There is no run, it is in use, or it cannot be locked.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise InputError(f"{folder} is no run folder: it has no {CONFIG_FILE}")
    try:
        with _locked(folder):
            yield Run(folder, load_config(folder / CONFIG_FILE))
    except OSError as error:
        raise InputError(f"{error.filename or folder} cannot be read or written: {error.strerror or error}") from error


def _require_usable(folder: Path, resume: bool) -> None:
    if (folder / CONFIG_FILE).exists():
        if not resume:
            raise InputError(
                f"{folder} already holds a run: continue it with --resume, or give another folder with --out"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.glob("[!.]*"))):
        raise InputError(f"{folder} exists and is no run folder: give an empty or a new folder with --out")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder} is in use by another msseg process: wait for it, or use another folder"
            ) from error
        except OSError:
            _LOG.warning("%s is on a file system without locks: let no other msseg process write there", folder)
        try:
            yield
        finally:
            # Closing the file is not enough: worker processes have it open as well.
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)


def _require_same_settings(folder: Path, config: ExperimentConfig) -> None:
    before, now = _flat(load_config(folder / CONFIG_FILE).model_dump()), _flat(config.model_dump())
    keys = sorted((before.keys() | now.keys()) - _MAY_CHANGE)
    differing = [key for key in keys if before.get(key) != now.get(key)]
    if differing:
        raise InputError(
            f"{folder} was started with other settings ({', '.join(differing[:5])}): resume with the same ones,"
            " or give another folder with --out"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def versions() -> dict[str, str]:
    """Versions of Python, the operating system and the libraries that matter."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for library in _LIBRARIES:
        try:
            found[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            found[library] = "not installed"
    return found


def write_json(path: Path, content: object) -> None:
    """Write JSON under a temporary name and rename it."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
