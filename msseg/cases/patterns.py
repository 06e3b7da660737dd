"""Path patterns with named fields: `{patient}/{patient}_{channel}.nii[.gz]`.

A pattern describes the end of a file's path, folder by folder. A field stands for any characters of one
name (for as many as possible where several readings fit); a field that stands twice has to have the same
value; {rater:a|b*} has one of the values listed; {channel} stands for the spellings of the layout's channels, in
upper or lower case, {slice} for a whole number. `*` and `?` stand for any characters and for one, `[...]` for a part
that may be absent (text, fields, folders), `(a|b)` for one of several texts. `{stack}.h5/raw` is the data set /raw of
an HDF5 file.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from msseg.config.problems import nearest

FIELDS = ("site", "patient", "session", "stack", "slice", "channel", "rater", "truth")
"""The fields a pattern may have, in the order in which they make up an id; a layout may name more (`choose`)."""

_CHOICE = r"\([^][{}*?()|]*(?:\|[^][{}*?()|]*)+\)"
_TOKEN = re.compile(
    r"\{(?P<field>[^{}:]*)(?::(?P<values>[^][{}()/]+))?\}|(?P<opens>\[)|(?P<closes>\])|(?P<wildcard>[*?])"
    rf"|(?P<choice>{_CHOICE})|(?P<text>(?:(?!{_CHOICE})[^][{{}}*?])+)"
)
_IN_TEMPLATE = re.compile(r"\[(?P<part>[^][]*)\]|\{(?P<field>[^{}]*)\}")
_IN_CONTAINER = re.compile(r"(?P<file>.+?\.(?:h5|hdf5|\(h5\|hdf5\)))/(?P<inside>[^][{}*?()]+)")
_SLICE = r"(?<!\d)(?P<slice>\d+)(?!\d)"


@dataclass(frozen=True)
class Pattern:
    """A pattern, ready to be matched."""

    text: str
    fields: tuple[str, ...]
    depths: tuple[int, ...]
    """Numbers of names (folders and file) that the pattern may describe, the largest first."""
    expression: re.Pattern[str]
    literal: int = 0
    """Number of characters that the pattern prescribes, at least."""
    inside: str = ""
    """The data set of an HDF5 file that is meant."""
    required: frozenset[str] = frozenset()
    """Fields that every file has which fits; the others stand in parts that may be absent."""

    @property
    def depth(self) -> int:
        """The largest number of names that the pattern describes."""
        return self.depths[0]

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The fields' values where the pattern fits the end of a path, given as its parts; what is absent is ''."""
        found = self._found(parts)
        return {name: value or "" for name, value in found.groupdict().items()} if found else None

    def says(self, parts: Sequence[str]) -> tuple[int, int]:
        """How much a pattern that fits says of a file: of two patterns, the one with the larger value says more.

        What counts first is how little of the file's name is left to fields: `X_label.tif` is rather a
        `{stack}_label.tif` than a `{stack}.tif`, in whatever folder it is. Then the characters prescribed count.
        """
        found = self._found(parts)
        if found is None:
            raise ValueError(f"the pattern '{self.text}' does not fit {'/'.join(parts)}")
        name = len(found.string) - len(parts[-1])
        spans = [found.span(field) for field in self.fields if field != "channel"]
        return -sum(end - start for start, end in spans if start >= name), self.literal

    def _found(self, parts: Sequence[str]) -> re.Match[str] | None:
        ends = ("/".join(parts[-depth:]) for depth in self.depths if depth <= len(parts))
        return next((found for end in ends if (found := self.expression.fullmatch(end))), None)


def compile_pattern(
    text: str, spellings: Collection[str], more_fields: Sequence[str] = (), separators: str = ""
) -> Pattern:
    """Make a pattern.

    Args:
        text: As a layout has it.
        spellings: What {channel} may stand for, `*` and `?` as in patterns; none: four digits.
        more_fields: Fields beside FIELDS.
        separators: Characters that no field's value has.

    Raises:
        ValueError: The text is not a pattern; the message says why.
    """
    _refuse_what_looks_like_a_path(text)
    container = _IN_CONTAINER.fullmatch(text)
    path, inside = (container["file"], container["inside"]) if container else (text, "")
    reader = _Reader(text, tuple(spellings), (*FIELDS, *more_fields), separators)
    part = reader.read(path)
    depths = tuple(sorted({slashes + 1 for slashes in part.slashes}, reverse=True))
    whole = re.compile(part.expression, re.DOTALL)
    fields = tuple(dict.fromkeys(reader.fields))
    return Pattern(text, fields, depths, whole, part.literal, inside, frozenset(reader.required))


def fields_of(template: str) -> tuple[str, ...]:
    """The fields of a template such as `{patient}[_{session}]`, in order."""
    return tuple(re.findall(r"\{([^{}]*)\}", template))


def required_of(template: str) -> tuple[str, ...]:
    """The fields of a template that stand outside of brackets."""
    return fields_of(re.sub(r"\[[^][]*\]", "", template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each field replaced by its value; a part in brackets is left out if a field of it is absent."""

    def replaced(found: re.Match[str]) -> str:
        if found["field"] is not None:
            return values[found["field"]]
        part = found["part"]
        return fill(part, values) if all(values.get(name) for name in fields_of(part)) else ""

    return _IN_TEMPLATE.sub(replaced, template)


def wildcard_expression(text: str) -> str:
    """A text in which `*` stands for any characters of a name and `?` for one, as a regular expression."""
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(letter, re.escape(letter)) for letter in text)


def _refuse_what_looks_like_a_path(text: str) -> None:
    if not text or text.endswith(("/", "/]")):
        raise ValueError(f"the pattern '{text}' has to end in the name of a file")
    if "\\" in text:
        raise ValueError(f"the pattern '{text}' has a backslash; write / between folders")
    if text.startswith("/") or "//" in text or "**" in text or ".." in text.split("/"):
        raise ValueError(
            f"the pattern '{text}' has to name folders and file one by one (no leading /, //, .. or **);"
            " it fits the end of a path, whatever folders stand before it"
        )


@dataclass
class _Part:
    """Some tokens in a row: their regular expression, how many characters they prescribe, how many slashes."""

    expression: str = ""
    literal: int = 0
    slashes: frozenset[int] = frozenset({0})

    def add(self, expression: str, literal: int = 0, slashes: Collection[int] = (0,)) -> None:
        """Append tokens."""
        self.expression += expression
        self.literal += literal
        self.slashes = frozenset(before + more for before in self.slashes for more in slashes)


@dataclass
class _Reader:
    """Reads one pattern; brackets may stand within brackets."""

    text: str
    spellings: tuple[str, ...]
    known: tuple[str, ...]
    separators: str
    fields: list[str] = field(default_factory=list)
    required: set[str] = field(default_factory=set)
    greedy: str = ""
    """A field right before, which would take what the next bracket is meant to hold."""

    def read(self, path: str) -> _Part:
        """The whole pattern as a regular expression.

        Raises:
            ValueError: It is no pattern.
        """
        open_parts, starts, position = [_Part()], list[int](), 0
        while position < len(path):
            token = _TOKEN.match(path, position)
            if token is None or (token["closes"] and not starts):
                raise self._not_understood(path[position:])
            if token["opens"]:
                open_parts.append(_Part())
                starts.append(position)
            elif token["closes"]:
                inner = open_parts.pop()
                if path[starts.pop() + 1 : position] == "":
                    raise self._not_understood(path[position - 1 :])
                open_parts[-1].add(f"(?:{inner.expression})?", 0, inner.slashes | {0})
            else:
                self._add(token, open_parts[-1], optional=bool(starts))
            position = token.end()
        if starts:
            raise self._not_understood(path[starts[-1] :])
        return open_parts[0]

    def _not_understood(self, rest: str) -> ValueError:
        return ValueError(
            f"the pattern '{self.text}' is not understood from '{rest}' on: a field is written {{patient}}, a part that"
            " may be absent [.gz] or [_{session}], one of several texts (a|b)"
        )

    def _add(self, token: re.Match[str], part: _Part, optional: bool) -> None:
        """One token that is no bracket."""
        if token["text"]:
            self.greedy = self.greedy if optional else ""
            part.add(re.escape(token["text"]), len(token["text"]), {token["text"].count("/")})
        elif token["choice"]:
            texts = token["choice"][1:-1].split("|")
            alternatives = "|".join(map(re.escape, texts))
            part.add(f"(?:{alternatives})", min(map(len, texts)), {text.count("/") for text in texts})
        elif token["wildcard"]:
            part.add(wildcard_expression(token["wildcard"]))
        else:
            least = min(map(len, self.spellings), default=0) if token["field"] == "channel" else 0
            part.add(self._field(token["field"], token["values"], optional), least)

    def _field(self, name: str, values: str | None, optional: bool) -> str:
        if name not in self.known:
            allowed, hint = ", ".join(f"{{{known}}}" for known in self.known), nearest(name, list(self.known))
            raise ValueError(f"the pattern '{self.text}' has the unknown field {{{name}}}{hint} There are {allowed}")
        self.fields.append(name)
        if not optional:
            self.required.add(name)
        if self.fields.count(name) > 1:
            self.greedy = ""
            return f"(?P={name})"
        if optional and self.greedy and not self.separators:
            raise ValueError(
                f"in the pattern '{self.text}', {{{self.greedy}}} would take {{{name}}} as well: add to the layout the"
                ' characters that values do not have, as separators: "_"'
            )
        open_ended = values is None or "*" in values
        self.greedy = name if open_ended and name not in ("channel", "slice") else ""
        if values is not None and name in ("channel", "slice"):
            raise ValueError(f"the pattern '{self.text}' lists values of {{{name}}}; only other fields have them")
        if values is not None and not all(values.split("|")):
            raise ValueError(
                f"the pattern '{self.text}' lists an empty value of {{{name}}}; put it in brackets instead"
            )
        if name == "channel":
            return f"(?P<channel>(?i:{'|'.join(map(wildcard_expression, self.spellings)) or r'[0-9]{4}'}))"
        if name == "slice":
            return _SLICE
        if values is not None:
            return f"(?P<{name}>{'|'.join(map(wildcard_expression, values.split('|')))})"
        return f"(?P<{name}>[^/{re.escape(self.separators)}]+)"
