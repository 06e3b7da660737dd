"""Warping: simple points by counting pieces, the order pixel by pixel, topology that stays, and what errors cost."""

from itertools import product

import cc3d
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from msseg.metrics.warping import connectivity_number, count_splits_and_mergers, count_warping_errors, warp

RING = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]


def pieces(mask, connectivity):
    return int(cc3d.connected_components(np.ascontiguousarray(mask), connectivity=connectivity).max())


def topology(mask):
    """Pieces of the inside and of the membrane, with membrane all around."""
    return pieces(np.pad(mask, 1), 4), pieces(np.pad(~mask, 1, constant_values=True), 8)


def is_simple(mask, row, column):
    """Whether flipping a pixel changes no number of pieces: in the plane that is the same as being simple."""
    flipped = mask.copy()
    flipped[row, column] ^= True
    return topology(mask) == topology(flipped)


def one_by_one(source, target, certainty):
    moving = source.copy()
    while True:
        left = [tuple(place) for place in np.argwhere((moving != target).T)[:, ::-1]]
        before = moving.copy()
        for place in sorted(left, key=lambda place: -certainty[place]):
            if is_simple(moving, *place):
                moving[place] ^= True
        if (moving == before).all():
            return moving


@pytest.mark.parametrize("around", list(product([False, True], repeat=8)))
def test_simple_points_are_those_of_one_piece(around):
    patch = np.zeros((3, 3), dtype=bool)
    for (row, column), value in zip(RING, around, strict=True):
        patch[1 + row, 1 + column] = value
    ring = np.array(around, dtype=np.int8)[:, None]
    counted = connectivity_number(ring)[0]
    # Around the patch lies membrane, so that pieces of the ring are connected through the pixel alone.
    direct = [patch[1 + row, 1 + column] for row, column in RING[::2]]
    labels = cc3d.connected_components(patch, connectivity=4)
    touching = {labels[1 + row, 1 + column] for row, column in RING[::2]} - {0}
    if all(direct):
        assert counted == 4 - sum(patch[1 + row, 1 + column] for row, column in RING[1::2])
    else:
        assert counted == len(touching)


small = st.shared(hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), key="shape")


@given(hnp.arrays(bool, small), hnp.arrays(np.float32, small, elements=st.sampled_from([0, 0.25, 0.5, 0.75, 1])))
def test_as_pixel_by_pixel(source, probability):
    target = probability > 0.4
    certainty = np.abs(probability - 0.4).astype(np.float32)
    warped = warp(source, target[np.newaxis], certainty[np.newaxis])[0]
    np.testing.assert_array_equal(warped, one_by_one(source, target, certainty))


@given(hnp.arrays(bool, small), hnp.arrays(np.float32, small, elements=st.floats(0, 1, width=32)))
def test_topology_stays(source, probability):
    targets = np.stack([probability > threshold for threshold in (0.2, 0.6)])
    warped = warp(source, targets, np.stack([probability, probability]))
    assert [topology(one) for one in warped] == [topology(source)] * 2
    assert ((warped == source) | (warped == targets)).all()


@given(hnp.arrays(bool, small))
def test_nothing_differs_from_itself(truth):
    assert count_warping_errors(truth.astype(np.float32), truth, [0.5]).tolist() == [[0, 0, 0]]


def two_neurites(membrane=8, shape=(12, 17)):
    mask = np.zeros(shape, dtype=bool)
    mask[1:-1, 1:-1] = True
    mask[:, membrane] = False
    return mask


def errors(prediction, truth):
    return count_warping_errors(prediction.astype(np.float32), truth, [0.5])[0].tolist()


def test_a_membrane_moved_or_thicker_costs_nothing():
    assert errors(two_neurites(9), two_neurites(8)) == [0, 0, 0]
    assert errors(two_neurites(9) & two_neurites(8) & two_neurites(7), two_neurites(8)) == [0, 0, 0]


def test_a_hole_in_a_membrane_is_one_merger():
    opened = two_neurites()
    opened[5, 8] = True
    assert errors(opened, two_neurites()) == [1, 0, 1]


def test_a_new_membrane_is_a_split_of_one_pixel():
    """All of a new membrane but one pixel can grow from the border without changing the topology."""
    cut = two_neurites()
    cut[:, 4] = False
    assert errors(cut, two_neurites()) == [1, 1, 0]


def test_a_hole_is_neither():
    pierced = two_neurites()
    pierced[5, 4] = False
    assert errors(pierced, two_neurites()) == [1, 0, 0]


@given(hnp.arrays(bool, small), hnp.arrays(bool, small))
def test_splits_and_mergers_by_flipping(warped, target):
    """Each differing pixel: mergers touch two segments; splits leave more segments around them than there were."""
    segments = cc3d.connected_components(np.pad(warped, 1), connectivity=4)
    splits = mergers = 0
    for row, column in np.argwhere(warped != target):
        window = slice(row, row + 3), slice(column, column + 3)
        around = segments[window].copy()
        around[1, 1] = 0
        touching = len(set(around.ravel()) - {0})
        if not warped[row, column]:
            mergers += touching > 1
            continue
        without = np.pad(warped, 1)
        without[row + 1, column + 1] = False
        after = cc3d.connected_components(without, connectivity=4)[window]
        splits += len(set(after.ravel()) - {0}) > 1
    assert count_splits_and_mergers(warped, target) == (splits, mergers)


@pytest.mark.real
@pytest.mark.parametrize("name", ["crop128", "blurred_truth_3slices", "perfect_2slices"])
def test_golden_values(golden, name):
    """The challenge's scorer lists the thresholds 0.1, ... 0.9."""
    stack = golden(name)
    thresholds = [step / 10 for step in range(1, 10)]
    slices = zip(np.moveaxis(stack.probability, -1, 0), np.moveaxis(stack.truth, -1, 0), strict=True)
    shares = sum(count_warping_errors(*pair, thresholds) for pair in slices) / stack.truth.size
    assert shares[:, 0] == pytest.approx(stack.scores["warping_error"], rel=1e-6)
    splits_and_mergers = shares[:, 1:].sum(axis=1).min()
    assert splits_and_mergers == pytest.approx(stack.scores["warping_error_min_splits_mergers"], rel=1e-6)
