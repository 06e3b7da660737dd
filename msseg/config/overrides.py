"""`key.sub=value` on the command line: one value in place of the file's."""

from collections.abc import Mapping
from typing import Any

from msseg.config.yaml_source import Place, parse_value
from msseg.errors import InputError

_BY_NAME = {("network",), ("loss",)}
"""Where a bare name stands for a section."""


def override(content: dict[str, Any], text: str, defaults: Mapping[str, Any]) -> Place:
    """Set one value in plain content and return the place from which on everything is the command line's.

    Items of lists are addressed by number from 0 (`augmentation.0.probability=1`). A list that the file does not have
    is the default one with that item changed.

    Args:
        content: What the file holds; changed in place.
        text: `key.sub=value`; the value is YAML.
        defaults: The values of all keys where the file says nothing.

    Raises:
        InputError: The text has another form, or leads through a value that has no parts.
    """
    name, equals, value = text.partition("=")
    parts = [part.strip() for part in name.split(".")]
    if not equals or not all(parts):
        raise InputError(f"'{text}' is not an override; they have the form key.sub=value")
    node: Any = content
    place: Place = ()
    made: Place = ()
    for part in parts[:-1]:
        key = _key(node, part, place, text)
        place = (*place, key)
        child = node[key] if isinstance(node, list) else node.get(key)
        if child is None and not made:
            made = place
        if not isinstance(child, dict | list):
            child = node[key] = _opened(child, place, _at(defaults, place))
        node = child
    key = _key(node, parts[-1], place, text)
    node[key] = parse_value(value)
    return made or (*place, key)


def _key(node: Any, part: str, place: Place, text: str) -> Any:
    """The key of a mapping, or the number of a list's item."""
    if isinstance(node, dict):
        return part
    name = ".".join(map(str, place))
    if not isinstance(node, list):
        raise InputError(f"the override '{text}' has no place: {name} holds no keys")
    if not part.isdecimal() or int(part) >= len(node):
        count = f"{len(node)} entries, numbered from 0" if node else "no entries"
        raise InputError(f"the override '{text}' has no place: {name} has {count}")
    return int(part)


def _opened(value: Any, place: Place, default: Any) -> Any:
    """What an override can go into, where the file has no keys or list: nothing, a bare name, or a plain value."""
    if value is None:
        named = isinstance(default, Mapping) and place in _BY_NAME
        return default if isinstance(default, list) else {"name": default["name"]} if named else {}
    return {"name": value} if isinstance(value, str) and place in _BY_NAME else value


def _at(values: Any, place: Place) -> Any:
    for part in place:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values
