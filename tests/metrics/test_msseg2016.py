"""Detection as MSSEG 2016 scored it: each of its rules by itself, and a slow reference that follows the scorer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from msseg.metrics.msseg2016 import msseg_detection

SHAPES = st.tuples(*[st.integers(1, 8)] * 3)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(*[arrays(bool, shape)] * 2))
SPACINGS = st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.5, 3.0), (2.0, 2.0, 2.0), (0.4, 0.4, 0.4)])


def rows(*lesions, length=120):
    """Each lesion is a run of voxels (from, to) in a row of its own, three rows from the next; or several runs."""
    found = np.zeros((3 * len(lesions), 1, length), dtype=bool)
    for place, runs in enumerate(lesions):
        for first, last in runs:
            found[3 * place, 0, first:last] = True
    return found


def one(*runs, length=120):
    return rows(runs, length=length)


def detected(prediction, truth, spacing=(1, 1, 1)):
    return msseg_detection(prediction, truth, spacing)


@pytest.mark.parametrize(("voxels", "counts"), [(3, False), (4, True)])
def test_only_lesions_above_three_cubic_millimetres(voxels, counts):
    """The truth's second lesion is missed, if it is one."""
    truth, prediction = rows([(0, 10)], [(0, voxels)]), rows([(0, 10)], [])
    assert detected(prediction, truth).sensitivity == (0.5 if counts else 1)


@pytest.mark.parametrize("edge", [1.0, 1 - 3e-8, 1 + 3e-8])
def test_voxel_edges_in_single_precision_do_not_matter(edge):
    truth, prediction = rows([(0, 10)], [(0, 3)]), rows([(0, 10)], [])
    assert detected(prediction, truth, (edge, edge, edge)).sensitivity == 1


def test_small_lesions_in_larger_voxels():
    """8 mm^3 voxels: one is a lesion."""
    truth, prediction = rows([(0, 10)], [(0, 1)]), rows([(0, 10)], [])
    assert detected(prediction, truth, (2, 2, 2)).sensitivity == 0.5


def test_lesions_share_faces():
    """Two blocks that touch at an edge alone are two lesions, of which one is found."""
    truth = np.zeros((4, 4, 2), dtype=bool)
    truth[:2, :2], truth[2:, 2:] = True, True
    prediction = truth.copy()
    prediction[2:] = False
    assert detected(prediction, truth).sensitivity == 0.5


@pytest.mark.parametrize(("covered", "found"), [(4, False), (5, True)])
def test_alpha_more_than_a_tenth_has_to_be_covered(covered, found):
    assert detected(one((0, covered)), one((0, 40))).sensitivity == found


@pytest.mark.parametrize(("inside", "found"), [(30, True), (29, False)])
def test_beta_no_more_than_70_percent_outside(inside, found):
    """A predicted lesion of 100 voxels."""
    assert detected(one((0, 100)), one((0, inside))).sensitivity == found


def test_what_lies_in_another_lesion_is_not_outside():
    truth = one((0, 10), (20, 30), (40, 50))
    assert detected(one((0, 50)), truth).sensitivity == 1
    assert detected(one((0, 120)), truth).sensitivity == 0


@pytest.mark.parametrize(("first", "found"), [(65, True), (64, False)])
def test_gamma_65_percent_of_what_is_covered_are_looked_at(first, found):
    """100 of the truth's 101 voxels are covered: `first` by a lesion within it, the others by one mostly outside."""
    truth = np.zeros((2, 2, 600), dtype=bool)
    truth[0, 0, :101] = True
    prediction = np.zeros_like(truth)
    prediction[0, 0, :first] = True
    prediction[0, 0, first + 1 : 600] = True
    assert detected(prediction, truth).sensitivity == found


def test_no_more_predictions_are_looked_at_than_there_are_true_lesions_plus_one():
    """Runs that share 20, 19, 18 and 17 voxels with a single true lesion: the third, mostly outside, is the last."""
    shares = [(0, 20), (21, 40), (41, 58), (74, 320)]
    prediction, truth = (one(*runs, length=320) for runs in (shares, [(0, 92)]))
    assert (320 - 92) / (320 - 74) > 0.7
    assert detected(prediction, truth).sensitivity == 1
    two = one((0, 20), (21, 40), (74, 320), length=320)
    assert detected(two, truth).sensitivity == 1
    assert detected(one((0, 20), (74, 320), length=320), truth).sensitivity == 0


def test_precision_asks_the_same_of_the_prediction():
    truth, prediction = rows([(0, 20)], []), rows([(0, 20)], [(0, 20)])
    assert detected(prediction, truth) == (1, 0.5, pytest.approx(2 / 3))


def test_nothing_detected():
    assert detected(rows([], [(0, 9)]), rows([(0, 9)], [])) == (0, 0, 0)


@pytest.mark.parametrize(("prediction", "truth", "expected"), [((), (), 1), ([(0, 9)], (), 0), ((), [(0, 9)], 0)])
def test_masks_without_a_lesion(prediction, truth, expected):
    assert detected(rows(prediction), rows(truth)) == (expected, expected, expected)


def reference(prediction, truth, spacing):
    """The scorer's steps one after the other, on a table of overlaps with background first."""
    smallest = math.floor(3.0 / math.prod(spacing) + 1e-6) + 1
    labelled = []
    for array in (truth, prediction):
        labels, count = ndimage.label(array)
        sizes = [int((labels == number).sum()) for number in range(count + 1)]
        kept = [number for number in range(1, count + 1) if sizes[number] >= smallest]
        labelled.append(
            np.select([labels == number for number in kept], range(1, len(kept) + 1)) if kept else 0 * labels
        )
    true, predicted = (int(labels.max(initial=0)) for labels in labelled)
    if not true or not predicted:
        return [float(true == predicted)] * 3
    table = [
        [int(((labelled[0] == row) & (labelled[1] == column)).sum()) for column in range(predicted + 1)]
        for row in range(true + 1)
    ]
    sensitivity = detections(table) / true
    precision = detections([list(column) for column in zip(*table, strict=True)]) / predicted
    both = sensitivity + precision
    return [sensitivity, precision, 2 * sensitivity * precision / both if both else 0.0]


def detections(table):
    """Rows, but the first, that are detected by columns."""
    wholes = [sum(column) for column in zip(*table, strict=True)]
    outside = [missed / whole if whole else 0 for missed, whole in zip(table[0], wholes, strict=True)]
    count = 0
    for row in table[1:]:
        covered = sum(row[1:])
        if covered / sum(row) <= 0.10:
            continue
        ranked = sorted(range(1, len(row)), key=lambda column: (-row[column], outside[column]))
        weight, place, refused = 0.0, 0, False
        while weight < 0.65 and place < len(table) and not refused:
            refused = outside[ranked[place]] > 0.70
            weight += row[ranked[place]] / covered
            place += 1
        count += not refused
    return count


@given(PAIRS, SPACINGS)
def test_the_slow_reference_agrees(pair, spacing):
    assert list(msseg_detection(*pair, spacing)) == pytest.approx(reference(*pair, spacing))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=8),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=8),
)
def test_the_slow_reference_agrees_on_long_lesions(predicted, true):
    """Runs in one row overlap in many ways."""
    masks = [one(*[(first, first + length) for first, length in runs]) for runs in (predicted, true)]
    assert list(msseg_detection(*masks, (1, 1, 1))) == pytest.approx(reference(*masks, (1, 1, 1)))
