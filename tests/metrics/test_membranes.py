"""Scores of boundary maps: the challenge's own values, what a stack is made of, and what is not defined."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from msseg.metrics.membranes import (
    best_thresholds,
    score_slices,
    score_stack,
    slice_scores,
    threshold_rows,
    v_rand_per_threshold,
)
from msseg.metrics.slice_counts import AGREEMENTS, CHALLENGE_THRESHOLDS, SliceCounts, count_agreements, count_slice

NAMES = ("crop128", "blurred_truth_3slices", "intensity_3slices", "perfect_2slices")
KEYS = {
    "v_rand": "rand_thinned_fscore",
    "v_rand_unthinned": "rand_fscore",
    "v_info": "info_thinned_fscore",
    "v_info_unthinned": "info_fscore",
}
"""Our names and the golden files'."""


def neurites(columns=(5,), shape=(9, 11)):
    """Inside everywhere but for whole columns of membrane."""
    mask = np.ones(shape, dtype=bool)
    mask[:, list(columns)] = False
    return mask


@pytest.mark.real
@pytest.mark.parametrize("name", NAMES)
def test_golden_values(golden, name):
    """Asked for are 1e-6 without thinning and 5e-4 with it; the flooding has the scorer's order, so both are exact."""
    stack = golden(name)
    scores = score_stack(stack.probability, stack.truth, warping=False)["stack"]
    rows = scores["thresholds"]
    for ours, theirs in KEYS.items():
        assert [row[ours]["f"] for row in rows] == pytest.approx(stack.column(theirs), abs=1e-8)
    for ours, theirs in (("v_rand", "rand_thinned"), ("v_rand_unthinned", "rand")):
        assert [row[ours]["split"] for row in rows] == pytest.approx(stack.column(f"{theirs}_recall"), abs=1e-8)
        assert [row[ours]["merge"] for row in rows] == pytest.approx(stack.column(f"{theirs}_precision"), abs=1e-8)
    assert [row["pixel_error_plain"] for row in rows] == pytest.approx(stack.column("pixel_error"), abs=1e-8)
    assert [1 - row["pixel_error"] for row in rows] == pytest.approx(stack.column("pixel_fscore"), abs=1e-8)
    assert scores["v_rand"] == pytest.approx(stack.scores["v_rand_max_thinned"], abs=1e-8)
    assert scores["v_info"] == pytest.approx(stack.scores["v_info_max_thinned"], abs=1e-8)
    assert scores["pixel_error"] == pytest.approx(1 - stack.scores["max_pixel_fscore"], abs=1e-8)


@pytest.mark.real
def test_golden_v_rand_of_single_slices(golden):
    stack = golden("blurred_truth_3slices")
    rows = [v_rand_per_threshold(stack.probability[..., z], stack.truth[..., z]) for z in range(3)]
    assert np.mean(rows, axis=0) == pytest.approx(stack.column("rand_thinned_fscore"), abs=1e-8)


@pytest.mark.real
def test_golden_warping_error(golden):
    scores = score_stack(golden("crop128").probability, golden("crop128").truth)["stack"]
    wanted = golden("crop128").scores
    assert scores["warping_error"] == pytest.approx(min(wanted["warping_error"]), rel=1e-6)
    assert scores["warping_error_splits_mergers"] == pytest.approx(wanted["warping_error_min_splits_mergers"], rel=1e-6)


@pytest.mark.real
def test_thirty_slices_take_less_than_ten_seconds(golden):
    """Thinned V_rand and V_info of 512 x 512 pixels at ten thresholds; a core takes 0.1 s a slice."""
    stack = golden("blurred_truth_3slices")
    start = time.process_time()
    for z in range(3):
        count_agreements(stack.probability[..., z], stack.truth[..., z], CHALLENGE_THRESHOLDS, ("v_rand", "v_info"))
    assert (time.process_time() - start) * 10 < 10


@given(hnp.arrays(bool, (6, 7, 2)).filter(lambda truth: truth.any()))
def test_the_truth_scores_1(truth):
    scores = score_stack(truth.astype(np.float32), truth)["stack"]
    ones = [*AGREEMENTS, "v_rand_split", "v_rand_merge", "v_info_split", "v_info_merge", "dice", "jaccard"]
    assert [scores[name] for name in ones] == pytest.approx([1.0] * len(ones))
    assert [scores[name] for name in scores if "error" in name] == [0] * 4
    assert scores["v_rand_best_alpha"] == pytest.approx(1)


@given(hnp.arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32)), hnp.arrays(bool, (6, 7)))
def test_mirrored_slices_score_the_same_without_thinning(probability, truth):
    """Thinning breaks ties in the order of the columns; all else has no direction."""
    forth, back = (
        count_slice(one, true, agreements=("v_rand_unthinned", "v_info_unthinned"), warping=False)
        for one, true in ((probability, truth), (probability[:, ::-1], truth[:, ::-1]))
    )
    for name in ("v_rand_unthinned", "v_info_unthinned"):
        np.testing.assert_allclose(forth.agreements[name], back.agreements[name], atol=1e-12)


def test_membranes_of_any_width_score_the_same_once_thinned():
    truth = neurites((5,))
    wide = neurites((4, 5, 6))
    thinned, full = (v_rand_per_threshold(wide.astype(np.float32), truth, [0.5], thin)[0] for thin in (True, False))
    assert thinned == 1
    assert full < 1


def test_an_opened_membrane_merges_and_a_new_one_splits():
    """Two neurites of 4 and 5 columns of 9 pixels."""
    truth = neurites((5,), (9, 10))
    opened, cut = neurites((), (9, 10)), neurites((2, 5), (9, 10))
    merged, split = (count_slice(one.astype(np.float32), truth, [0.5], warping=False) for one in (opened, cut))
    row = threshold_rows([merged])[0]["v_rand"]
    assert row["split"] == 1
    assert row["merge"] == pytest.approx((45**2 + 36**2) / 81**2)
    row = threshold_rows([split])[0]["v_rand"]
    assert row["merge"] == 1
    # The left neurite falls into 2 and 2 columns, and the line between them is alone.
    assert row["split"] == pytest.approx((18**2 + 18**2 + 9 + 36**2) / (45**2 + 36**2))


def test_the_threshold_is_one_for_the_whole_stack():
    """Each slice is perfect at a threshold of its own; together they are best where their mean is."""
    truth = neurites((5,))
    low = np.where(truth, 0.4, 0.0)
    high = np.where(truth, 0.9, 0.6)
    stack = score_stack(np.stack([low, high], axis=-1), np.stack([truth, truth], axis=-1), [0.2, 0.7])
    alone = [v_rand_per_threshold(one, truth, [0.2, 0.7]).tolist() for one in (low, high)]
    assert alone[0][0] == alone[1][1] == 1
    assert stack["stack"]["v_rand"] == pytest.approx(max((1 + alone[1][0]) / 2, (alone[0][1] + 1) / 2))
    assert np.mean([one["v_rand"] for one in stack["slices"]]) == pytest.approx(stack["stack"]["v_rand"])


def test_unthinned_sums_are_pooled_and_thinned_scores_averaged():
    random = np.random.default_rng(0)
    slices = [
        count_slice(random.random((12, 12)), random.random((12, 12)) > share, [0.5], warping=False)
        for share in (0.2, 0.8)
    ]
    scores = score_slices(slices)
    thinned = [score_slices([one])["v_rand"] for one in slices]
    shared, truth, prediction = np.sum([one.agreements["v_rand_unthinned"][0] for one in slices], axis=0)
    assert scores["v_rand"] == pytest.approx(np.mean(thinned))
    assert scores["v_rand_unthinned"] == pytest.approx(2 * shared / (truth + prediction))


def test_a_slice_without_inside_has_no_v_rand_and_is_left_out():
    truth = neurites()
    none = np.zeros_like(truth)
    assert np.isnan(v_rand_per_threshold(truth.astype(np.float32), none)).all()
    both = score_stack(np.stack([truth, truth], -1).astype(np.float32), np.stack([truth, none], -1))
    assert both["stack"]["v_rand"] == both["stack"]["v_info"] == 1
    assert np.isnan(both["slices"][1]["v_rand"])
    assert both["slices"][1]["dice"] == 0
    assert np.isnan(score_stack(np.stack([truth], -1).astype(np.float32), np.stack([none], -1))["stack"]["v_rand"])


def test_a_prediction_without_inside_is_one_segment_once_thinned():
    """As one flat basin: everything is merged, nothing split."""
    row = threshold_rows([count_slice(np.zeros((9, 11)), neurites(), [0.5], warping=False)])[0]
    assert row["v_rand"]["split"] == 1
    assert row["v_rand"]["merge"] == pytest.approx((45**2 + 45**2) / 90**2)


def test_a_mask_scores_alike_at_all_thresholds():
    truth = neurites((3, 7))
    rows = v_rand_per_threshold(neurites((3,)).astype(np.float32), truth)
    assert len(set(rows.tolist())) == 1
    assert rows.shape == (10,)


def test_best_alpha_is_the_better_of_split_and_merge():
    truth = neurites((5,), (9, 10))
    cut = count_slice(neurites((2, 5), (9, 10)).astype(np.float32), truth, [0.5])
    scores = score_slices([cut])
    assert (scores["best_alpha"], scores["v_rand_best_alpha"]) == (1.0, 1.0)
    opened = score_slices([count_slice(neurites((), (9, 10)).astype(np.float32), truth, [0.5])])
    assert opened["best_alpha"] == 0.1
    assert opened["v_rand_best_alpha"] == pytest.approx(1 / (0.1 / opened["v_rand_merge"] + 0.9))


def test_errors_are_the_lowest_over_the_thresholds():
    truth = neurites()
    probability = np.where(truth, 0.6, 0.2)
    scores = score_stack(probability[..., None], truth[..., None], [0.1, 0.5])
    assert (scores["stack"]["pixel_error"], scores["stack"]["warping_error"]) == (0, 0)
    first = scores["stack"]["thresholds"][0]
    assert first["pixel_error_plain"] == pytest.approx(9 / 99)
    assert first["warping_error_splits_mergers"] == pytest.approx(9 / 99)


@given(hnp.arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)), hnp.arrays(bool, (5, 6)), st.booleans())
def test_counts_survive_json(probability, truth, warping):
    counts = count_slice(probability, truth, (0.2, 0.7), warping=warping)
    again = SliceCounts.from_json_dict(counts.to_json_dict())
    np.testing.assert_equal(again.to_json_dict(), counts.to_json_dict())
    np.testing.assert_equal(
        slice_scores(again, best_thresholds([again])), slice_scores(counts, best_thresholds([counts]))
    )


def test_what_cannot_be_scored():
    truth = neurites()
    with pytest.raises(ValueError, match="of one shape"):
        count_slice(np.zeros((3, 3)), truth)
    with pytest.raises(ValueError, match="threshold"):
        count_slice(np.zeros_like(truth, dtype=float), truth, [])
    with pytest.raises(ValueError, match="boolean"):
        count_slice(np.zeros_like(truth, dtype=float), truth.astype(int))
    with pytest.raises(ValueError, match="stacks"):
        score_stack(np.zeros((3, 3)), np.zeros((3, 3), dtype=bool))
