"""Names in lists and sentences: wildcards, and lists that stay short."""

import re
from collections.abc import Iterable, Sequence


def matches(name: str, wildcard: str) -> bool:
    """Whether the whole name fits; `*` stands for any characters, `?` for one, everything else for itself."""
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in wildcard)
    return re.fullmatch(expression, name, re.DOTALL) is not None


def matches_any(name: str, wildcards: Iterable[str]) -> bool:
    """Whether the name fits at least one of the wildcards."""
    return any(matches(name, wildcard) for wildcard in wildcards)


def listing(names: Sequence[str], limit: int = 5) -> str:
    """`a, b and c`; beyond the limit `a, b, c and 12 more`."""
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"


def counted(number: int, noun: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
