"""The JSON Schema that editors use: it takes what msseg takes, refuses what msseg refuses, and explains the keys.

A validator of the few words of JSON Schema that occur in it stands below; the schema library is no dependency.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from msseg.config.experiment import ExperimentConfig
from msseg.config.folder import config_folder
from msseg.config.load import json_schema
from msseg.config.yaml_source import parse_value

SCHEMA = json.loads(json_schema())
EXPERIMENTS = [path for path in sorted(config_folder().rglob("*.yaml")) if path.parent.name != "layouts"]

KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
WORDS = {
    "type", "enum", "const", "anyOf", "oneOf", "$ref", "pattern", "minLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "items", "prefixItems", "properties",
    "additionalProperties", "required",
}  # fmt: skip
REMARKS = {"$defs", "$schema", "title", "description", "default", "discriminator"}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    unknown = schema.keys() - WORDS - REMARKS
    assert not unknown, f"this validator does not know {unknown}"
    return all(_fits(word, schema[word], value, schema) for word in schema.keys() & WORDS)


def _fits(word: str, rule: Any, value: Any, schema: dict[str, Any]) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match word:
        case "$ref":
            return fits(value, SCHEMA["$defs"][rule.removeprefix("#/$defs/")])
        case "type":
            return isinstance(value, KINDS[rule]) and (rule == "boolean" or not isinstance(value, bool))
        case "enum":
            return value in rule
        case "const":
            return value == rule
        case "anyOf":
            return any(fits(value, option) for option in rule)
        case "oneOf":
            return sum(fits(value, option) for option in rule) == 1
        case "pattern":
            return not isinstance(value, str) or re.search(rule, value) is not None
        case "minLength":
            return not isinstance(value, str) or len(value) >= rule
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return not number or _within(word, rule, value)
        case "minItems" | "maxItems":
            return not isinstance(value, list) or (len(value) >= rule if word == "minItems" else len(value) <= rule)
        case "items":
            first = len(schema.get("prefixItems", ()))
            return not isinstance(value, list) or all(fits(item, rule) for item in value[first:])
        case "prefixItems":
            return not isinstance(value, list) or all(map(fits, value, rule))
        case "properties":
            return not isinstance(value, dict) or all(fits(value[key], rule[key]) for key in value.keys() & rule.keys())
        case "additionalProperties":
            others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ()
            return all(rule is not False and fits(value[key], rule) for key in others)
        case "required":
            return not isinstance(value, dict) or set(rule) <= value.keys()
    raise AssertionError(word)


def _within(word: str, rule: float, value: float) -> bool:
    if word.startswith("exclusive"):
        return value > rule if word.endswith("Minimum") else value < rule
    return value >= rule if word == "minimum" else value <= rule


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_the_shipped_experiments_fit(path: Path) -> None:
    assert fits(parse_value(path.read_text(encoding="utf-8")), SCHEMA)


def test_the_defaults_fit() -> None:
    assert fits(ExperimentConfig().model_dump(mode="json"), SCHEMA)
    assert fits({}, SCHEMA)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("network: unet3d", True),
        ("network: {name: unet3d, base_channels: 8}", True),
        ("network: unet", False),
        ("network: {name: unet3d, base: 8}", False),
        ("loss: dice", True),
        ("loss: {name: dice, smoothing: 0}", False),
        ("loss: {bce: 1, dice: {weight: 0.5, smoothing: 2}}", True),
        ("loss: {bce: 0}", False),
        ("loss: {dice: {smooth: 2}}", False),
        ("loss: {bse: 1}", False),
        ("loss: sum", False),
        ("augmentation: [flip, {name: noise, std: [0, 1]}]", True),
        ("augmentation: [flop]", False),
        ("augmentation: [{name: flip, axes: [3]}]", False),
        ("training: {patience: null}", True),
        ("training: {epochs: 0}", False),
        ("training: {epochs: many}", False),
        ("training: {epoch: 3}", False),
        ("patches: {size: [1, 2]}", False),
        ("patches: {size: [1, 2, 3]}", True),
        ("name: a b", False),
        ("data: {select: {rater: ['1']}}", True),
        ("data: {select: {rater: '1'}}", False),
        ("data: {select: {rater: []}}", False),
        ("epochs: 3", False),
    ],
)
def test_it_takes_what_msseg_takes(text: str, expected: bool) -> None:
    content = parse_value(text)
    assert fits(content, SCHEMA) is expected
    try:
        ExperimentConfig.model_validate_json(json.dumps(content))
    except ValueError:
        assert not expected
    else:
        assert expected


def test_every_key_is_explained() -> None:
    """By its own description or, a section or a choice by name, by the section's."""
    blank = []
    for title, section in {"experiment": SCHEMA, **SCHEMA["$defs"]}.items():
        assert section["description"], title
        assert section["additionalProperties"] is False, title
        for key, rule in section["properties"].items():
            if not rule.get("description") and "$ref" not in rule and "const" not in rule and "anyOf" not in rule:
                blank.append(f"{title}.{key}")
    assert blank == []
    assert SCHEMA["$defs"]["TrainingConfig"]["properties"]["epochs"]["description"].startswith("Most epochs to train")


def test_it_says_that_it_is_a_schema() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(SCHEMA["properties"]) == set(ExperimentConfig.model_fields)
