"""What pydantic found wrong, said so that a user can mend it: where, what was given, what is allowed."""

import difflib
import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from msseg.config.yaml_source import COMMAND_LINE, Place

_NEEDED = {
    "int_type": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "float_type": "a number is needed",
    "finite_number": "a finite number is needed",
    "bool_type": "true or false is needed",
    "tuple_type": "a list is needed",
    "dict_type": "keys and values are needed",
    "model_type": "keys and values are needed",
    "model_attributes_type": "keys and values are needed",
    "too_short": "it must not be empty",
    "string_too_short": "it must not be empty",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}
LONGEST_SHOWN = 80


def nearest(name: str, allowed: list[str]) -> str:
    """'; did you mean X?' where an allowed name is close, else a full stop."""
    folded = {candidate.lower(): candidate for candidate in allowed}
    close = difflib.get_close_matches(name.lower(), folded, n=1)
    match = close or [candidate for candidate in folded if len(name) > 2 and candidate.startswith(name.lower())]
    return f"; did you mean {folded[match[0]]}?" if match else "."


def describe_problems(error: ValidationError, model: type[BaseModel], lines: Mapping[Place, int], source: str) -> str:
    """One line for each problem, in the file's order, with the file and line in front where they are known."""
    said: dict[tuple[Place, str], tuple[int | None, str]] = {}
    for problem in error.errors():
        if problem["type"] == "too_short" and problem["input"]:
            continue  # pydantic does not count entries that are wrong, and says so of them already
        place, options = _follow(problem["loc"], model)
        lacks_entries = problem["type"] == "missing" and isinstance(place[-1], int)
        # A list that is too short is one problem, which its last missing entry tells in full.
        key = place[:-1] if lacks_entries else place
        said[key, problem["type"]] = _line_of(place, lines), _sentence(problem, place, options, model)
    ordered = sorted(said.values(), key=lambda item: -1 if item[0] is None else item[0])
    return "\n".join(f"{_where(line, source)}: {sentence}" for line, sentence in ordered)


def _where(line: int | None, source: str) -> str:
    if line == COMMAND_LINE:
        return "command line"
    return source if line is None else f"{source}, line {line}"


def _line_of(place: Place, lines: Mapping[Place, int]) -> int | None:
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return None


def _follow(location: tuple[str | int, ...], model: type[BaseModel]) -> tuple[Place, list[type[BaseModel]]]:
    """From pydantic's place to the user's, and the sections that can stand there.

    Where one of several sections was chosen by its name (a network), pydantic puts that name into the place.
    """
    place: Place = ()
    options: list[type[BaseModel]] = [model]
    for part in location:
        if len(options) > 1 and not isinstance(part, int):
            options = [option for option in options if _tag(option) == part]
            continue
        place = (*place, part)
        if not isinstance(part, int):
            fields = [option.model_fields[part] for option in options if part in option.model_fields]
            options = [section for field in fields for section in _sections(field.annotation)]
    return place, options


def _sentence(problem: ErrorDetails, place: Place, options: list[type[BaseModel]], model: type[BaseModel]) -> str:
    key, given, kind = _name(place), problem["input"], problem["type"]
    context: dict[str, Any] = problem.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(place, problem["loc"], model)
    if kind == "missing":
        if isinstance(place[-1], int):
            return f"{_name(place[:-1])} is {_show(given)}; {place[-1] + 1} entries are needed"
        return f"the key {key} is missing"
    if kind == "literal_error":
        allowed = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{key} is {_show(given)}{nearest(str(given), allowed)} Allowed: {', '.join(allowed)}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        allowed = [str(_tag(option)) for option in options]
        if kind == "union_tag_not_found":
            return f"{key} has no name. Allowed: {', '.join(allowed)}"
        return f"{key} is {_show(context['tag'])}{nearest(context['tag'], allowed)} Allowed: {', '.join(allowed)}"
    if kind == "value_error":
        return _own_words(str(context["error"]), key, given)
    if kind == "string_type":
        number = isinstance(given, int | float) and not isinstance(given, bool)
        return f"{key} is {_show(given)}; text is needed{f': write {chr(34)}{given}{chr(34)}' if number else ''}"
    return f"{key} is {_show(given)}; {_needed(kind, context, problem['msg'])}"


def _needed(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind in _NEEDED:
        return _NEEDED[kind]
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"it has to be {words} {context[bound]:.12g}"
    if kind == "too_long":
        return f"{context['max_length']} entries are needed"
    return f"{message[:1].lower()}{message[1:]}"


def _own_words(text: str, key: str, given: object) -> str:
    """Our own validators: those of one value go on after its key (`channels names FLAIR twice`)."""
    if not key:
        return text
    return f"{key}: {text}" if isinstance(given, Mapping) else f"{key} {text}"


def _unknown_key(place: Place, location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    name = str(place[-1])
    allowed = sorted({field for option in _follow(location[:-1], model)[1] for field in option.model_fields})
    elsewhere = [
        f"{section}.{name}"
        for section, field in model.model_fields.items()
        if name != "name" and section != place[0] and get_origin(field.annotation) is not tuple
        if any(name in option.model_fields for option in _sections(field.annotation))
    ]
    hint = f"; did you mean {' or '.join(elsewhere)}?" if elsewhere else nearest(name, allowed)
    return f"unknown key {_name(place)}{hint} Allowed here: {', '.join(allowed)}"


def _name(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _show(value: object) -> str:
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _tag(model: type[BaseModel]) -> object:
    field = model.model_fields.get("name")
    return field.default if field is not None else None


def _sections(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections(argument)]
