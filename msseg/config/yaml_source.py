"""Reading YAML so that every value can be traced to its line, and writing what is read the same."""

import re
from pathlib import Path
from typing import Any

import yaml

from msseg.errors import InputError

Place = tuple[str | int, ...]

COMMAND_LINE = 0
"""Stands in place of a line for values from the command line."""

LARGEST = 100_000
"""Values that a file may hold, counting again what its aliases repeat: nine lines of aliases can spell 10^9 of them."""

_FLOAT = (
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?$|^[-+]?\d+[eE][-+]?\d+$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which makes plain values and runs nothing; it refuses aliases that grow beyond measure."""

    def compose_document(self) -> yaml.Node | None:
        """The document's tree of nodes."""
        root = super().compose_document()
        if root is not None and _size(root, {}) > LARGEST:
            raise yaml.YAMLError(f"with its aliases it holds more than {LARGEST:,} values")
        return root


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values at and below a node; shared nodes are counted each time but measured once."""
    if id(node) not in known:
        below = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + (0 if isinstance(node, yaml.ScalarNode) else sum(_size(part, known) for part in below))
    return known[id(node)]


def load_plain(text: str) -> Any:
    """Plain values of YAML 1.1 from a source that is not trusted.

    Raises:
        yaml.YAMLError, ValueError, RecursionError: It is not YAML, asks for objects, or is too large or too deep.
    """
    return yaml.load(text, Loader=BoundedLoader)


class _Loader(BoundedLoader):
    """YAML 1.1 as PyYAML reads it, but what looks like a value of some kind to a reader is one, and nothing else is.

    1e-4 is a number; only true and false are truth values; 007, 1:30 and 2024-01-31 are text.
    """


class _Dumper(yaml.SafeDumper):
    """Quotes text that any YAML 1.1 reader, or the one above, would take for something else."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith((":null", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(*_FLOAT)
_Dumper.add_implicit_resolver(*_FLOAT)


def parse_value(text: str) -> Any:
    """A single YAML value, as in `key=value` on the command line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"'{text}' is not a YAML value; quote it if it is meant as text") from error


def dump_yaml(content: object) -> str:
    """Plain values as YAML, so that `read_yaml` gives them back."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Place, int]]:
    """Read a YAML file that holds a mapping.

    Returns:
        The content, and for the place of every key and list item the line (from 1) at which it stands.

    Raises:
        InputError: The file is missing, not YAML, not a mapping, or names a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"the file {path} does not exist") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        lines = _lines(root, path) if root else {}
        content = loader.construct_document(root) if root else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path}, line {line}: not valid YAML ({error.problem})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} is not valid YAML ({str(error).splitlines()[0]})") from error
    except RecursionError as error:
        raise InputError(f"{path} is not valid: it is nested too deeply, or an anchor in it holds itself") from error
    if content is None:
        return {}, {}
    if not isinstance(content, dict):
        kind = "list" if isinstance(content, list) else "single value"
        raise InputError(f"{path} holds a {kind}; keys and values are needed (key: value)")
    return content, lines


def _lines(node: yaml.Node, path: Path, place: Place = ()) -> dict[Place, int]:
    """Lines of all keys and items below a node; a key given twice is refused, as YAML would keep the last silently."""
    lines: dict[Place, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            if here in lines:
                raise InputError(
                    f"{path}, line {key.start_mark.line + 1}: {'.'.join(map(str, here))} is given twice"
                    f" (first in line {lines[here]})"
                )
            lines[here] = key.start_mark.line + 1
            lines |= _lines(value, path, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*place, index)] = item.start_mark.line + 1
            lines |= _lines(item, path, (*place, index))
    return lines
