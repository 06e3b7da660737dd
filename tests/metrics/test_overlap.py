"""Overlap scores: closed forms, laws, the empty-mask rule, and MONAI as the independent reference."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from monai.metrics import DiceMetric, MeanIoU

from msseg.metrics.overlap import Overlap, count_overlap, joint_box

UNTIMED = settings(deadline=None)  # a busy machine is no failure


@st.composite
def mask_pairs(draw):
    shape = draw(array_shapes(min_dims=1, max_dims=3, max_side=6))
    return draw(arrays(bool, shape)), draw(arrays(bool, shape))


def cube(shape, start, size):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(first, first + size) for first in start)] = True
    return mask


def test_shifted_cube_has_the_scores_of_its_geometry():
    truth = cube((10, 10, 10), (2, 2, 2), 4)
    prediction = cube((10, 10, 10), (3, 2, 2), 4)
    overlap = count_overlap(prediction, truth)
    assert overlap == Overlap(tp=48, fp=16, fn=16)
    assert overlap.dsc == pytest.approx(48 / 64)
    assert overlap.iou == pytest.approx(48 / 80)
    assert overlap.sensitivity == overlap.precision == pytest.approx(48 / 64)


def test_sensitivity_and_precision_are_not_confused():
    truth = cube((8, 8, 8), (0, 0, 0), 4)
    inside = cube((8, 8, 8), (0, 0, 0), 2)
    overlap = count_overlap(inside, truth)
    assert overlap.precision == 1
    assert overlap.sensitivity == pytest.approx(1 / 8)


@pytest.mark.parametrize("score", ["dsc", "iou", "sensitivity", "precision"])
def test_empty_masks(score):
    empty, full = np.zeros((3, 3, 3), dtype=bool), np.ones((3, 3, 3), dtype=bool)
    assert getattr(count_overlap(empty, empty), score) == 1
    assert getattr(count_overlap(full, empty), score) == 0
    assert getattr(count_overlap(empty, full), score) == 0


@UNTIMED
@given(mask_pairs())
def test_laws(pair):
    a, b = pair
    forward, backward = count_overlap(a, b), count_overlap(b, a)
    assert count_overlap(a, a).dsc == 1
    assert forward.dsc == backward.dsc
    assert forward.iou == backward.iou
    assert forward.sensitivity == backward.precision
    assert forward.iou == pytest.approx(forward.dsc / (2 - forward.dsc))
    assert 0 <= forward.iou <= forward.dsc <= 1


@UNTIMED
@given(mask_pairs(), st.data())
def test_turning_both_masks_changes_nothing(pair, data):
    axis = data.draw(st.integers(0, pair[0].ndim - 1))
    a, b = (np.flip(mask, axis) for mask in pair)
    assert count_overlap(a, b) == count_overlap(*pair)
    assert count_overlap(a.T, b.T) == count_overlap(*pair)


@UNTIMED
@given(mask_pairs())
def test_parts_add_up_to_the_whole(pair):
    a, b = pair
    assert count_overlap(a[:1], b[:1]) + count_overlap(a[1:], b[1:]) == count_overlap(a, b)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_monai_agrees(share):
    rng = np.random.default_rng(3)
    truth = rng.random((9, 8, 7)) < share
    prediction = truth ^ (rng.random(truth.shape) < 0.1)
    overlap = count_overlap(prediction, truth)
    tensors = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth)]
    assert overlap.dsc == pytest.approx(DiceMetric()(*tensors).item(), rel=1e-6)
    assert overlap.iou == pytest.approx(MeanIoU()(*tensors).item(), rel=1e-6)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        count_overlap(np.ones((2, 3), dtype=bool), np.ones((3, 2), dtype=bool))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_probabilities_and_labels_are_refused(dtype):
    with pytest.raises(ValueError, match="prediction has to be a boolean mask"):
        count_overlap(np.ones((2, 2), dtype=dtype), np.ones((2, 2), dtype=bool))


@UNTIMED
@given(mask_pairs())
def test_the_joint_box_holds_all_and_nothing_more(pair):
    box = joint_box(*pair)
    either = pair[0] | pair[1]
    assert either[box].sum() == either.sum()
    if either.any():
        expected = [(int(places.min()), int(places.max()) + 1) for places in np.nonzero(either)]
        assert [(side.start, side.stop) for side in box] == expected
    else:
        assert either[box].shape == (1,) * either.ndim
