"""What a user sees of a training, and the table of its epochs."""

import csv
import time
from pathlib import Path
from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from msseg.runs import write_text

COLUMNS = ("epoch", "train_loss", "val_loss", "val_dsc", "learning_rate", "seconds")


class EpochTable(L.Callback):
    """Writes one row for each epoch; a resumed training replaces the rows that it repeats."""

    def __init__(self, path: Path) -> None:
        """Take the CSV file's path."""
        self.path, self.started = path, 0.0
        self.row: dict[str, Any] = {}

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the epoch's row."""
        if not trainer.is_global_zero:
            return
        metrics = trainer.callback_metrics
        validated = trainer.num_val_batches and (trainer.current_epoch + 1) % trainer.check_val_every_n_epoch == 0  # type: ignore[operator]
        self.row = {
            "epoch": trainer.current_epoch,
            "train_loss": _number(metrics.get("train_loss")),
            "val_loss": _number(metrics.get("val_loss")) if validated else "",
            "val_dsc": _number(metrics.get("val_dsc")) if validated else "",
            "learning_rate": f"{trainer.optimizers[0].param_groups[0]['lr']:.4g}",
            "seconds": f"{time.perf_counter() - self.started:.2f}",
        }
        rows = [row for row in read_epochs(self.path) if int(row["epoch"]) < trainer.current_epoch]
        lines = [",".join(COLUMNS), *(",".join(str(row[column]) for column in COLUMNS) for row in [*rows, self.row])]
        write_text(self.path, "\n".join(lines) + "\n")


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
        self.begun = 0.0
        self.first_epoch = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the bar."""
        self.begun, self.first_epoch = time.perf_counter(), trainer.current_epoch
        if self.console.is_terminal and trainer.is_global_zero:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("epoch {task.fields[epoch]}  loss {task.fields[loss]}  val DSC {task.fields[dsc]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            steps = (trainer.max_epochs or 0) * int(trainer.num_training_batches)
            self.task = self.bar.add_task(
                self.title, total=steps, completed=trainer.global_step, epoch=self._epoch(trainer), loss="-", dsc="-"
            )
            self.bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Move the bar on."""
        if self.bar:
            loss = trainer.callback_metrics.get("train_loss")
            row = self.table.row
            self.bar.update(
                self.task,
                completed=trainer.global_step,
                epoch=self._epoch(trainer),
                loss=row.get("train_loss") or _number(loss) or "-",
                dsc=row.get("val_dsc") or "-",
            )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the epoch's line where there is no terminal."""
        if self.bar or not trainer.is_global_zero:
            return
        row, done = self.table.row, trainer.current_epoch + 1 - self.first_epoch
        left = (time.perf_counter() - self.begun) / done * ((trainer.max_epochs or 0) - trainer.current_epoch - 1)
        validation = f"  val loss {row['val_loss']}  val DSC {row['val_dsc']}" if row.get("val_dsc") else ""
        self.console.print(
            f"{self.title}: epoch {self._epoch(trainer)}  loss {row['train_loss']}{validation}  {left:.0f} s left at most",
            highlight=False,
            soft_wrap=True,
        )

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Take the bar away, also after an error."""
        if self.bar:
            self.bar.stop()
            self.bar = None

    @staticmethod
    def _epoch(trainer: L.Trainer) -> str:
        return f"{trainer.current_epoch + 1}/{trainer.max_epochs}"


def _number(value: Any) -> str:
    return "" if value is None else f"{float(value):.5f}"
