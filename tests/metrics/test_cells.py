"""SEG, AP and IoU of cells: closed forms, every pair of objects, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from msseg.metrics.cells import IOU_THRESHOLDS, CellCounts, count_cells, seg_score

frames = hnp.arrays(np.int32, (4, 5), elements=st.integers(0, 4))


def row(*lengths_and_numbers):
    """A frame of one row: (3, 1), (2, 0) is three pixels of object 1 and two of background."""
    return np.array([[number for length, number in lengths_and_numbers for _ in range(length)]])


def by_pairs(prediction, truth):
    """SEG sum and AP matches by looking at every pair."""
    objects, segments = ([n for n in np.unique(labels) if n] for labels in (truth, prediction))
    seg, ious = 0.0, []
    for one in objects:
        for other in segments:
            shared = np.sum((truth == one) & (prediction == other))
            iou = shared / np.sum((truth == one) | (prediction == other))
            ious.append(iou)
            seg += iou if shared > np.sum(truth == one) / 2 else 0
    return seg, len(objects), len(segments), tuple(sum(iou > level for iou in ious) for level in IOU_THRESHOLDS)


def test_an_object_covered_by_more_than_half():
    """Object 1 loses one of its 4 pixels, object 2 is found with 2 pixels too many, object 3 not at all."""
    truth = row((4, 1), (2, 0), (2, 2), (3, 0), (1, 3))
    prediction = row((3, 7), (3, 0), (4, 5), (2, 0))
    counts = count_cells(prediction, truth)
    assert counts.seg == pytest.approx((3 / 4 + 2 / 4 + 0) / 3)
    assert counts.ap_per_iou[0] == pytest.approx(1 / (3 + 2 - 1))
    assert seg_score(prediction, truth) == (pytest.approx(5 / 4), 3)


def test_half_is_not_more_than_half():
    assert count_cells(row((2, 1), (2, 2)), row((4, 1))).seg == 0


def test_a_segment_over_two_cells_may_be_the_partner_of_both():
    assert count_cells(row((6, 1)), row((2, 1), (4, 2))).seg == pytest.approx((2 / 6 + 4 / 6) / 2)


def test_segments_without_an_object_cost_ap_but_not_seg():
    counts = count_cells(row((2, 1), (2, 2)), row((2, 1), (2, 0)))
    assert counts.seg == 1
    assert counts.ap == 1 / 2


def test_empty_frames():
    none, one = row((3, 0)), row((3, 1))
    assert np.isnan(count_cells(none, none).seg)
    assert count_cells(none, none).ap == 1
    assert count_cells(none, one).ap == count_cells(one, none).ap == 0
    assert count_cells(none, one).seg == 0


@given(frames, frames)
def test_as_pair_by_pair(prediction, truth):
    counts = count_cells(prediction, truth)
    seg, *others = by_pairs(prediction, truth)
    assert counts.seg_sum == pytest.approx(seg)
    assert [counts.objects, counts.segments, counts.matches] == others


@given(frames.filter(np.any))
def test_the_truth_is_perfect(truth):
    counts = count_cells(truth, truth)
    assert (counts.seg, counts.ap, counts.overlap.iou) == (1, 1, 1)


@given(frames, frames, st.permutations(range(1, 5)))
def test_numbers_do_not_matter(prediction, truth, order):
    renumbered = np.array([0, *(1000 * number for number in order)])[prediction]
    assert count_cells(renumbered.astype(np.uint16), truth) == count_cells(prediction, truth)


@given(frames, frames)
def test_ap_does_not_know_which_is_the_truth(prediction, truth):
    assert count_cells(prediction, truth).ap_per_iou == count_cells(truth, prediction).ap_per_iou


@given(frames, frames)
def test_frames_add_up(prediction, truth):
    """Two frames together are one frame of both, numbered apart."""
    first, second = count_cells(prediction, truth), count_cells(truth, prediction)
    both = [np.concatenate([one, np.where(other > 0, other + 10, 0)]) for one, other in
            ((prediction, truth), (truth, prediction))]  # fmt: skip
    together = count_cells(*both)
    assert (first + second).seg_sum == pytest.approx(together.seg_sum)
    assert (first + second).matches == together.matches
    assert (first + second).overlap == together.overlap


@given(frames, frames)
def test_counts_survive_json(prediction, truth):
    counts = count_cells(prediction, truth)
    assert CellCounts.from_json_dict(counts.to_json_dict()) == counts


def test_what_cannot_be_counted():
    with pytest.raises(ValueError, match="shape"):
        count_cells(row((2, 1)), row((3, 1)))
    with pytest.raises(ValueError, match="negative"):
        count_cells(row((2, -1)), row((2, 1)))
