"""Lines where a segmentation splits and merges, and colours that follow the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from msseg.report.segment_errors import errors_of, filled_up, matched, outlines, overlaps, thickened


def two_halves(height=40, width=41, wall=20, thick=1):
    """Two objects, left 1 and right 2, with a membrane between them."""
    labels = np.ones((height, width), dtype=np.int32)
    labels[:, wall:] = 2
    labels[:, wall : wall + thick] = 0
    return labels


def numbered(mask):
    return ndimage.label(mask)[0].astype(np.int32)


def test_what_is_right_has_no_errors():
    truth = two_halves()
    for lines in errors_of(truth, truth):
        assert not lines.any()


def test_a_gap_in_a_membrane_is_a_merger_along_the_whole_border():
    truth = two_halves()
    mask = truth > 0
    mask[10:12] = True
    mergers, splits = errors_of(numbered(mask), truth)
    assert not splits.any()
    assert mergers.any(axis=1).all()
    assert set(np.flatnonzero(mergers.any(axis=0))) <= {19, 20, 21}


def test_a_membrane_that_is_not_there_is_a_split():
    truth = two_halves()
    mask = truth > 0
    mask[15, :20] = False
    mergers, splits = errors_of(numbered(mask), truth)
    assert not mergers.any()
    rows, columns = np.nonzero(splits)
    assert set(rows) <= {14, 15, 16}
    assert columns.max() <= 20


def test_a_membrane_that_is_moved_or_wider_is_no_error():
    truth = two_halves()
    for prediction in (two_halves(wall=18), two_halves(wall=17, thick=6)):
        for lines in errors_of(prediction, truth):
            assert not lines.any()


def test_specks_are_no_splits():
    truth = two_halves()
    mask = truth > 0
    mask[4:9, 4:9] = False
    mask[6, 6] = True
    assert not errors_of(numbered(mask), truth)[1].any()


def test_objects_far_apart_have_no_border_to_lack():
    truth = np.zeros((60, 60), dtype=np.int32)
    truth[:8, :8], truth[52:, 52:] = 1, 2
    mergers, _ = errors_of(np.ones_like(truth), truth)
    assert not mergers.any()


@pytest.mark.parametrize("empty", ["prediction", "truth", "both"])
def test_nothing_has_no_errors(empty):
    full, nothing = two_halves(), np.zeros((40, 41), dtype=np.int32)
    prediction = full if empty == "truth" else nothing
    truth = full if empty == "prediction" else nothing
    for lines in errors_of(prediction, truth):
        assert not lines.any()
    assert matched(prediction, truth).shape == truth.shape


@given(st.permutations(range(1, 10)), st.integers(0, 2**32 - 1))
def test_numbers_alone_mean_nothing(order, seed):
    points = np.random.default_rng(seed).integers(0, 30, (9, 2))
    seeds = np.zeros((30, 30), dtype=np.int32)
    seeds[tuple(points.T)] = np.arange(1, 10)
    truth = filled_up(seeds)
    other = np.array([0, *order], dtype=np.int32)[truth]
    assert (matched(other, truth) == truth).all()
    for lines in errors_of(other, truth):
        assert not lines.any()


def test_a_piece_that_was_split_off_and_a_merger_have_one_colour_of_their_own():
    truth = two_halves()
    split = truth.copy()
    split[:10][truth[:10] == 1] = 3
    colours = matched(split, truth)
    assert colours[30, 5] == 1
    assert colours[5, 5] not in (0, 1, 2)
    merged = np.ones_like(truth)
    assert np.unique(matched(merged, truth)).tolist() == [1]


def test_overlaps_count_pixels():
    truth, prediction = np.array([[0, 1, 1, 2]]), np.array([[1, 1, 0, 1]])
    assert overlaps(prediction, truth).tolist() == [[0, 1], [1, 1], [0, 1]]


def test_lines_are_the_outermost_pixels_and_can_be_thickened():
    labels = np.zeros((9, 9), dtype=np.int32)
    labels[2:7, 2:7] = 4
    edge = outlines(labels)
    assert edge.sum() == 16
    assert not edge[3:6, 3:6].any()
    assert thickened(edge, 0) is edge
    assert thickened(edge, 1)[1, 4]
    assert not thickened(edge, 1)[0, 4]
