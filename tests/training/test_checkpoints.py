"""Checkpoints are whole or not there; early stopping is remembered."""

from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
import torch

from msseg.errors import InputError
from msseg.training.checkpoints import AtomicCheckpointIO, StopEarly, checkpoint_callbacks


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_into_a_new_folder_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "last.ckpt"
    for value in (1, 2):
        AtomicCheckpointIO().save_checkpoint({"value": torch.tensor(value)}, path)
    assert torch.load(path)["value"] == 2
    assert names(path.parent) == ["last.ckpt"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), RuntimeError("no")])
def test_an_error_while_writing_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"value": 1}, path)

    def half(content: Any, file: IO[bytes]) -> None:
        file.write(b"half a checkpoint")
        raise error

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(InputError if isinstance(error, OSError) else type(error)):
        AtomicCheckpointIO().save_checkpoint({"value": 2}, path)
    assert torch.load(path) == {"value": 1}
    assert names(tmp_path) == ["last.ckpt"]


def test_without_validation_there_is_no_best(tmp_path: Path) -> None:
    (last,) = checkpoint_callbacks(tmp_path, "val_loss", validated=False)
    assert last.filename == "last"


@pytest.mark.parametrize(("select", "mode"), [("val_loss", "min"), ("val_dsc", "max")])
def test_best_is_the_lowest_loss_or_the_highest_dsc(tmp_path: Path, select: str, mode: str) -> None:
    best, last = checkpoint_callbacks(tmp_path, select, validated=True)
    assert (best.filename, best.monitor, best.mode) == ("best", select, mode)
    assert (last.filename, last.monitor) == ("last", None)


@pytest.mark.parametrize(("waited", "stops"), [(2, False), (3, True)])
def test_a_training_that_had_stopped_early_stops_at_once(waited: int, stops: bool) -> None:
    callback = StopEarly("val_loss", patience=3)
    callback.wait_count = waited
    trainer = SimpleNamespace(should_stop=False)
    callback.on_train_start(trainer, None)
    assert trainer.should_stop is stops
