"""Segments and their growth over membranes, against a plain queue of single pixels."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from msseg.metrics.segments import grow_segments, label_segments

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


def grown(labels: np.ndarray) -> np.ndarray:
    return grow_segments(labels[np.newaxis])[0]


def one_by_one(labels: np.ndarray) -> np.ndarray:
    """Vincent and Soille's flooding of a binary image, pixel by pixel, columns first."""
    if not labels.any():
        return np.ones_like(labels)
    result = {place: int(number) for place, number in np.ndenumerate(labels)}

    def around(place):
        row, column = place
        steps = [(row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)]
        return [step for step in steps if step in result]

    waiting = {place for place, number in result.items() if number == 0}
    columns_first = sorted(waiting, key=lambda place: (place[1], place[0]))
    queue = deque(place for place in columns_first if any(result[step] > 0 for step in around(place)))
    waiting -= set(queue)
    while queue:
        place = queue.popleft()
        segments = {result[step] for step in around(place) if result[step] > 0}
        result[place] = segments.pop() if len(segments) == 1 else 0
        for step in around(place):
            if step in waiting:
                waiting.remove(step)
                queue.append(step)
    return np.array([result[place] for place in np.ndindex(labels.shape)]).reshape(labels.shape)


def test_neighbours_are_the_four_direct_ones():
    assert label_segments(np.eye(3, dtype=bool)).tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 3]]


def test_a_wide_membrane_becomes_a_line():
    assert grown(np.array([[1, 0, 0, 0, 2]])).tolist() == [[1, 1, 0, 2, 2]]


def test_an_even_gap_goes_to_the_earlier_column():
    assert grown(np.array([[1, 0, 0, 2]])).tolist() == [[1, 1, 0, 2]]
    assert grown(np.array([[1], [0], [0], [2]])).tolist() == [[1], [1], [0], [2]]


def test_a_slice_without_segments_is_one():
    both = np.array([[[0, 0]], [[0, 3]]])
    assert grow_segments(both).tolist() == [[[1, 1]], [[3, 3]]]


@given(masks)
def test_as_pixel_by_pixel(inside):
    labels = label_segments(inside)
    np.testing.assert_array_equal(grown(labels), one_by_one(labels))


@pytest.mark.parametrize("seed", range(5))
def test_as_pixel_by_pixel_on_larger_maps(seed):
    """Wide membranes, long fronts and many ties."""
    random = np.random.default_rng(seed)
    labels = label_segments(random.random((40, 33)) > random.choice([0.6, 0.9, 0.98]))
    np.testing.assert_array_equal(grown(labels), one_by_one(labels))


@given(st.lists(hnp.arrays(bool, (5, 6)), min_size=1, max_size=3))
def test_slices_do_not_see_each_other(slices):
    labels = np.stack([label_segments(inside) for inside in slices])
    np.testing.assert_array_equal(grow_segments(labels), np.stack([grown(one) for one in labels]))


@given(masks)
def test_segments_keep_their_pixels_and_never_touch(inside):
    labels = label_segments(inside)
    result = grown(labels)
    assert (result[inside] == labels[inside]).all()
    for first, second in ((result[1:], result[:-1]), (result[:, 1:], result[:, :-1])):
        assert ((first == second) | (first == 0) | (second == 0)).all()
