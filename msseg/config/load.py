"""An experiment's YAML file and the command line's overrides -> a validated configuration."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from msseg.config.experiment import ExperimentConfig
from msseg.config.overrides import override
from msseg.config.problems import describe_problems
from msseg.config.yaml_source import COMMAND_LINE, Place, dump_yaml, read_yaml
from msseg.errors import InputError


def load_config(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment file and apply overrides of the form `key.sub=value` (the value is YAML).

    Raises:
        InputError: The file cannot be read, or holds an unknown key, a wrong type or an impossible value; the message
            gives the line, the key, what was given and what is allowed.
    """
    content, lines = read_yaml(path)
    for text in overrides:
        place = override(content, text, ExperimentConfig().model_dump(mode="json"))
        lines = {known: line for known, line in lines.items() if known[: len(place)] != place}
        lines[place] = COMMAND_LINE
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
    return dump_yaml(config.model_dump(mode="json"))


def json_schema() -> str:
    """JSON Schema of an experiment file, for editors."""
    schema = ExperimentConfig.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2)
