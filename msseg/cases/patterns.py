"""Path patterns with named fields: `{patient}/{patient}_{channel}.nii[.gz]`.

A pattern describes the end of a file's path, folder by folder. A field stands for any characters of one
name (for as many as possible where several readings fit); a field that stands twice has to have the same
value; {channel} stands for the spellings of the layout's channels, in upper or lower case. `*` and `?`
stand for any characters and for one, `[...]` for text that may be absent.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

FIELDS = ("site", "patient", "session", "channel", "rater")
"""The fields a pattern may have, in the order in which they make up an id."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"\{(?P<field>[^{}]*)\}|\[(?P<optional>[^][{}*?/]+)\]|(?P<wildcard>[*?])|(?P<text>[^][{}*?]+)")


@dataclass(frozen=True)
class Pattern:
    """A pattern, ready to be matched."""

    text: str
    fields: tuple[str, ...]
    depth: int
    """Number of names (folders and file) that the pattern describes."""
    expression: re.Pattern[str]

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The fields' values where the pattern fits the end of a path, given as its parts."""
        found = self.expression.fullmatch("/".join(parts[-self.depth :]))
        return found.groupdict() if found else None


def compile_pattern(text: str, spellings: Collection[str]) -> Pattern:
    """Make a pattern; `spellings` are what {channel} may stand for.

    Raises:
        ValueError: The text is not a pattern; the message says why.
    """
    _refuse_what_looks_like_a_path(text)
    expression, fields, position = "", list[str](), 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ValueError(
                f"the pattern '{text}' is not understood from '{text[position:]}' on: a field is written"
                " {patient}, a part that may be absent [.gz] (plain text between the brackets)"
            )
        expression += _part(token, fields, spellings, text)
        position = token.end()
    return Pattern(text, tuple(dict.fromkeys(fields)), text.count("/") + 1, re.compile(expression, re.DOTALL))


def fields_of(template: str) -> tuple[str, ...]:
    """The fields of a template such as `{patient}_{session}`, in order."""
    return tuple(_FIELD.findall(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each field replaced by its value."""
    return _FIELD.sub(lambda found: values[found[1]], template)


def _refuse_what_looks_like_a_path(text: str) -> None:
    if not text or text.endswith("/"):
        raise ValueError(f"the pattern '{text}' has to end in the name of a file")
    if "\\" in text:
        raise ValueError(f"the pattern '{text}' has a backslash; write / between folders")
    if text.startswith("/") or "//" in text or "**" in text or ".." in text.split("/"):
        raise ValueError(
            f"the pattern '{text}' has to name folders and file one by one (no leading /, //, .. or **);"
            " it fits the end of a path, whatever folders stand before it"
        )


def _part(token: re.Match[str], fields: list[str], spellings: Collection[str], text: str) -> str:
    """One token as a regular expression; names of fields are added to the list."""
    if token["text"]:
        return re.escape(token["text"])
    if token["wildcard"]:
        return "[^/]*" if token["wildcard"] == "*" else "[^/]"
    if token["optional"]:
        return f"(?:{re.escape(token['optional'])})?"
    name = token["field"]
    if name not in FIELDS:
        allowed = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise ValueError(f"the pattern '{text}' has the unknown field {{{name}}}; there are {allowed}")
    fields.append(name)
    if fields.count(name) > 1:
        return f"(?P={name})"
    if name == "channel":
        return f"(?P<channel>(?i:{'|'.join(map(re.escape, spellings))}))"
    return f"(?P<{name}>[^/]+)"
