"""The choice among thresholds and smallest lesions."""

import numpy as np
import pytest

from msseg.evaluation.tuning import Tuning, with_present
from msseg.evaluation.tuning_table import format_tuning

CUTS, SIZES = (0.3, 0.5, 0.7), (0.0, 5.0)


def tuning(scores: list, criterion: str = "dsc", present: tuple[int, int] = (1, 0), groups: str = "") -> Tuning:
    array = np.array(scores, dtype=float)
    names = tuple(f"case{number}" for number in range(len(array)))
    return Tuning(criterion, CUTS, SIZES, names, tuple(groups) or names, array, present)


def test_the_best_mean_is_chosen_in_the_criterions_direction() -> None:
    scores = [[[0.1, 0.2], [0.5, 0.4], [0.9, 0.8]]]
    assert (tuning(scores).after.threshold, tuning(scores).after.smallest_lesion_mm3) == (0.7, 0)
    low = tuning(scores, "hd95").after
    assert (low.threshold, low.smallest_lesion_mm3, low.score) == (0.3, 0, 0.1)


def test_among_equals_the_present_choice_stays() -> None:
    same = tuning([[[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]], present=(2, 1))
    assert same.after == same.before


def test_among_equals_least_is_taken_out_then_the_threshold_is_nearest_to_a_half() -> None:
    scores = [[[0.5, 0.6], [0.1, 0.6], [0.5, 0.6]]]
    assert (tuning(scores).after.threshold, tuning(scores).after.smallest_lesion_mm3) == (0.5, 5)
    scores = [[[0.6, 0.6], [0.1, 0.6], [0.6, 0.6]]]
    found = tuning(scores).after  # 0.3 and 0.7 are as near
    assert (found.threshold, found.smallest_lesion_mm3) == (0.3, 0)
    scores = [[[0.6, 0.6 + 1e-12], [0.1, 0.6], [0.5, 0.6]]]
    assert tuning(scores).after.smallest_lesion_mm3 == 0


def test_the_score_to_expect_is_that_of_patients_left_out() -> None:
    """Each patient would choose another threshold: what is best on one is worst on the other."""
    first, second = [[0.9, 0], [0.5, 0], [0.1, 0]], [[0.1, 0], [0.5, 0], [0.9, 0]]
    found = tuning([first, second], groups="ab")
    assert found.left_out() == pytest.approx(0.1)
    assert found.after.score == pytest.approx(0.5)
    assert tuning([first, second], groups="aa").left_out() is None
    agreeing = tuning([first, first, first], groups="abb")
    assert agreeing.left_out() == pytest.approx(0.9) == agreeing.after.score


def test_scans_of_a_patient_are_left_out_together() -> None:
    a, b = [[0.9, 0], [0.5, 0], [0.1, 0]], [[0.1, 0], [0.5, 0], [0.9, 0]]
    # Without both of patient 1's scans only patient 2 chooses (0.7): 0.1 for both; patient 2 at 0.3: 0.1.
    assert tuning([a, a, b], groups="112").left_out() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("row", "column", "edge"),
    [(0, 0, "the lowest threshold"), (2, 0, "the highest threshold"), (1, 1, "the largest of"), (1, 0, None)],
)
def test_the_edge_is_named(row: int, column: int, edge: str | None) -> None:
    scores = np.zeros((1, 3, 2))
    scores[0, row, column] = 1
    found = tuning(scores.tolist(), present=(1, 0)).at_edge()
    assert found is None if edge is None else edge in (found or "")


def test_the_present_value_is_among_those_tried() -> None:
    assert with_present((0.5, 0.1), 0.33) == (0.1, 0.33, 0.5)
    assert with_present((0.5, 0.1), 0.5) == (0.1, 0.5)


def test_the_table_marks_best_and_present_and_json_holds_every_score() -> None:
    found = tuning([[[0.1, 0.2], [0.5, 0.4], [0.9, 0.8]], [[0.2, 0.2], [0.5, 0.4], [0.7, 0.8]]], groups="ab")
    text = format_tuning(found)
    assert "0.8000*" in text
    assert "0.5000 <" in text
    assert "before: threshold 0.5, smallest lesion 0 mm3: DSC 0.5000" in text
    assert "after:  threshold 0.7, smallest lesion 0 mm3: DSC 0.8000" in text
    assert "--thresholds and --sizes look further" in text
    content = found.to_json_dict()
    assert content["cases"][1]["scores"] == [[0.2, 0.2], [0.5, 0.4], [0.7, 0.8]]
    assert content["score_on_patients_left_out"] == pytest.approx((0.8 + 0.7) / 2)


@pytest.mark.parametrize("criterion", ["dsc", "hd95"])
def test_a_gain_that_other_patients_do_not_confirm_is_called_luck(criterion: str) -> None:
    first, second = [[0.9, 0.5], [0.5, 0.5], [0.0, 0.5]], [[0.0, 0.5], [0.4, 0.5], [0.95, 0.5]]
    apart = np.array([first, second])
    scores = 1 - apart if criterion == "hd95" else apart
    assert "may be luck" in format_tuning(tuning(scores.tolist(), criterion, groups="ab"))
    same = np.stack([scores[0]] * 2)
    assert "may be luck" not in format_tuning(tuning(same.tolist(), criterion, groups="ab"))
