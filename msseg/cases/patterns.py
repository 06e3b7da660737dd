"""Path patterns with named fields: `{patient}/{patient}_{channel}.nii[.gz]`.

A pattern describes the end of a file's path, folder by folder. A field stands for any characters of one
name (for as many as possible where several readings fit); a field that stands twice has to have the same
value; {channel} stands for the spellings of the layout's channels, in upper or lower case, {slice} for a
whole number. `*` and `?` stand for any characters and for one, `[...]` for text that may be absent, `(a|b)`
for one of several texts. `{stack}.h5/raw` is the data set /raw of an HDF5 file.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

FIELDS = ("site", "patient", "session", "stack", "slice", "channel", "rater", "truth")
"""The fields a pattern may have, in the order in which they make up an id."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_CHOICE = r"\([^][{}*?()|]*(?:\|[^][{}*?()|]*)+\)"
_TOKEN = re.compile(
    r"\{(?P<field>[^{}]*)\}|\[(?P<optional>[^][{}*?/]+)\]|(?P<wildcard>[*?])"
    rf"|(?P<choice>{_CHOICE})|(?P<text>(?:(?!{_CHOICE})[^][{{}}*?])+)"
)
_IN_CONTAINER = re.compile(r"(?P<file>.+?\.(?:h5|hdf5|\(h5\|hdf5\)))/(?P<inside>[^][{}*?()]+)")
_SLICE = r"(?<!\d)(?P<slice>\d+)(?!\d)"


@dataclass(frozen=True)
class Pattern:
    """A pattern, ready to be matched."""

    text: str
    fields: tuple[str, ...]
    depth: int
    """Number of names (folders and file) that the pattern describes."""
    expression: re.Pattern[str]
    literal: int = 0
    """Number of characters that the pattern prescribes, at least."""
    inside: str = ""
    """The data set of an HDF5 file that is meant."""

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The fields' values where the pattern fits the end of a path, given as its parts."""
        found = self.expression.fullmatch("/".join(parts[-self.depth :]))
        return found.groupdict() if found else None

    def says(self, parts: Sequence[str]) -> tuple[int, int]:
        """How much a pattern that fits says of a file: of two patterns, the one with the larger value says more.

        What counts first is how little of the file's name is left to fields: `X_label.tif` is rather a
        `{stack}_label.tif` than a `{stack}.tif`, in whatever folder it is. Then the characters prescribed count.
        """
        found = self.expression.fullmatch("/".join(parts[-self.depth :]))
        if found is None:
            raise ValueError(f"the pattern '{self.text}' does not fit {'/'.join(parts)}")
        name = len(found.string) - len(parts[-1])
        spans = [found.span(field) for field in self.fields if field != "channel"]
        return -sum(end - start for start, end in spans if start >= name), self.literal


def compile_pattern(text: str, spellings: Collection[str]) -> Pattern:
    """Make a pattern; `spellings` are what {channel} may stand for.

    Raises:
        ValueError: The text is not a pattern; the message says why.
    """
    _refuse_what_looks_like_a_path(text)
    container = _IN_CONTAINER.fullmatch(text)
    path, inside = (container["file"], container["inside"]) if container else (text, "")
    expression, literal, fields, position = "", 0, list[str](), 0
    while position < len(path):
        token = _TOKEN.match(path, position)
        if token is None:
            raise ValueError(
                f"the pattern '{text}' is not understood from '{path[position:]}' on: a field is written"
                " {patient}, a part that may be absent [.gz] (plain text between the brackets)"
            )
        expression += _part(token, fields, spellings, text)
        literal += _prescribed(token, spellings)
        position = token.end()
    whole = re.compile(expression, re.DOTALL)
    return Pattern(text, tuple(dict.fromkeys(fields)), path.count("/") + 1, whole, literal, inside)


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
    if token["choice"]:
        return f"(?:{'|'.join(map(re.escape, _choices(token)))})"
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
    return _SLICE if name == "slice" else f"(?P<{name}>[^/]+)"


def _prescribed(token: re.Match[str], spellings: Collection[str]) -> int:
    """How many characters of a name the token leaves no choice about, at least."""
    if token["text"]:
        return len(token["text"])
    if token["choice"]:
        return min(map(len, _choices(token)))
    return min(map(len, spellings), default=0) if token["field"] == "channel" else 0


def _choices(token: re.Match[str]) -> list[str]:
    return token["choice"][1:-1].split("|")
