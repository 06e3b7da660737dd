import json
import logging
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.cases.case import Case
from msseg.cases.draw import shares
from msseg.cases.splits import Split, make_split, split_from_json
from msseg.config.data import SplitConfig
from msseg.errors import InputError

ISBI = {"training01": 4, "training02": 4, "training03": 5, "training04": 4, "training05": 4}


def cohort(scans: Mapping[str, int], raters: Sequence[str] = ("",)) -> list[Case]:
    return [
        Case(f"{patient}_{visit:02d}{rater}", patient, f"{patient}_{visit:02d}", {"FLAIR": Path("f.nii")}, None)
        for patient, number in scans.items()
        for visit in range(1, number + 1)
        for rater in raters
    ]


def sizes(split: Split) -> tuple[int, int, int]:
    return len(split.train), len(split.validation), len(split.test)


def patients(cases: Sequence[Case]) -> set[str]:
    return {case.group for case in cases}


def ids(cases: Sequence[Case]) -> list[str]:
    return [case.id for case in cases]


def complaint(cases: Sequence[Case], **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        make_split(cases, SplitConfig(**settings))
    return str(caught.value)


# ------------------------------------------------------------------------------------------------------ laws
cohorts = st.dictionaries(st.text("abc/ é", min_size=1, max_size=3), st.integers(1, 4), min_size=2, max_size=12)
fractions = st.tuples(st.integers(1, 8), st.integers(0, 4), st.integers(1, 4)).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)
seeds = st.integers(0, 2**32)


@given(cohorts, fractions, seeds, st.sampled_from(["patient", "scan"]), st.booleans())
def test_a_drawn_split_is_a_partition_that_keeps_together_what_belongs_together(
    scans: dict[str, int], shares_asked: Any, seed: int, group_by: Any, two_raters: bool
) -> None:
    cases = cohort(scans, ("_r1", "_r2") if two_raters else ("",))
    split = make_split(cases, SplitConfig(group_by=group_by, fractions=shares_asked, seed=seed))
    parts = (split.train, split.validation, split.test)
    assert sorted(ids([case for part in parts for case in part])) == sorted(ids(cases))
    assert split.unused == ()
    for part in parts:
        assert ids(part) == sorted(ids(part))
    scans_of_parts = [{case.scan for case in part} for part in parts]
    assert sum(map(len, scans_of_parts)) == len(set.union(*scans_of_parts))
    if group_by == "patient":
        assert split.shared_patients == ()
        assert sum(len(patients(part)) for part in parts) == len(scans)
    expected = {name for name in scans if sum(name in patients(part) for part in parts) > 1}
    assert set(split.shared_patients) == expected
    assert split.train
    assert split.test


@given(cohorts, fractions, seeds, st.sampled_from(["patient", "scan"]), st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_split_whatever_the_order(
    scans: dict[str, int], shares_asked: Any, seed: int, group_by: Any, order: random.Random
) -> None:
    cases = cohort(scans)
    settings = SplitConfig(group_by=group_by, fractions=shares_asked, seed=seed)
    mixed = list(cases)
    order.shuffle(mixed)
    assert make_split(cases, settings) == make_split(mixed, settings)


@given(st.integers(2, 200), fractions)
def test_shares_add_up_and_are_next_to_the_fractions(count: int, asked: Any) -> None:
    numbers = shares(count, asked)
    assert sum(numbers) == count
    if count >= 3:
        assert all((number > 0) == (fraction > 0) for number, fraction in zip(numbers, asked, strict=True))
    exact = [fraction * count for fraction in asked]
    if all(number >= 1 or number == 0 for number in exact):
        assert all(abs(number - wanted) < 1 for number, wanted in zip(numbers, exact, strict=True))


@given(cohorts, st.integers(2, 6), seeds)
def test_every_patient_is_tested_in_exactly_one_fold(scans: dict[str, int], folds: int, seed: int) -> None:
    folds = min(folds, len(scans))
    cases = cohort(scans)
    splits = [make_split(cases, SplitConfig(folds=folds, fold=fold, seed=seed)) for fold in range(folds)]
    tested = [name for split in splits for name in sorted(patients(split.test))]
    assert sorted(tested) == sorted(scans)
    for split, following in zip(splits, [*splits[1:], splits[0]], strict=True):
        assert split.validation == (following.test if folds > 2 else ())
        assert len(ids((*split.train, *split.validation, *split.test))) == len(cases)
        assert split.shared_patients == ()


@given(cohorts, fractions, seeds)
def test_a_split_is_the_same_after_writing_and_reading(scans: dict[str, int], asked: Any, seed: int) -> None:
    cases = cohort(scans)
    split = make_split(cases, SplitConfig(group_by="scan", fractions=asked, seed=seed))
    content = json.loads(json.dumps(split.to_json_dict()))
    assert split_from_json(cases[::-1], content) == split


# ------------------------------------------------------------------------------------------------- fractions
@pytest.mark.parametrize(
    ("count", "asked", "expected"),
    [
        (21, (0.8, 0.1, 0.1), (17, 2, 2)),
        (10, (0.8, 0.1, 0.1), (8, 1, 1)),
        (5, (0.8, 0.1, 0.1), (3, 1, 1)),
        (3, (0.8, 0.1, 0.1), (1, 1, 1)),
        (2, (0.8, 0.1, 0.1), (1, 0, 1)),
        (2, (0.5, 0.5, 0.0), (1, 1, 0)),
        (4, (0.5, 0.0, 0.5), (2, 0, 2)),
        (1, (1.0, 0.0, 0.0), (1, 0, 0)),
        (100, (0.7, 0.2, 0.1), (70, 20, 10)),
        (7, (0.34, 0.33, 0.33), (3, 2, 2)),
    ],
)
def test_shares(count: int, asked: tuple[float, float, float], expected: tuple[int, int, int]) -> None:
    assert shares(count, asked) == expected


def test_by_patient_unless_told_otherwise() -> None:
    split = make_split(cohort(ISBI), SplitConfig())
    assert [len(patients(part)) for part in (split.train, split.validation, split.test)] == [3, 1, 1]
    assert split.warnings == ()


def test_seeds_differ() -> None:
    tests = {tuple(ids(make_split(cohort(ISBI), SplitConfig(seed=seed)).test)) for seed in range(20)}
    assert len(tests) == 5


def test_a_seed_means_the_same_for_ever() -> None:
    split = make_split(cohort(ISBI), SplitConfig(seed=0))
    assert (sorted(patients(split.test)), sorted(patients(split.validation))) == (
        ["training03"],
        ["training02"],
    )


def test_the_papers_split_by_scan_names_the_patients_on_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        split = make_split(cohort(ISBI), SplitConfig(group_by="scan"))
    assert sizes(split) == (17, 2, 2)
    in_train = patients(split.train)
    assert set(split.shared_patients) == (in_train & patients(split.test)) | (in_train & patients(split.validation))
    assert split.shared_patients
    assert len(split.warnings) == 1
    assert f"more than one side of the split ({split.shared_patients[0]}" in split.warnings[0]
    assert caplog.messages == list(split.warnings)


def test_two_patients_leave_none_for_validation() -> None:
    split = make_split(cohort({"patient07": 1, "patient19": 1}), SplitConfig())
    assert sizes(split) == (1, 0, 1)
    assert "too few patients to set some aside for validation" in split.warnings[0]
    unasked = make_split(cohort({"patient07": 1, "patient19": 1}), SplitConfig(fractions=(0.5, 0.0, 0.5)))
    assert (sizes(unasked), unasked.warnings) == ((1, 0, 1), ())


def test_one_case_or_one_patient_only() -> None:
    message = complaint(cohort({"patient07": 1}))
    assert "there is only one patient (patient07, 1 case), so nothing is left to test on: add others or" in message
    assert "split.fractions: [1, 0, 0]" in message
    assert "split.group_by: scan" in complaint(cohort({"patient07": 3}))
    assert "there is only one scan (patient07, 2 cases)" in complaint(
        cohort({"patient07": 1}, ("_r1", "_r2")), group_by="scan"
    )
    assert sizes(make_split(cohort({"patient07": 1}), SplitConfig(fractions=(1.0, 0.0, 0.0)))) == (1, 0, 0)
    assert "no cases" in complaint([])


# ----------------------------------------------------------------------------------------------------- folds
def test_folds() -> None:
    split = make_split(cohort(ISBI), SplitConfig(folds=5, fold=4))
    assert [len(patients(part)) for part in (split.train, split.validation, split.test)] == [3, 1, 1]
    two = make_split(cohort(ISBI), SplitConfig(folds=2))
    assert two.validation == ()
    assert "validation" in two.warnings[0]
    assert "6 folds need at least as many patients, but the data have 5 patients" in complaint(cohort(ISBI), folds=6)
    by_scan = make_split(cohort(ISBI), SplitConfig(folds=3, group_by="scan"))
    assert sizes(by_scan) == (7, 7, 7)
    assert by_scan.shared_patients


# ----------------------------------------------------------------------------------------------------- lists
def test_lists_of_patients_scans_and_cases_with_wildcards() -> None:
    split = make_split(
        cohort(ISBI, ("_rater1", "_rater2")),
        SplitConfig(train=("training01", "training02*"), validation=("training03",), test=("training05_0?",)),
    )
    assert sizes(split) == (16, 10, 8)
    assert patients(split.test) == {"training05"}
    assert ids(split.unused) == [f"training04_0{visit}_rater{rater}" for visit in (1, 2, 3, 4) for rater in (1, 2)]
    assert "8 cases in no list of split and not used: training04_01_rater1, " in split.warnings[0]
    assert split.shared_patients == ()


def test_lists_without_validation_or_test() -> None:
    split = make_split(cohort({"patient07": 1, "patient19": 1}), SplitConfig(train=("patient19",), test=("patient07",)))
    assert (sizes(split), split.warnings) == ((1, 0, 1), ())
    split = make_split(cohort({"patient07": 1, "patient19": 1}), SplitConfig(train=("patient19",), validation=()))
    assert (sizes(split), ids(split.unused)) == ((1, 0, 0), ["patient07_01"])


def test_lists_that_cannot_be_meant() -> None:
    cases = cohort(ISBI)
    message = complaint(cases, train=("training01",), test=("trainin02",))
    assert "split.test lists 'trainin02', which is no patient, scan or case; did you mean training0" in message
    assert "There are: training01, training02," in message
    message = complaint(cases, train=("training01",), test=("training02", "*_04"))
    assert message == ("case training01_04 is listed twice: in split.train by 'training01' and in split.test by '*_04'")
    with pytest.raises(ValueError, match="train is empty"):
        SplitConfig(train=(), test=("a",))


def test_a_patient_on_both_sides_is_an_error_unless_it_is_meant() -> None:
    cases = cohort(ISBI)
    lists: dict[str, Any] = {
        "train": ("training01_01", "training02"),
        "test": ("training01_02", "training03"),
    }
    message = complaint(cases, **lists)
    assert "one patient on both sides: training01 (in train and test)" in message
    assert "split.leak: warn" in message
    for setting in ({"leak": "warn"}, {"group_by": "scan"}):
        split = make_split(cases, SplitConfig(**lists, **setting))
        assert split.shared_patients == ("training01",)
        assert "(training01)" in split.warnings[0]


def test_raters_of_one_scan_on_both_sides_are_an_error_even_by_scan() -> None:
    cases = cohort(ISBI, ("_rater1", "_rater2"))
    lists: dict[str, Any] = {"train": ("*rater1",), "test": ("training01_01_rater2",), "group_by": "scan"}
    assert "one scan on both sides: training01_01 (in train and test)" in complaint(cases, **lists)


# --------------------------------------------------------------------------------------------- stored splits
def test_a_stored_split_fits_the_data_or_is_refused() -> None:
    cases = cohort(ISBI)
    split = make_split(cases, SplitConfig(train=("training01",), test=("training02",)))
    content = split.to_json_dict()
    assert set(content) == {
        *("train", "validation", "test", "unused", "groups", "shared_patients", "warnings", "made_by")
    }
    assert content["test"] == [f"training02_0{visit}" for visit in (1, 2, 3, 4)]
    assert content["made_by"]["train"] == ["training01"]
    grown = split_from_json([*cases, *cohort({"new": 1})], content)
    assert (grown.train, grown.test) == (split.train, split.test)
    assert "new_01" in ids(grown.unused)
    with pytest.raises(InputError, match=re.escape("has 4 cases that the data do not have any more: training02_01")):
        split_from_json([case for case in cases if case.group != "training02"], content)
    with pytest.raises(InputError, match="training01_01 had another patient when the split was made"):
        split_from_json(cases, {**content, "groups": {**content["groups"], "training01_01": "training09"}})
    for garbled in ({}, {**content, "train": 3}, {**content, "groups": []}):
        with pytest.raises(InputError, match="not one of msseg's"):
            split_from_json(cases, garbled)
