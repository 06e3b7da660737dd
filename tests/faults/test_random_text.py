"""Whatever is written in settings, patterns, layouts and tables: it is taken or refused with a sentence."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from msseg.cases.layout import read_layout
from msseg.cases.patterns import compile_pattern
from msseg.cases.table import read_table
from msseg.cli.evaluate import read_thresholds
from msseg.config.experiment import ExperimentConfig
from msseg.config.load import dump_config, load_config
from msseg.errors import InputError


def keys_of(model: BaseModel, above: str = "") -> Iterator[str]:
    for name in type(model).model_fields:
        yield above + name
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from keys_of(value, f"{above}{name}.")


KEYS = sorted(keys_of(ExperimentConfig()))
WORDS = st.sampled_from([
    "", "null", "true", "yes", "0", "-1", "1", "3", "1e-4", ".nan", ".inf", "-.inf", "1e400", "10" * 30, "0x10", "1:30",
    "[]", "{}", "[1]", "[16,16,16]", "[1,2", "{a: 1}", "{name: unet3d}", "unet3d", "adam", "*x", "&a [*a]",
    "!!python/x 1", "'", '"', "é", "\x00", "\ud800", "[[[]]]", "{name: sum}", "[{name: flip}]", "2024-01-31", "~",
    "- a", "a: b: c", "#",
])  # fmt: skip
VALUES = WORDS | st.text(max_size=12) | st.floats().map(str) | st.integers().map(str) | st.lists(WORDS).map(json.dumps)
OVERRIDES = st.builds("{}={}".format, st.sampled_from(KEYS) | st.text(max_size=8), VALUES) | st.text(max_size=20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    (folder / "empty.yaml").write_text("name: x\n")
    return folder


def one_sentence(error: InputError) -> None:
    assert 10 < len(str(error)) < 5000


@settings(max_examples=150)
@given(st.lists(OVERRIDES, min_size=1, max_size=3))
def test_overrides_are_taken_or_refused(folder: Path, overrides: list[str]) -> None:
    try:
        config = load_config(folder / "empty.yaml", overrides)
    except InputError as error:
        one_sentence(error)
    else:
        (folder / "again.yaml").write_text(dump_config(config), encoding="utf-8")
        assert load_config(folder / "again.yaml") == config


NAMES = st.sampled_from(KEYS) | st.text(max_size=6)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FILES = st.text(max_size=60) | TREES.map(lambda tree: json.dumps(tree)) | st.binary(max_size=40)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


@settings(max_examples=100)
@given(FILES)
def test_settings_files_are_taken_or_refused(folder: Path, content: str | bytes) -> None:
    try:
        load_config(write(folder / "config.yaml", content))
    except InputError as error:
        one_sentence(error)


PIECES = st.sampled_from([
    "{patient}", "{session}", "{channel}", "{slice}", "{rater:1|2}", "{stack}", "{unknown}", "{", "}", "{}", "[", "]",
    "(", ")", "(a|b)", "|", "*", "?", "/", "//", "..", ".", "\\", "_", ".nii[.gz]", ".h5/raw", "a", "^", "$", "+", "\n",
    "{:}", "{patient:}", "[[", "]]", "(a|", "{patient",
])  # fmt: skip
PATTERNS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20)
PATHS = st.lists(st.text(alphabet="ab1_.{}[]()niigz", min_size=1, max_size=8), min_size=1, max_size=4)


@settings(max_examples=200)
@given(PATTERNS, st.lists(st.sampled_from(["FLAIR", "T1*", "a?", "0000"]), max_size=2), PATHS)
def test_patterns_are_taken_or_refused(text: str, spellings: list[str], parts: list[str]) -> None:
    try:
        pattern = compile_pattern(text, spellings)
    except ValueError as error:
        assert len(str(error)) > 10  # noqa: PT017
    else:
        found = pattern.match(parts)
        assert found is None or set(found) == set(pattern.fields)


@settings(max_examples=80)
@given(st.fixed_dictionaries({}, optional={
    "title": VALUES, "images": st.lists(PATTERNS, max_size=2) | VALUES, "labels": st.lists(PATTERNS, max_size=2),
    "channels": st.dictionaries(st.text(max_size=4), st.text(max_size=4) | TREES, max_size=2) | TREES, "group": VALUES,
    "choose": TREES, "id": PATTERNS, "other": TREES,
}))  # fmt: skip
def test_layouts_are_taken_or_refused(folder: Path, content: dict[str, Any]) -> None:
    try:
        read_layout(str(write(folder / "layout.yaml", json.dumps(content))))
    except InputError as error:
        one_sentence(error)


CELLS = st.sampled_from(["case", "group", "label", "FLAIR", "a", "b.nii", "", '"', "../x", ";", "\t", "0", "é"])
TABLES = st.lists(st.lists(CELLS, max_size=5).map(",".join), max_size=5).map("\n".join) | st.text() | st.binary()


@settings(max_examples=100)
@given(TABLES)
def test_tables_are_taken_or_refused(folder: Path, content: str | bytes) -> None:
    try:
        read_table(write(folder / "table.csv", content))
    except InputError as error:
        one_sentence(error)


@settings(max_examples=100)
@given(st.text(alphabet="0123456789.,:-einfa ", max_size=20))
def test_thresholds_are_taken_or_refused(text: str) -> None:
    try:
        numbers = read_thresholds(text)
    except InputError as error:
        one_sentence(error)
    else:
        assert numbers == sorted(set(numbers))
