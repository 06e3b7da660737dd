"""What models are selected by, for every task."""

import numpy as np
import pytest

from msseg.config.experiment import ExperimentConfig
from msseg.training.validation import validation_scores


@pytest.fixture
def truth():
    inside = np.ones((24, 24, 1), bool)
    inside[12] = False
    inside[:, 12] = False
    return inside


@pytest.mark.parametrize(
    ("task", "names"), [("lesions", {"dsc"}), ("membranes", {"dsc", "v_rand"}), ("cells", {"dsc", "seg"})]
)
def test_a_perfect_prediction_scores_1(task, names, truth):
    scores = validation_scores(ExperimentConfig(task=task))
    scores.add(truth.astype(np.float32), truth)
    assert scores.summary() == pytest.approx(dict.fromkeys(names, 1.0))


def test_v_rand_is_the_best_of_the_mean_over_slices(truth):
    """One threshold for all slices: each slice by itself could be perfect, but not at the same threshold."""
    scores = validation_scores(ExperimentConfig(task="membranes"))
    for wall, room in ((0.65, 0.95), (0.05, 0.35)):
        scores.add(np.where(truth, room, wall).astype(np.float32), truth)
    assert 0.4 < scores.summary()["v_rand"] < 0.95


def test_a_door_between_cells_costs_seg_and_hardly_dsc(truth):
    scores = validation_scores(ExperimentConfig(task="cells"))
    probability = truth.astype(np.float32)
    probability[6, 12] = probability[12, 6] = probability[18, 12] = 1
    scores.add(probability, truth)
    assert scores.summary()["dsc"] > 0.98
    assert scores.summary()["seg"] < 0.3  # one segment covers all four, and is four times as large as each


def test_selecting_by_another_tasks_score_is_refused():
    with pytest.raises(ValueError, match="val_v_rand is measured for task membranes, not lesions"):
        ExperimentConfig(training={"select": "val_v_rand"})
