"""Summaries: plain statistics, undefined values, the bootstrap against SciPy's and its coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from msseg.metrics.summary import bootstrap_interval, summarise

UNTIMED = settings(deadline=None)  # a busy machine is no failure
SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=12)


def test_plain_statistics():
    summary = summarise([0.2, 0.4, 0.9, math.nan])
    assert summary["mean"] == pytest.approx(0.5)
    assert summary["std"] == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))
    assert (summary["median"], summary["min"], summary["max"]) == (0.4, 0.2, 0.9)
    assert (summary["n"], summary["undefined"]) == (3, 1)


def test_one_value_has_neither_spread_nor_interval():
    summary = summarise([0.7, math.nan])
    assert summary["mean"] == summary["median"] == summary["min"] == summary["max"] == 0.7
    assert all(math.isnan(summary[key]) for key in ("std", "ci_low", "ci_high"))


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_nothing_defined(values):
    summary = summarise(values)
    assert (summary["n"], summary["undefined"]) == (0, len(values))
    assert all(math.isnan(summary[key]) for key in summary if key not in ("n", "undefined"))


def test_no_samples_no_interval():
    assert all(math.isnan(end) for end in bootstrap_interval(np.array([0.1, 0.2]), samples=0))


@UNTIMED
@given(SCORES, st.integers(0, 99))
def test_interval_lies_within_the_values_and_repeats(values, seed):
    array = np.array(values)
    low, high = bootstrap_interval(array, samples=50, seed=seed)
    assert array.min() - 1e-9 <= low <= high <= array.max() + 1e-9
    assert bootstrap_interval(array, samples=50, seed=seed) == (low, high)


def test_scipy_agrees():
    values = np.random.default_rng(1).beta(4, 2, size=25)
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    low, high = bootstrap_interval(values, samples=50_000)
    width = reference.high - reference.low
    assert low == pytest.approx(reference.low, abs=0.02 * width)
    assert high == pytest.approx(reference.high, abs=0.02 * width)


def test_coverage():
    """Close to 95 % of the intervals of cohorts of 30 hold the true mean (they are a little short)."""
    rng = np.random.default_rng(0)
    cohorts = rng.beta(6, 2, size=(400, 30))
    intervals = [bootstrap_interval(cohort, samples=400) for cohort in cohorts]
    assert 0.90 <= np.mean([low <= 0.75 <= high for low, high in intervals]) <= 0.98


def test_scans_of_one_patient_widen_the_interval():
    """Five patients with four alike scans each say what five values say, not what twenty say."""
    patients = np.array([0.3, 0.5, 0.6, 0.7, 0.9])
    scans, names = np.repeat(patients, 4), [name for name in "abcde" for _ in range(4)]
    assert bootstrap_interval(scans, names) == pytest.approx(bootstrap_interval(patients))
    plain = bootstrap_interval(scans)
    grouped = bootstrap_interval(scans, names)
    assert (grouped[1] - grouped[0]) > 1.5 * (plain[1] - plain[0])


def test_coverage_of_patients_with_several_scans():
    rng = np.random.default_rng(0)
    names = [str(patient) for patient in range(25) for _ in range(4)]
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for _ in range(200):
        scans = np.repeat(rng.normal(size=25), 4) + 0.2 * rng.normal(size=100)
        for grouped, held in hits.items():
            low, high = bootstrap_interval(scans, names if grouped else None, samples=400)
            held.append(low <= 0 <= high)
    assert np.mean(hits[True]) > 0.88
    assert np.mean(hits[False]) < 0.75


@UNTIMED
@given(SCORES)
def test_groups_of_one_are_the_ordinary_bootstrap(values):
    array = np.array(values)
    named = [str(index) for index in range(array.size)]
    plain = bootstrap_interval(array, samples=50)
    assert bootstrap_interval(array, named, samples=50) == plain
    assert bootstrap_interval(array, [""] * array.size, samples=50) == plain


def test_one_patient_says_nothing_about_others():
    assert all(math.isnan(end) for end in bootstrap_interval(np.array([0.1, 0.9]), ["a", "a"]))


def test_groups_follow_their_values_where_some_are_undefined():
    values, names = [math.nan, 0.2, 0.4, 0.9], ["a", "b", "b", "c"]
    summary = summarise(values, names)
    assert (summary["ci_low"], summary["ci_high"]) == bootstrap_interval(np.array(values[1:]), names[1:])


def test_unequal_groups_weigh_by_their_cases():
    """Drawing a (3 cases of 0) and b (1 case of 1): the means are 0, 1/4 and 1."""
    values, names = np.array([0.0, 0.0, 0.0, 1.0]), ["a", "a", "a", "b"]
    assert bootstrap_interval(values, names) == (0, 1)
    assert bootstrap_interval(values, names, level=0.2) == (0.25, 0.25)
