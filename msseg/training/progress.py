"""What a user sees of a training, and the table of its epochs."""

import csv
import time
from pathlib import Path
from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from msseg.atomic import write_text
from msseg.inference.progress import say
from msseg.metrics.selection import CRITERIA

COLUMNS = ("epoch", "train_loss", "val_loss", "val_dsc", "learning_rate", "seconds")
SCORE_NAMES = {"val_dsc": "DSC", "val_v_rand": "V_rand", "val_seg": "SEG"} | {
    f"val_{name}": criterion.label for name, criterion in CRITERIA.items()
}
"""Scores of a validation and what they are called; a task has the first, and perhaps one of the others."""

SECONDS_SHOWN = 0.5
"""For how long the bar shows a loss: reading it makes the CPU wait for a GPU, which would run out of work."""


class EpochTable(L.Callback):
    """Writes one row for each epoch; a resumed training replaces the rows that it repeats.

    Attributes:
        row: The last epoch's row, by column; empty before there is one.
    """

    def __init__(self, path: Path, further: tuple[str, ...] = ()) -> None:
        """Take the CSV file's path and the scores besides the DSC that the task is validated by."""
        self.path, self.started, self.learning_rate = path, 0.0, 0.0
        self.row: dict[str, str] = {}
        self.further = further

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns; the task's own score stands behind the DSC."""
        place = COLUMNS.index("val_dsc") + 1
        return (*COLUMNS[:place], *self.further, *COLUMNS[place:])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and note the learning rate before the schedule changes it for the next epoch."""
        self.started = time.perf_counter()
        self.learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the epoch's row."""
        if not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        validated = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        self.row = {
            "epoch": str(trainer.current_epoch),
            "train_loss": _number(metrics.get("train_loss")),
            "val_loss": _number(metrics.get("val_loss")) if validated else "",
            "val_dsc": _number(metrics.get("val_dsc")) if validated else "",
            **{name: _number(metrics.get(name)) if validated else "" for name in self.further},
            "learning_rate": f"{self.learning_rate:.4g}",
            "seconds": f"{time.perf_counter() - self.started:.2f}",
        }
        earlier = [row for row in read_epochs(self.path) if int(row["epoch"]) < trainer.current_epoch]
        lines = [self.columns, *([row[column] for column in self.columns] for row in [*earlier, self.row])]
        write_text(self.path, "".join(",".join(line) + "\n" for line in lines))


def read_epochs(path: Path) -> list[dict[str, str]]:
    """Rows of an epoch table; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TrainingProgress(L.Callback):
    """A progress bar in a terminal; elsewhere one plain line for each epoch."""

    def __init__(self, title: str, table: EpochTable, console: Console) -> None:
        """Take a title, the epoch table (which is updated first) and where to print."""
        self.title, self.table, self.console = title, table, console
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.begun, self.shown, self.loss = 0.0, 0.0, "-"
        self.loss_sum: Tensor | float = 0.0
        self.first_epoch = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the bar."""
        self.begun, self.first_epoch = time.perf_counter(), trainer.current_epoch
        if self.console.is_terminal and trainer.is_global_zero:
            fields = "epoch {task.fields[epoch]}  loss {task.fields[loss]}  validation {task.fields[scores]}"
            self.bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn(fields, markup=False),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            steps = (trainer.max_epochs or 0) * int(trainer.num_training_batches)
            self.task = self.bar.add_task(
                self.title, total=steps, completed=trainer.global_step, epoch=_epoch(trainer), loss="-", scores="-"
            )
            self.bar.start()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar on; the loss shown is the mean of the epoch so far."""
        if self.bar:
            self.loss_sum = outputs["loss"].detach() + (self.loss_sum if batch_idx else 0.0)
            now = time.perf_counter()
            if batch_idx == 0 or now - self.shown >= SECONDS_SHOWN:
                self.shown, self.loss = now, f"{float(self.loss_sum) / (batch_idx + 1):.4f}"
            self.bar.update(self.task, completed=trainer.global_step, epoch=_epoch(trainer), loss=self.loss)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the validation's result; print the epoch's line where there is no terminal."""
        if not trainer.is_global_zero:
            return
        row = self.table.row
        if self.bar:
            if row["val_dsc"]:
                self.bar.update(self.task, scores=_scores(row))
            return
        done = trainer.current_epoch + 1 - self.first_epoch
        to_do = (trainer.max_epochs or 0) - trainer.current_epoch - 1
        left = duration((time.perf_counter() - self.begun) / done * to_do)
        text = f"{self.title}, epoch {_epoch(trainer)}: loss {float(row['train_loss']):.4f}"
        if row["val_dsc"]:
            text += f", validation loss {float(row['val_loss']):.4f}, {_scores(row)}"
        say(self.console, f"{text} ({left} left at most)" if to_do else text)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Take the bar away before the error is told."""
        self._stop()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take the bar away."""
        self._stop()

    def _stop(self) -> None:
        if self.bar:
            self.bar.stop()
            self.bar = None


def duration(seconds: float) -> str:
    """A length of time in the two units that matter: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _scores(row: dict[str, str]) -> str:
    return ", ".join(f"{name} {float(row[key]):.4f}" for key, name in SCORE_NAMES.items() if row.get(key))


def _epoch(trainer: L.Trainer) -> str:
    return f"{trainer.current_epoch + 1}/{trainer.max_epochs}"


def _number(value: Any) -> str:
    return "" if value is None else f"{float(value):.5f}"
