"""Validations that take most of the time: what is told of them, and what makes them shorter."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from msseg.config.training import TrainingConfig
from msseg.training import task as task_module
from msseg.training.task import SegmentationTask


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The overlap of every validation."""
    overlaps = []
    predict = task_module.predict_logits

    def remember(
        network: object, data: object, size: object, overlap: float, *args: object, **options: object
    ) -> object:
        overlaps.append(overlap)
        return predict(network, data, size, overlap, *args, **options)

    monkeypatch.setattr(task_module, "predict_logits", remember)
    return overlaps


def test_windows_overlap_as_in_prediction(train: Callable, windows: list[float]) -> None:
    train("inference.overlap=0.25", validation=("training03",))
    assert windows == [0.25]


def test_or_less_where_that_is_asked_for(train: Callable, windows: list[float]) -> None:
    train("training.validation_overlap=0", "inference.overlap=0.25", validation=("training03",))
    assert windows == [0.0]


def test_a_window_cannot_cover_all_of_the_next() -> None:
    with pytest.raises(ValidationError, match="validation_overlap"):
        TrainingConfig(validation_overlap=1)


@pytest.mark.parametrize(
    ("seconds", "every", "told"),
    [(20.0, 1, "67 %"), (20.0, 3, None), (14.0, 1, None), (9.0, 1, None)],
    ids=["two thirds of the time", "two fifths, every third epoch", "less than half", "seconds"],
)
def test_a_validation_longer_than_the_training_is_told_once(
    train: Callable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    every: int,
    told: str | None,
) -> None:
    """Epochs of 30 s, or of 10 s where a validation takes less than that."""
    validations = []
    monkeypatch.setattr(task_module.time, "perf_counter", lambda: 0.0)

    def begin(task: SegmentationTask) -> None:
        task.scores = task_module.validation_scores(task.config)
        task.epoch_begun, task.validation_begun = -30.0 if seconds > 10 else -10.0, -seconds
        validations.append(task.current_epoch)

    monkeypatch.setattr(SegmentationTask, "on_validation_epoch_start", begin)
    train("training.epochs=6", f"training.validate_every={every}", validation=("training03",))
    messages = [record.getMessage() for record in caplog.records if "validation takes" in record.getMessage()]
    assert len(validations) == 6 // every
    assert len(messages) == (1 if told else 0)
    if told:
        assert messages[0].startswith(f"validation takes {told} of the time")
        assert "training.validate_every" in messages[0]
        assert "training.validation_overlap below 0.5" in messages[0]
