import pytest
from pydantic import ValidationError

from msseg.config.data import DataConfig, SplitConfig
from msseg.config.yaml_source import parse_value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1-24", ("1-24",)),
        ("7", ("7",)),
        ("[1, 3-5]", ("1", "3-5")),
        ("[stack2, stack3:1-100]", ("stack2", "stack3:1-100")),
        ("3:1-9", ("3:1-9",)),
        ("1:30", ("1:30",)),
        ("'1-10, 13-20'", ("1-10, 13-20",)),
        ("[]", None),
    ],
)
def test_lists_of_a_split_as_they_are_written(text: str, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        with pytest.raises(ValidationError, match="train is empty"):
            SplitConfig(train=parse_value(text))
    else:
        assert SplitConfig(train=parse_value(text)).train == expected


@pytest.mark.parametrize("value", [2.5, True, "", [None], {"a": 1}])
def test_what_lists_nobody(value: object) -> None:
    with pytest.raises(ValidationError):
        SplitConfig(train=value)  # type: ignore[arg-type]


def test_a_split_is_the_same_after_writing_and_reading() -> None:
    split = SplitConfig.model_validate_json('{"train": ["a", 3], "test": "4-5"}')
    assert SplitConfig.model_validate_json(split.model_dump_json()) == split
    assert split.model_dump(mode="json")["test"] == ["4-5"]


def test_what_labels_may_mean() -> None:
    assert DataConfig().label_meaning is None
    assert DataConfig(label_meaning="instances", membrane_width=1).membrane_width == 1
    for settings in ({"label_meaning": "cells"}, {"membrane_width": 0}):
        with pytest.raises(ValidationError):
            DataConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [(), (0,), (1, 0), (-1,)])
def test_values_that_are_no_foreground(values: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="each 1 or more"):
        DataConfig(label_values=values)


def test_values_are_of_masks() -> None:
    assert DataConfig(label_values=(1, 3), label_meaning="mask").label_values == (1, 3)
    with pytest.raises(ValidationError, match="label_values are of masks, but label_meaning is inside"):
        DataConfig(label_values=(1,), label_meaning="inside")
