"""A training that was stopped and resumed ends in the same weights as one that was left alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from msseg.errors import InputError
from msseg.training.checkpoints import AtomicCheckpointIO
from msseg.training.progress import TrainingProgress
from msseg.training.task import SegmentationTask

SETTINGS = ("training.epochs=3", "patches.per_volume=2", "schedule.name=polynomial")
CASES = {"on": ("training01",), "validation": ("training03",)}


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Press Ctrl-C once, at the end of a step of an epoch (both from 0)."""

    def arm(epoch: int, step: int) -> None:
        original = TrainingProgress.on_train_batch_end

        def press(self, trainer, module, outputs, batch, number) -> None:
            original(self, trainer, module, outputs, batch, number)
            if (trainer.current_epoch, number) == (epoch, step):
                monkeypatch.setattr(TrainingProgress, "on_train_batch_end", original)
                raise KeyboardInterrupt

        monkeypatch.setattr(TrainingProgress, "on_train_batch_end", press)

    return arm


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def last_weights(trained: Any) -> dict[str, torch.Tensor]:
    """Those of the last epoch, which need not be the best."""
    return torch.load(trained.run.checkpoints / "last.ckpt", weights_only=False)["state_dict"]


def without_seconds(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_resumed_is_undisturbed(train: Callable, interrupt: Callable) -> None:
    """Dropout, augmentation, optimiser, schedule and the choice of the best epoch all go on as they would have."""
    undisturbed = train(*SETTINGS, **CASES, name="undisturbed")
    for epoch, step in [(0, 1), (1, 0), (2, 1)]:
        name = f"stopped in epoch {epoch}"
        interrupt(epoch, step)
        with pytest.raises(KeyboardInterrupt):
            train(*SETTINGS, **CASES, name=name)
        resumed = train(*SETTINGS, **CASES, name=name, resume=True)
        assert len(resumed.text.splitlines()) == 3 - epoch + 1  # the epochs that were left, and the last line
        assert without_seconds(undisturbed.rows) == without_seconds(resumed.rows)
        assert same(last_weights(undisturbed), last_weights(resumed))
        assert same(undisturbed.weights, resumed.weights)


@pytest.mark.parametrize("extra", [("training.workers=2",), ("training.precision=bf16", "patches.size=[48,48,48]")])
def test_resumed_is_undisturbed_with_workers_and_in_bf16(
    train: Callable, interrupt: Callable, extra: tuple[str, ...]
) -> None:
    settings = (*SETTINGS, *extra)
    undisturbed = train(*settings, **CASES, name="undisturbed")
    interrupt(2, 1)
    with pytest.raises(KeyboardInterrupt):
        train(*settings, **CASES, name="resumed")
    resumed = train(*settings, **CASES, name="resumed", resume=True)
    assert same(last_weights(undisturbed), last_weights(resumed))


def test_stopped_between_the_row_and_the_checkpoint_of_an_epoch(
    train: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch is trained again, and its row is there once."""
    original, saved = AtomicCheckpointIO.save_checkpoint, []

    def save(self: AtomicCheckpointIO, checkpoint: dict[str, Any], path: Path, **options: Any) -> None:
        saved.append(path)
        if len(saved) == 2:
            raise KeyboardInterrupt
        original(self, checkpoint, path, **options)

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", save)
    with pytest.raises(KeyboardInterrupt):
        train("training.epochs=3")
    resumed = train("training.epochs=3", resume=True)
    assert [row["epoch"] for row in resumed.rows] == ["0", "1", "2"]
    assert len(saved) == 4


def test_workers_do_not_change_the_result(train: Callable) -> None:
    alone = train("training.epochs=2", name="alone")
    shared = train("training.epochs=2", "training.workers=1", name="shared")
    assert same(last_weights(alone), last_weights(shared))


def test_a_trained_model_is_left_alone(train: Callable) -> None:
    first = train()
    before = (first.run.model / "model.safetensors").stat().st_mtime_ns
    again = train(resume=True)
    assert again.text == "FLAIR: already trained\n"
    assert (first.run.model / "model.safetensors").stat().st_mtime_ns == before


def test_stopped_between_the_last_epoch_and_the_model(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is trained and only the model folder is missing: it is written, nothing is trained."""
    import msseg.training.fit as module

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_model", stop)
        with pytest.raises(KeyboardInterrupt):
            train("training.epochs=2", name="late")
    resumed = train("training.epochs=2", name="late", resume=True)
    assert "epoch" not in resumed.text
    assert same(resumed.weights, train("training.epochs=2", name="undisturbed").weights)


def test_stopped_after_early_stopping_does_not_train_on(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    import msseg.training.fit as module

    def validation_step(self: SegmentationTask, *_: object) -> None:
        self.log_dict({"val_loss": float(self.current_epoch), "val_dsc": 0.5}, on_epoch=True, batch_size=1)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SegmentationTask, "validation_step", validation_step)
    settings = ("training.epochs=9", "training.patience=1")
    with monkeypatch.context() as patch:
        patch.setattr(module, "save_model", stop)
        with pytest.raises(KeyboardInterrupt):
            train(*settings, validation=("training03",))
    resumed = train(*settings, validation=("training03",), resume=True)
    assert len(resumed.rows) == 2
    assert "epoch" not in resumed.text


def test_a_damaged_checkpoint_is_told(train: Callable, interrupt: Callable) -> None:
    interrupt(1, 0)
    with pytest.raises(KeyboardInterrupt):
        train("training.epochs=2")
    (checkpoint,) = train.folder.glob("checkpoints/last.ckpt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"last\.ckpt is damaged: delete"):
        train("training.epochs=2", resume=True)
