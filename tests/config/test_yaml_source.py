"""Reading YAML: which values are what, where they stand, and what is refused."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.config.yaml_source import dump_yaml, parse_value, read_yaml
from msseg.errors import InputError


def write(folder: Path, text: str) -> Path:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("+3", 3),
        ("0", 0),
        ("-7", -7),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("01", "01"),
        ("007", "007"),
        ("08", "08"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("e5", "e5"),
        ("'1'", "1"),
        ("[1, 2e0, a]", [1, 2.0, "a"]),
        ("{a: no}", {"a": "no"}),
    ],
)
def test_values_are_what_they_look_like(text: str, value: object) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_infinity_and_no_number_are_numbers() -> None:
    assert parse_value(".inf") == math.inf
    assert parse_value("-.inf") == -math.inf
    assert math.isnan(parse_value(".nan"))


@pytest.mark.parametrize("text", ["[1, 2", "{a", "'a", "&", "a: b: c", "!!python/object:os.x {}"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a YAML value"):
        parse_value(text)


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    text = "# a comment\na: 1\n\nb:\n  c: [1,\n    2]\n  d:\n    - e: x\n    - f\n"
    content, lines = read_yaml(write(tmp_path, text))
    assert content == {"a": 1, "b": {"c": [1, 2], "d": [{"e": "x"}, "f"]}}
    assert lines == {
        ("a",): 2,
        ("b",): 4,
        ("b", "c"): 5,
        ("b", "c", 0): 5,
        ("b", "c", 1): 6,
        ("b", "d"): 7,
        ("b", "d", 0): 8,
        ("b", "d", 0, "e"): 8,
        ("b", "d", 1): 9,
    }


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_holds_no_keys(tmp_path: Path, text: str) -> None:
    assert read_yaml(write(tmp_path, text)) == ({}, {})


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "\ufeffa: 1\n"))[0] == {"a": 1}


def test_anchors_and_merges_are_followed(tmp_path: Path) -> None:
    assert read_yaml(write(tmp_path, "a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n"))[0]["c"] == {"b": 1, "d": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", ", line 3: a is given twice (first in line 1)"),
        ("a:\n  b: 1\n  b: 2\n", ", line 3: a.b is given twice (first in line 2)"),
        ("a: [x, {b: 1, b: 2}]\n", ", line 1: a.1.b is given twice"),
        ("- a\n- b\n", "holds a list; keys and values are needed"),
        ("text\n", "holds a single value; keys and values are needed"),
        ("a: 1\nb: [1,\n", ", line 3: not valid YAML"),
        ("a: 1\n\tb: 2\n", ", line 2: not valid YAML (found character '\\t'"),
        ("a: 1\n---\nb: 2\n", ", line 2: not valid YAML"),
        ("a: !!python/name:os.system x\n", ", line 1: not valid YAML (could not determine a constructor"),
        ("? [a, b]\n: 1\n", ", line 1: not valid YAML (found unhashable key)"),
        ("a: &x [*x]\n", "an anchor in it holds itself"),
        ("a: \x01\n", "is not valid YAML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert words in message
    assert "\n" not in message


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the file .*none\.yaml does not exist"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)
    (tmp_path / "image.nii.gz").write_bytes(b"\x1f\x8b\x08\xff\xfe")
    with pytest.raises(InputError, match=r"image\.nii\.gz is not text in UTF-8"):
        read_yaml(tmp_path / "image.nii.gz")


LOOKALIKES = st.sampled_from(
    ["1e-4", "yes", "null", "~", "007", "1.5", "true", "2024-01-31", "a: b", "- a", "#", "=", ""]
)
# PyYAML folds the line separators that nobody types.
texts = LOOKALIKES | st.text(
    st.characters(exclude_categories=["Cs", "Zl", "Zp"], exclude_characters="\x85"), max_size=8
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(texts, values, max_size=4))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read_the_same(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "law.yaml"
    path.write_text(dump_yaml(content), encoding="utf-8", newline="")
    found = read_yaml(path)[0]
    assert found == content
    assert repr(found) == repr(content)  # 1 and 1.0 and true are equal, but not the same
