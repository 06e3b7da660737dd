"""Models are selected by lesion-wise and surface scores in the right direction."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

from msseg.config.experiment import ExperimentConfig
from msseg.config.training import SELECTED_FOR, SELECTED_LOW, Selected
from msseg.metrics.lesions import LesionRules, lesion_scores
from msseg.metrics.selection import CRITERIA
from msseg.model import load_network
from msseg.training.checkpoints import better
from msseg.training.progress import SCORE_NAMES
from msseg.training.task import SegmentationTask
from msseg.training.validation import validation_scores

OF_LESIONS = [name for name, task in SELECTED_FOR.items() if task == "lesions"]


def test_every_name_has_a_measure_a_direction_and_a_title() -> None:
    assert set(OF_LESIONS) == {f"val_{name}" for name in CRITERIA if name != "dsc"}
    for name in OF_LESIONS:
        assert better(name) == ("min" if CRITERIA[name.removeprefix("val_")].lower else "max")
    assert set(get_args(Selected)) - {"val_loss"} <= set(SCORE_NAMES)
    assert set(get_args(Selected)) >= SELECTED_LOW


@pytest.mark.parametrize("short", ["isbi_score", "hd95", "loss", "dsc"])
def test_the_prefix_may_be_left_out(short: str) -> None:
    assert ExperimentConfig(training={"select": short}).training.select == f"val_{short}"


def test_scores_of_lesions_are_refused_for_other_tasks() -> None:
    with pytest.raises(ValueError, match="val_hd95 is measured for task lesions, not cells"):
        ExperimentConfig(task="cells", training={"select": "hd95"})


@pytest.mark.parametrize("select", OF_LESIONS)
def test_validation_measures_the_masks_that_a_predictor_gives(select: str) -> None:
    """Mean over the cases, with the experiment's threshold, smallest lesion, spacing and rules."""
    rng = np.random.default_rng(0)
    settings = {"threshold": 0.6, "smallest_lesion_mm3": 4.0}
    config = ExperimentConfig(training={"select": select}, inference=settings, evaluation={"tolerance_mm": 2.0})
    scores, expected = validation_scores(config), []
    for _ in range(3):
        truth = np.zeros((12, 12, 12), bool)
        truth[2:5, 2:5, 2:5] = truth[8:10, 8:11, 7:9] = True
        probability = np.where(np.roll(truth, 1, axis=0), 0.9, 0.1) + 0.3 * rng.random(truth.shape)
        probability[0, 0, 0] = 1  # below the smallest lesion
        scores.add(probability.astype(np.float32), truth, (1, 1, 2))
        mask = probability > 0.6
        mask[0, 0, 0] = False
        values = lesion_scores(mask, truth, (1, 1, 2), LesionRules(tolerance_mm=2))
        expected.append(abs(values[CRITERIA[select.removeprefix("val_")].key]))
    found = scores.summary()
    assert found.keys() == {"dsc", select.removeprefix("val_")}
    assert found[select.removeprefix("val_")] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("select", "best", "epochs"), [("hd95", 1, 4), ("isbi_score", 2, 5), ("lfpr", 1, 4)])
def test_patience_and_the_kept_model_follow_the_direction(
    train: Callable, monkeypatch: pytest.MonkeyPatch, select: str, best: int, epochs: int
) -> None:
    values = [3, 1, 2, 2, 2, 2, 2] if select != "isbi_score" else [0.1, 0.2, 0.3, 0.2, 0.2, 0.2, 0.2]

    def validation_step(self: SegmentationTask, case: dict[str, Any], _: int) -> None:
        self.log("val_loss", 1.0, on_epoch=True, batch_size=1)
        self.scores.dsc, self.scores.values = [0.5], [values[self.current_epoch]]

    monkeypatch.setattr(SegmentationTask, "validation_step", validation_step)
    done = train("training.epochs=7", "training.patience=2", f"training.select={select}", validation=("training03",))
    provenance = load_network(done.run.model)[1].provenance
    assert (provenance["epoch"], provenance["selected_by"]) == (best, f"val_{select}")
    assert [float(row[f"val_{select}"]) for row in done.rows] == values[:epochs]


@pytest.mark.parametrize("select", ["isbi_score", "assd"])
def test_a_training_logs_and_shows_what_it_selects_by(train: Callable, select: str) -> None:
    done = train(f"training.select={select}", "inference.threshold=0.015", validation=("training03", "lesion-free"))
    (row,) = done.rows
    assert list(row)[3:5] == ["val_dsc", f"val_{select}"]
    assert np.isfinite(float(row[f"val_{select}"]))
    assert f"{CRITERIA[select].label} {float(row[f'val_{select}']):.4f}" in done.text
