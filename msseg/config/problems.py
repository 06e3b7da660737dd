"""What pydantic found wrong, said so that a user can mend it: where, what was given, what is allowed."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from msseg.config.yaml_source import Place

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "missing": "a value",
}


def nearest(name: str, allowed: list[str]) -> str:
    """'; did you mean X?' where an allowed name is close, else a full stop."""
    folded = {candidate.lower(): candidate for candidate in allowed}
    match = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return f"; did you mean {folded[match[0]]}?" if match else "."


def describe_problems(error: ValidationError, model: type[BaseModel], lines: Mapping[Place, int], source: str) -> str:
    """One sentence for each problem, the file and line in front where they are known."""
    sentences = []
    for problem in error.errors():
        place = _without_tags(problem, lines)
        line = _line_of(place, lines)
        where = f"{source}, line {line}" if line else source
        sentences.append(f"{where}: {_sentence(problem, place, model)}")
    return "\n".join(sentences)


def _without_tags(problem: ErrorDetails, lines: Mapping[Place, int]) -> Place:
    """The place as a user wrote it: pydantic puts the tag of a discriminated union (a network's name) into it."""
    place: Place = ()
    location = problem["loc"]
    for index, part in enumerate(location):
        last = index == len(location) - 1
        previous_known = (*place, part) in lines or isinstance(part, int)
        if not previous_known and not last and place and place[-1] in ("network", "loss"):
            continue
        if not previous_known and not last and place and isinstance(place[-1], int):
            continue
        place = (*place, part)
    return place


def _line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return None


def _sentence(problem: ErrorDetails, place: Place, model: type[BaseModel]) -> str:
    key, given, kind = _name(place), problem["input"], problem["type"]
    context: dict[str, Any] = problem.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _keys_at(problem["loc"][:-1], model)
        return f"unknown key {key}{nearest(str(place[-1]), allowed)} Allowed here: {', '.join(allowed)}"
    if kind in ("literal_error", "enum"):
        allowed = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{key} is {_show(given)}{nearest(str(given), allowed)} Allowed: {', '.join(allowed)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        allowed = (
            [word.strip("' ") for word in context.get("expected_tags", "").split(",")]
            if "expected_tags" in context
            else []
        )
        named = context.get("tag", _show(given))
        return f"{key} is {named}{nearest(str(named), allowed)} Allowed: {', '.join(allowed) or 'an entry with a name'}"
    if kind == "value_error":
        text = str(context["error"])
        return f"{key} {text}" if key else text
    if kind in _EXPECTED:
        return f"{key} is {_show(given)}; {_EXPECTED[kind]} is needed"
    message = problem["msg"]
    return f"{key} is {_show(given)}; {message[0].lower()}{message[1:]}"


def _name(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _show(value: object) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value).replace("None", "null")
    return text if len(text) <= 80 else f"{text[:77]}..."


def _keys_at(location: tuple[str | int, ...], model: type[BaseModel]) -> list[str]:
    """Valid keys of the section at a place of pydantic's, following union tags."""
    options: list[type[BaseModel]] = [model]
    for part in location:
        tagged = [option for option in options if _tag(option) == part]
        if tagged:
            options = tagged
        elif not isinstance(part, int):
            options = [
                section
                for option in options
                if part in option.model_fields
                for section in _sections(option.model_fields[str(part)].annotation)
            ]
    return sorted({name for option in options for name in option.model_fields})


def _tag(model: type[BaseModel]) -> object:
    field = model.model_fields.get("name")
    return field.default if field is not None else None


def _sections(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]
