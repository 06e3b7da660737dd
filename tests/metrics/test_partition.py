"""Agreement of partitions: closed forms, all pairs of pixels, and laws."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from msseg.metrics import partition
from msseg.metrics.partition import count_pairs, information_agreement, rand_agreement, split_merge_f

sizes = st.integers(1, 12)


@st.composite
def partitions(draw, membranes=True):
    """Truth from 1 and prediction from 0 (or 1) of the same pixels."""
    pixels = draw(sizes)
    truth = draw(hnp.arrays(np.int32, pixels, elements=st.integers(1, 4)))
    return truth, draw(hnp.arrays(np.int32, pixels, elements=st.integers(0 if membranes else 1, 4)))


def scores(agreement, truth, prediction):
    return split_merge_f(np.array(agreement(count_pairs(np.array(truth), np.array(prediction)))))


def rand_by_pairs(truth, prediction):
    """Shares of ordered pairs of pixels (a pixel with itself among them), membrane pixels alone."""
    alone = [(label, number if label == 0 else -1) for number, label in enumerate(prediction)]
    pairs = list(product(range(len(truth)), repeat=2))
    in_truth = [truth[i] == truth[j] for i, j in pairs]
    in_prediction = [alone[i] == alone[j] for i, j in pairs]
    both = sum(left and right for left, right in zip(in_truth, in_prediction, strict=True))
    return both / sum(in_truth), both / sum(in_prediction)


def test_one_segment_cut_in_halves():
    split, merge, f = scores(rand_agreement, [1] * 8, [1] * 4 + [2] * 4)
    assert (split, merge) == (1 / 2, 1)
    assert f == pytest.approx(2 / 3)


def test_two_segments_joined():
    split, merge, f = scores(rand_agreement, [1] * 4 + [2] * 4, [1] * 8)
    assert (split, merge) == (1, 1 / 2)
    assert f == pytest.approx(2 / 3)


def test_membrane_pixels_are_segments_of_their_own():
    split, merge, _ = scores(rand_agreement, [1, 1, 1], [0, 0, 0])
    assert (split, merge) == (3 / 9, 1)


def test_information_of_four_quarters():
    """Four equal segments hold 2 bits; a prediction that joins them in pairs knows one of them."""
    split, merge, f = scores(information_agreement, [1, 2, 3, 4], [1, 1, 2, 2])
    assert (split, merge) == pytest.approx((1, 1 / 2))
    assert f == pytest.approx(2 * 1 / (2 + 1))


def test_nothing_can_go_wrong_with_one_segment():
    assert scores(information_agreement, [1, 1], [1, 1]).tolist() == [1, 1, 1]
    assert scores(information_agreement, [1, 2], [1, 1]).tolist() == [1, 0, 0]


def test_no_foreground_has_no_score():
    empty = np.zeros(0, dtype=np.int32)
    for agreement in (rand_agreement, information_agreement):
        assert np.isnan(scores(agreement, empty, empty)).all()


@given(partitions())
def test_rand_is_the_share_of_pairs(both):
    split, merge, f = scores(rand_agreement, *both)
    assert (split, merge) == pytest.approx(rand_by_pairs(*both))
    assert f == pytest.approx(2 * split * merge / (split + merge))


@given(partitions())
def test_information_from_its_definition(both):
    truth, prediction = both
    segments = [(label, number if label == 0 else -1) for number, label in enumerate(prediction)]

    def entropy(labels):
        shares = np.unique(np.array(labels), axis=0, return_counts=True)[1] / len(truth)
        return -(shares * np.log(shares)).sum()

    joint = entropy([(t, *s) for t, s in zip(truth, segments, strict=True)])
    information = entropy(truth) + entropy(segments) - joint
    shared, split_whole, merge_whole = information_agreement(count_pairs(truth, prediction))
    assert shared == pytest.approx(information, abs=1e-12)
    assert (split_whole, merge_whole) == pytest.approx((entropy(segments), entropy(truth)), abs=1e-12)


@given(partitions(membranes=False))
def test_a_partition_agrees_with_itself(both):
    for agreement in (rand_agreement, information_agreement):
        assert scores(agreement, both[0], both[0]) == pytest.approx([1, 1, 1])


@given(partitions(membranes=False))
def test_exchanging_truth_and_prediction_exchanges_split_and_merge(both):
    for agreement in (rand_agreement, information_agreement):
        forth, back = scores(agreement, *both), scores(agreement, *both[::-1])
        assert forth[[1, 0, 2]] == pytest.approx(back, abs=1e-12)


@given(partitions(), st.permutations(range(1, 5)), st.permutations(range(1, 5)))
def test_numbers_of_segments_do_not_matter(both, ours, theirs):
    renumbered = np.array([0, *ours])[both[0]], np.array([0, *theirs])[both[1]]
    for agreement in (rand_agreement, information_agreement):
        assert scores(agreement, *both) == pytest.approx(scores(agreement, *renumbered))


@given(partitions())
def test_scores_lie_between_0_and_1(both):
    for agreement in (rand_agreement, information_agreement):
        assert (scores(agreement, *both) >= 0).all()
        assert (scores(agreement, *both) <= 1 + 1e-12).all()


@given(partitions())
def test_both_ways_of_counting_agree(both):
    dense = count_pairs(*both)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partition, "DENSE_CELLS_PER_PIXEL", 0)
        sparse = count_pairs(*both)
    assert sorted(dense.pairs) == sorted(sparse.pairs)
    assert dense.alone == sparse.alone
    assert dense.truth.tolist() == sparse.truth.tolist()


@given(partitions(), st.floats(0.1, 1))
def test_alpha_weighs_the_merge_score(both, alpha):
    agreement = np.array(rand_agreement(count_pairs(*both)))
    split, merge, weighted = split_merge_f(agreement, alpha)
    assert weighted == pytest.approx(1 / (alpha / merge + (1 - alpha) / split))
