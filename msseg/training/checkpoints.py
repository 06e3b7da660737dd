"""Checkpoints that are complete or not there."""

from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from msseg.atomic import replacing

BEST, LAST = "best.ckpt", "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames; Lightning's own goes through the system's temporary folder, which may be
    another file system, where a rename is a copy that can be torn."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save a checkpoint dictionary."""
        with replacing(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def better(select: str) -> Literal["min", "max"]:
    """Which of two values of the metric that models are selected by is the better one."""
    return "min" if select.endswith("loss") else "max"


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
