"""Checkpoints that are complete or not there."""

import zipfile
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from msseg.atomic import replacing
from msseg.config.training import SELECTED_LOW
from msseg.errors import InputError

BEST, LAST = "best.ckpt", "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames; Lightning's own goes through the system's temporary folder, which may be
    another file system, where a rename is a copy that can be torn."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save a checkpoint dictionary.

        Raises:
            InputError: It cannot be written: the disk is full, for example.
        """
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # what PyTorch makes of a full disk
                raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def require_whole(path: Path) -> None:
    """Refuse a checkpoint that was cut or changed; it is an archive with checksums.

    Raises:
        InputError: It is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip() is not None
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        damaged = True
    except OSError as error:
        raise InputError(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    if damaged:
        raise InputError(
            f"the checkpoint {path} is damaged: delete {path.parent.parent} to train this model from the start"
        )


def better(select: str) -> Literal["min", "max"]:
    """Which of two values of the metric that models are selected by is the better one."""
    return "min" if select in SELECTED_LOW else "max"


def checkpoint_callbacks(folder: Path, select: str, validated: bool) -> list[ModelCheckpoint]:
    """Keep the last state of every epoch, and the best by `select` where there are validation cases."""
    last = ModelCheckpoint(
        dirpath=folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
        every_n_epochs=1,
    )
    if not validated:
        return [last]
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=select,
        mode=better(select),
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    return [best, last]


class StopEarly(EarlyStopping):
    """Early stopping that a resumed training remembers: if it had stopped already, it does not train on."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop at once where patience ran out before the interruption."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
