"""An experiment's YAML file and the command line's overrides -> a validated configuration."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from msseg.config.experiment import ExperimentConfig
from msseg.config.problems import describe_problems
from msseg.config.yaml_source import Place, parse_value, read_yaml
from msseg.errors import InputError


def load_config(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment file and apply overrides of the form `key.sub=value` (the value is YAML).

    Raises:
        InputError: The file cannot be read, or holds an unknown key, a wrong type or an impossible value; the message
            gives the line, the key, what was given and what is allowed.
    """
    content, lines = read_yaml(path)
    for override in overrides:
        place = _apply(content, override)
        lines = {known: line for known, line in lines.items() if known[: len(place)] != place}
    return validate(content, lines, str(path))


def validate(content: Mapping[str, Any], lines: Mapping[Place, int], source: str) -> ExperimentConfig:
    """Validate plain values; `source` names where they came from in messages."""
    try:
        # Through JSON, since strict validation of Python objects would refuse YAML's lists where tuples are meant.
        return ExperimentConfig.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise InputError(describe_problems(error, ExperimentConfig, lines, source)) from error


def dump_config(config: ExperimentConfig) -> str:
    """The configuration as YAML with every key, so that reading it gives the same configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)


def json_schema() -> str:
    """JSON Schema of an experiment file, for editors."""
    schema = ExperimentConfig.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)


def _apply(content: dict[str, Any], override: str) -> Place:
    """Set one value in place and return where; list items are addressed by number (`augmentation.0.probability=1`)."""
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise InputError(f"'{override}' is not an override; they have the form key.sub=value")
    parts: list[str | int] = [int(part) if part.isdigit() else part for part in name.strip().split(".")]
    node: Any = content
    for depth, part in enumerate(parts[:-1]):
        if isinstance(node, dict):
            child = node.get(str(part))
            if isinstance(child, str) and part in ("network", "loss"):
                child = {"name": child}
            node[str(part)] = {} if child is None else child
            node = node[str(part)]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            raise InputError(
                f"the override '{override}' has no place: {'.'.join(map(str, parts[: depth + 1]))} holds no keys"
            )
    last = parts[-1]
    if isinstance(node, list) and isinstance(last, int) and last < len(node):
        node[last] = parse_value(text)
    elif isinstance(node, dict):
        node[str(last)] = parse_value(text)
    else:
        raise InputError(f"the override '{override}' has no place: {'.'.join(map(str, parts[:-1]))} holds no keys")
    return tuple(parts)
