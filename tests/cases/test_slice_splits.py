import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.cases.case import Case
from msseg.cases.ranges import nearest_distance, parse_range, spans_of
from msseg.cases.splits import Split, make_split, split_from_json
from msseg.config.data import SplitConfig
from msseg.errors import InputError

PIRIFORM = {"stack1": 168, "stack2": 170, "stack3": 169, "stack4": 121}
GOLD = (2, 5, 21, 31, 33, 34, 39, 54, 67)


def stacks(slices: Mapping[str, int], group: str = "", raters: Iterable[str] = ("",)) -> list[Case]:
    """Pages of stack files; several stacks may be of one animal."""
    return [
        Case(
            f"{name}_{number:03d}{rater}",
            group or name,
            name,
            {"EM": Path(f"{name}.tif")},
            Path(f"{name}-labels.tif"),
            slice_index=number - 1,
            slice_number=number,
            slice_span=(1, count),
        )
        for name, count in slices.items()
        for number in range(1, count + 1)
        for rater in raters
    ]


def frames(numbers: Iterable[int] = GOLD, last: int = 83) -> list[Case]:
    """Files of a sequence with labels of some frames."""
    series = {"IMAGE": tuple(Path(f"t{number:03d}.tif") for number in range(last + 1))}
    return [
        Case(
            f"01_{number:03d}",
            "01",
            f"01_{number:03d}",
            {"IMAGE": series["IMAGE"][number]},
            Path(f"man_seg{number:03d}.tif"),
            slice_index=number,
            slice_number=number,
            series=series,
            slice_span=(0, last),
        )
        for number in numbers
    ]


def split_of(cases: list[Case], **settings: Any) -> Split:
    # Through JSON, as a configuration file is read.
    return make_split(cases, SplitConfig.model_validate_json(json.dumps(settings)))


def complaint(cases: list[Case], **settings: Any) -> str:
    with pytest.raises(InputError) as caught:
        split_of(cases, **settings)
    return str(caught.value)


def numbers(cases: Iterable[Case]) -> dict[str, str]:
    found: dict[str, list[int]] = {}
    for case in cases:
        assert case.slice_number is not None
        found.setdefault(case.stack, []).append(case.slice_number)
    return {stack: spans_of(values) for stack, values in found.items()}


# ----------------------------------------------------------------------------------------------------- lists
def test_the_split_of_the_challenge() -> None:
    split = split_of(stacks({"train": 30}), train="1-24", test="25-30")
    assert numbers(split.train) == {"train": "1-24"}
    assert numbers(split.test) == {"train": "25-30"}
    assert (split.validation, split.unused, split.shared_patients) == ((), (), ())
    assert split.warnings == (
        "slices of 1 stack on more than one side of the split: train (1-24 in train; 25-30 in test; 1 apart):"
        " slices near each other look alike, so scores say little about new stacks",
    )
    assert split.to_json_dict()["warnings"] == list(split.warnings)
    assert split.made_by["train"] == ["1-24"]


def test_the_split_of_the_piriform_cortex() -> None:
    split = split_of(stacks(PIRIFORM), train=["stack2", "stack3:1-100"], test="stack3:101-169")
    assert numbers(split.train) == {"stack2": "1-170", "stack3": "1-100"}
    assert numbers(split.test) == {"stack3": "101-169"}
    assert "stack3 (1-100 in train; 101-169 in test; 1 apart)" in split.warnings[0]
    assert "stack2 (" not in split.warnings[0]
    assert "289 cases in no list of split and not used: stack1 1-168 and stack4 1-121" in split.warnings[1]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (7, "7"),
        ("7", "7"),
        (" 3 - 5 , 9", "3-5, 9"),
        ([1, "3-4"], "1, 3-4"),
        ("a:2-4", "2-4"),
        ("a : 2-4,6", "2-4, 6"),
        ("*:1-10", "1-10"),
        ("a_00?", "1-9"),
        ("a", "1-10"),
    ],
)
def test_ways_to_list_slices(entry: Any, expected: str) -> None:
    assert numbers(split_of(stacks({"a": 10}), train=entry).train) == {"a": expected}


def test_a_range_is_of_every_stack() -> None:
    split = split_of(stacks({"a": 10, "b": 12}), train="1-8", validation="9", test="10")
    assert numbers(split.train) == {"a": "1-8", "b": "1-8"}
    assert numbers(split.unused) == {"b": "11-12"}


def test_a_stack_called_like_a_number_is_that_stack() -> None:
    split = split_of(stacks({"1": 4, "2": 4}), train="1", test="2:1-2")
    assert numbers(split.train) == {"1": "1-4"}
    assert numbers(split.test) == {"2": "1-2"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"train": "1-31"}, "split.train lists the slices '1-31', but the stack s has the slices 1-30; name slices"),
        ({"train": "0-24"}, "split.train lists the slices '0-24', but the stack s has the slices 1-30"),
        ({"train": "s:1-24", "test": "s:25-99"}, "split.test lists the slices 's:25-99', but the stack s has"),
        ({"train": "24-1"}, "split.train lists the slices '24-1', which end before they begin; write 1-24"),
        (
            {"train": "1-24", "test": "24-30"},
            "case s_024 is listed twice: in split.train by '1-24' and in split.test by '24-30'",
        ),
        ({"train": "t:1-24"}, "split.train lists 't:1-24', but there is no stack t. There are: s"),
        ({"train": "1-24-30"}, "'1-24-30', which is no stack, slice or range of slices (1-24)"),
        ({"train": "1-"}, "'1-', which is no stack, slice or range of slices (1-24)"),
    ],
)
def test_slices_that_cannot_be_meant(settings: dict[str, Any], expected: str) -> None:
    assert expected in complaint(stacks({"s": 30}), **settings)


def test_a_range_beyond_the_shorter_of_two_stacks_names_it() -> None:
    message = complaint(stacks(PIRIFORM), train="1-150")
    assert (
        "but the stack stack4 has the slices 1-121; name slices that it has, or one stack alone (stack4:1-121)"
        in message
    )


def test_ranges_are_of_slices_alone() -> None:
    volumes = [Case(f"p{n}", f"p{n}", f"p{n}", {"FLAIR": Path(f"{n}.nii")}) for n in range(3)]
    assert "'1-2', which is no patient, scan or case" in complaint(volumes, train="1-2")
    assert "split.group_by is slice, but case p0 is a whole volume" in complaint(volumes, group_by="slice")


def test_frames_of_which_some_have_labels() -> None:
    split = split_of(frames(), train="0-33", test="34-83")
    assert numbers(split.train) == {"01": "2, 5, 21, 31, 33"}
    assert numbers(split.test) == {"01": "34, 39, 54, 67"}
    assert "01 (2, 5, 21, 31, 33 in train; 34, 39, 54, 67 in test; 1 apart)" in split.warnings[0]
    message = complaint(frames(), train="0-33", test="70-80")
    assert message.endswith(
        "'70-80', but none of them has a label; those that have: 01 2, 5, 21, 31, 33-34, 39, 54, 67"
    )
    assert "but the stack 01 has the slices 0-83" in complaint(frames(), train="0-84")


# --------------------------------------------------------------------------------------------- draws and blocks
def test_stacks_stay_together_unless_told_otherwise() -> None:
    split = split_of(stacks(PIRIFORM), fractions=[0.5, 0.25, 0.25])
    assert [len({case.stack for case in part}) for part in (split.train, split.validation, split.test)] == [2, 1, 1]
    assert split.warnings == ()
    by_scan = split_of(stacks(PIRIFORM), fractions=[0.5, 0.25, 0.25], group_by="scan")
    assert (by_scan.train, by_scan.test) == (split.train, split.test)
    folds = split_of(stacks(PIRIFORM), folds=4)
    assert [len({case.stack for case in part}) for part in (folds.train, folds.validation, folds.test)] == [2, 1, 1]


def test_a_single_stack_is_not_divided_by_chance() -> None:
    message = complaint(stacks({"train": 30}))
    assert message.startswith("there is only one stack (train, 30 slices), so nothing is left to test on: add others,")
    assert "give slice ranges (split.train: 1-24, split.test: 25-30)" in message
    assert "divide it into blocks of slices (split.group_by: slice)" in message
    assert "5 folds need at least as many stacks, but the data have 1 stack" in complaint(stacks({"s": 30}), folds=5)
    assert len(split_of(stacks({"s": 30}), fractions=[1, 0, 0]).train) == 30


def test_blocks_by_fractions_and_folds() -> None:
    split = split_of(stacks({"a": 30, "b": 10}), group_by="slice")
    assert numbers(split.train) == {"a": "1-24", "b": "1-8"}
    assert numbers(split.validation) == {"a": "25-27", "b": "9"}
    assert numbers(split.test) == {"a": "28-30", "b": "10"}
    assert "slices of 2 stacks on more than one side of the split: a (1-24 in train; 25-27 in" in split.warnings[0]
    folds = split_of(stacks({"a": 30}), group_by="slice", folds=5, fold=4)
    assert (numbers(folds.test), numbers(folds.validation)) == ({"a": "25-30"}, {"a": "1-6"})
    message = complaint(stacks({"a": 30, "b": 2}), group_by="slice")
    assert "the stack b has 2 slices, too few for 3 blocks of slices; keep stacks together" in message


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(6, 40), min_size=1),
    st.integers(2, 6),
    st.booleans(),
)
def test_every_slice_is_tested_in_one_fold_and_blocks_are_in_one_piece(
    counts: dict[str, int], folds: int, two_raters: bool
) -> None:
    cases = stacks(counts, raters=("_r1", "_r2") if two_raters else ("",))
    splits = [split_of(cases, group_by="slice", folds=folds, fold=fold) for fold in range(folds)]
    assert sorted(case.id for split in splits for case in split.test) == sorted(case.id for case in cases)
    for split in splits:
        assert all("," not in spans for spans in numbers(split.test).values())
        sizes = [len([case for case in split.test if case.stack == name]) for name in counts]
        copies = 2 if two_raters else 1
        assert all(abs(size / copies - counts[name] / folds) < 1 for name, size in zip(counts, sizes, strict=True))


# ------------------------------------------------------------------------------------- stacks of one animal
def test_stacks_of_one_animal_are_one_patient() -> None:
    cases = [*stacks({"a": 5, "b": 5}, group="mouse1"), *stacks({"c": 5}, group="mouse2")]
    assert "one patient on both sides: mouse1 (in train and test)" in complaint(cases, train="a", test="b")
    assert "one patient on both sides: mouse1" in complaint(cases, train="a:1-3", test=["a:4-5", "b"])
    assert "a (1-3 in train; 4-5 in test; 1 apart)" in split_of(cases, train="a:1-3", test="a:4-5").warnings[0]
    assert "only one patient (mouse1, 10 slices)" in complaint(cases[:10])
    split = split_of(cases, train="a:1-3", test=["a:4-5", "b"], leak="warn")
    assert split.shared_patients == ("mouse1",)
    assert "1 patient on more than one side" in split.warnings[0]
    assert "a (1-3 in train; 4-5 in test; 1 apart)" in split.warnings[1]
    assert numbers(split_of(cases, train="mouse1:2-3", test="mouse2").train) == {"a": "2-3", "b": "2-3"}
    by_scan = split_of(cases, train="a", test="b", group_by="scan")
    assert by_scan.shared_patients == ("mouse1",)


def test_the_labels_of_one_slice_stay_on_one_side() -> None:
    cases = stacks({"s": 4}, raters=("_r1", "_r2"))
    message = complaint(cases, train=["1-3"], test=["s_004_r1"], validation=["s_004_r2"])
    assert "one slice on both sides: s slice 4 (in validation and test)" in message


# --------------------------------------------------------------------------------------------- stored, sorted
def test_a_stored_split_of_slices() -> None:
    cases = stacks({"a": 12, "b": 3})
    split = split_of(cases, train="a:1-8", test=["a:9-12"])
    assert split_from_json(cases[::-1], json.loads(json.dumps(split.to_json_dict()))) == split


def test_slices_are_in_the_order_of_their_numbers() -> None:
    cases = [
        Case(f"s_{number}", "s", f"s_{number}", {}, slice_number=number, series={"EM": ()}, slice_span=(8, 11))
        for number in (10, 9, 11, 8)
    ]
    assert [case.slice_number for case in split_of(cases, train="8-11").train] == [8, 9, 10, 11]


# ---------------------------------------------------------------------------------------------------- numbers
@given(st.sets(st.integers(0, 60), min_size=1))
def test_spans_say_what_they_were_made_of(found: set[int]) -> None:
    parsed = parse_range(spans_of(sorted(found)), "here")
    assert parsed is not None
    assert {number for number in range(70) if number in parsed} == found


@given(st.sets(st.integers(0, 99), min_size=1), st.sets(st.integers(0, 99), min_size=1))
def test_the_nearest_distance(first: set[int], second: set[int]) -> None:
    distance = nearest_distance(sorted(first), sorted(second))
    assert distance == nearest_distance(sorted(second), sorted(first))
    assert (distance == 0) == bool(first & second)
    assert nearest_distance([1, 2], [9, 5]) == 3
