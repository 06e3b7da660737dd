"""Paired comparisons: closed forms, SciPy's permutation test and bootstrap, and repeated scans of one patient."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from msseg.metrics.compare import compare_paired, groups_needed, sign_flip_test, smallest_p

RNG = np.random.default_rng(5)


def scipy_p(a: np.ndarray, b: np.ndarray) -> float:
    """Every exchange of a and b within pairs, counted by SciPy."""
    result = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(y - x, axis=axis), permutation_type="samples", n_resamples=np.inf,
        vectorized=True,
    )  # fmt: skip
    return float(result.pvalue)


@pytest.mark.parametrize("n", [2, 3, 7, 12])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_exact_test_is_scipys(n: int, shift: float) -> None:
    a, b = RNG.normal(size=n), RNG.normal(size=n) + shift
    found = compare_paired(a, b)
    assert found.exact
    assert found.p_value == pytest.approx(scipy_p(a, b), abs=1e-12)


def test_many_cases_are_drawn_and_agree_with_the_exact_value() -> None:
    sums = RNG.normal(0.25, 1, size=15)
    exact = sign_flip_test(sums)
    drawn = sign_flip_test(sums, exact_groups=0, seed=3)
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 100_000) + 2e-5)
    assert drawn == sign_flip_test(sums, exact_groups=0, seed=3)
    assert drawn != sign_flip_test(sums, exact_groups=0, seed=4)


def test_a_drawn_p_value_is_never_0() -> None:
    found = compare_paired(np.zeros(40), np.ones(40))
    assert not found.exact
    assert found.p_value == pytest.approx(1 / 100_001)


@pytest.mark.parametrize("k", range(1, 9))
def test_the_smallest_p_value_is_reached_where_one_method_is_always_better(k: int) -> None:
    assert compare_paired(np.zeros(k), 1 + RNG.random(k)).p_value == smallest_p(k) == min(2 / 2**k, 1)


def test_six_patients_are_needed() -> None:
    assert groups_needed() == 6
    assert smallest_p(5) == 0.0625 > 0.05 > smallest_p(6) == 0.03125
    assert groups_needed(0.01) == 8
    assert groups_needed(0.5) == 3


def test_scans_of_a_patient_are_exchanged_together() -> None:
    """By hand: all sign patterns of three patients, each over all of its scans."""
    groups = ["p1", "p1", "p1", "p1", "p2", "p2", "p3"]
    a = np.zeros(7)
    b = np.array([0.5, 0.4, 0.6, 0.5, 0.1, -0.2, 0.3])
    observed = abs(b.sum())
    reached = 0
    for signs in product((1, -1), repeat=3):
        flipped = sum(signs[int(group[1]) - 1] * value for group, value in zip(groups, b, strict=True))
        reached += abs(flipped) >= observed - 1e-12
    found = compare_paired(a, b, groups)
    assert (found.groups, found.cases) == (3, 7)
    assert found.p_value == reached / 8
    assert found.p_value > compare_paired(a, b).p_value  # as if seven patients had been seen


def test_repeated_scans_do_not_make_a_difference_more_sure() -> None:
    a, b = RNG.normal(size=5), RNG.normal(size=5) + 1
    one = compare_paired(a, b, [f"p{index}" for index in range(5)])
    four = compare_paired(np.repeat(a, 4), np.repeat(b, 4), [f"p{index}" for index in range(5) for _ in range(4)])
    assert four.p_value == one.p_value
    assert (four.ci_low, four.ci_high) == pytest.approx((one.ci_low, one.ci_high))
    alone = compare_paired(np.repeat(a, 4), np.repeat(b, 4))
    assert alone.ci_high - alone.ci_low < 0.7 * (one.ci_high - one.ci_low)


def test_false_alarms_are_as_rare_as_promised_only_if_patients_are_exchanged() -> None:
    """Eight patients of five scans, no true difference, but each patient's scans alike."""
    rng = np.random.default_rng(0)
    groups = [f"p{patient}" for patient in range(8) for _ in range(5)]
    by_patient, by_scan = [], []
    for trial in range(300):
        b = np.repeat(rng.normal(size=8), 5) + 0.3 * rng.normal(size=40)
        sums = b.reshape(8, 5).sum(axis=1)
        by_patient.append(sign_flip_test(sums) < 0.05)
        by_scan.append(sign_flip_test(b, draws=2000, seed=trial) < 0.05)
    assert compare_paired(np.zeros(40), b, groups).p_value == sign_flip_test(sums)
    assert np.mean(by_patient) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)
    assert np.mean(by_scan) > 0.25


def test_the_interval_is_scipys_percentile_bootstrap() -> None:
    a, b = RNG.normal(size=25), RNG.normal(0.4, 1, size=25)
    found = compare_paired(a, b, samples=20_000)
    expected = stats.bootstrap(
        (b - a,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (found.ci_low, found.ci_high) == pytest.approx(expected, abs=0.02)


def test_descriptions_by_hand() -> None:
    found = compare_paired([0.1, 0.5, 0.9, np.nan, 0.4], [0.3, 0.4, 0.9, 0.7, np.nan], ["x", "", "", "y", "z"])
    assert (found.cases, found.groups, found.undefined) == (3, 3, 2)
    assert (found.mean_a, found.mean_b) == pytest.approx((0.5, 1.6 / 3))
    assert (found.median_a, found.median_b) == (0.5, 0.4)
    assert found.difference == pytest.approx(0.1 / 3)
    assert found.median_difference == 0
    assert (found.higher, found.lower, found.equal) == (1, 1, 1)


def test_equal_methods_have_p_1() -> None:
    same = RNG.random(9)
    found = compare_paired(same, same)
    assert (found.p_value, found.difference, found.ci_low, found.ci_high, found.equal) == (1, 0, 0, 0, 9)


def test_nothing_in_common() -> None:
    found = compare_paired([np.nan, 1.0], [1.0, np.nan])
    assert (found.cases, found.groups, found.undefined) == (0, 0, 2)
    assert all(math.isnan(value) for value in (found.mean_a, found.difference, found.p_value, found.ci_low))


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=9),
    st.floats(0.01, 100),
)
def test_exchanging_the_methods_and_other_units_change_no_p_value(pairs: list, scale: float) -> None:
    a, b = np.array(pairs).T
    found, mirrored = compare_paired(a, b, samples=0), compare_paired(b, a, samples=0)
    assert mirrored.p_value == found.p_value
    assert mirrored.difference == pytest.approx(-found.difference)
    # Rounded to multiples of 2^-20, so that scaling by a power of 2 is exact.
    a, b = np.round(a * 2**20) / 2**20, np.round(b * 2**20) / 2**20
    power = 2.0 ** round(math.log2(scale))
    assert compare_paired(a * power, b * power, samples=0).p_value == compare_paired(a, b, samples=0).p_value
