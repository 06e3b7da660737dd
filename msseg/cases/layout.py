"""Layouts: how a data set's folders and files are named, written down in a YAML file."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from msseg.cases.names import listing, matches
from msseg.cases.patterns import FIELDS, Pattern, compile_pattern, fields_of, fill, required_of
from msseg.config.data import LabelMeaning
from msseg.config.folder import config_folder
from msseg.config.problems import describe_problems, nearest
from msseg.config.section import Section
from msseg.config.yaml_source import read_yaml
from msseg.errors import InputError

CHANNEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Channels name folders of a run and are joined with + on the command line."""
FIELD_NAME = re.compile(r"[a-z]+")


def _several(value: object) -> object:
    """One text stands for a list of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _spellings(value: object) -> object:
    """A list of channels stands for channels that are spelled as they are called."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: (name,) for name in value}
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]


class Layout(Section):
    """Where a data set keeps its images and labels."""

    name: str = ""
    """What `data.layout` calls it; the file's name if not given."""
    title: str = ""
    """The data set, in a few words."""
    images: Annotated[Texts, Field(min_length=1)]
    """Patterns of image files; for each file the first one that fits counts."""
    labels: Texts = ()
    """Patterns of label files; for each file the first one that fits counts."""
    channels: Annotated[dict[str, Texts], BeforeValidator(_spellings)] = {}
    """The channels' names, each with its spellings in file names (`*` and `?` as in patterns)."""
    channels_from: str = ""
    """The file beside the data that names the channels instead: nnU-Net's dataset.json."""
    label_meaning: LabelMeaning = "mask"
    """What the values of labels stand for, unless `data.label_meaning` says otherwise."""
    slices: bool = False
    """Whether each slice is a case of its own: the pages of a stack, or files told apart by {slice}."""
    incomplete: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of a scan or slice that lacks its image or its label: an error, or left out and counted."""
    group: str = "{patient}"
    """The patient, stack or sequence: what a split keeps on one side."""
    case: str | None = None
    """The id of a scan; by default all fields of an image, joined by _."""
    select: dict[str, Texts] = {}
    """Values of fields to keep unless `data.select` says otherwise, e.g. one of several raters; "" keeps files in
    which the field is absent."""
    choose: Texts = ()
    """Fields that are no part of who is seen (run, acquisition): where several files differ in them alone,
    `data.select` has to say which is meant. Names that patterns do not have otherwise may be listed here."""
    ignore: Texts = ()
    """Names of folders and files (`*` and `?` as in patterns) that are left aside wherever they are."""
    separators: str = ""
    """Characters that no field's value has, such as `_`, so that `{patient}_{session}` can be read in one way."""

    @cached_property
    def image_patterns(self) -> tuple[Pattern, ...]:
        """The compiled patterns of images."""
        return tuple(self._compiled(text) for text in self.images)

    @cached_property
    def label_patterns(self) -> tuple[Pattern, ...]:
        """The compiled patterns of labels."""
        return tuple(self._compiled(text) for text in self.labels)

    @cached_property
    def all_spellings(self) -> dict[str, str]:
        """Every spelling in lower case -> the channel it stands for."""
        return {text.lower(): channel for channel, texts in self.channels.items() for text in texts}

    @cached_property
    def label_fields(self) -> tuple[str, ...]:
        """Fields that tell the labels of one scan apart, such as the rater."""
        of_images = {field for pattern in self.image_patterns for field in pattern.fields}
        of_labels = {field for pattern in self.label_patterns for field in pattern.fields}
        return tuple(field for field in FIELDS if field in of_labels - of_images - set(self.choose))

    @cached_property
    def scan_fields(self) -> tuple[str, ...]:
        """Fields that tell scans apart: those of images, but for the channel and what is chosen."""
        return tuple(field for field in FIELDS if field not in {"channel", *self.label_fields, *self.choose})

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that can be selected by."""
        patterns = (*self.image_patterns, *self.label_patterns)
        present = {field for pattern in patterns for field in pattern.fields}
        return tuple(field for field in dict.fromkeys((*FIELDS, *self.choose)) if field in present - {"channel"})

    def channel_of(self, fields: Mapping[str, str]) -> str:
        """The channel's name for an image with these fields."""
        if "channel" not in fields:
            return next(iter(self.channels))
        text = fields["channel"].lower()
        fitting = (channel for spelling, channel in self.all_spellings.items() if matches(text, spelling))
        return self.all_spellings.get(text) or next(fitting, text)

    def scan_id(self, fields: Mapping[str, str]) -> str:
        """The id of the scan with these fields."""
        if self.case is not None:
            return fill(self.case, fields)
        return "_".join(fields[name] for name in self.scan_fields if fields.get(name))

    def group_of(self, fields: Mapping[str, str]) -> str:
        """The patient of the scan with these fields."""
        return fill(self.group, fields)

    def _compiled(self, text: str) -> Pattern:
        own = [field for field in self.choose if field not in FIELDS]
        return compile_pattern(text, self.all_spellings, own, self.separators)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._check_channels()
        odd = [name for name in self.choose if not FIELD_NAME.fullmatch(name) or name in ("channel", "slice")]
        if odd:
            raise ValueError(
                f"choose names {listing(odd)}; fields are named by small letters, and not channel or slice"
            )
        if "slice" in self.fields and not self.slices:
            raise ValueError("the patterns have {slice}; write slices: true, so that each slice is a case")
        for pattern in self.image_patterns:
            self._check_image(pattern)
        scan_fields = set(self.scan_fields)
        for pattern in self.label_patterns:
            if "channel" in pattern.fields:
                raise ValueError(f"the label pattern '{pattern.text}' has {{channel}}; a label is of all channels")
            own = scan_fields & set(pattern.fields)
            if not any(
                scan_fields & image.required <= own <= set(image.fields) and own & pattern.required <= set(image.fields)
                for image in self.image_patterns
            ):
                raise ValueError(
                    f"the label pattern '{pattern.text}' does not have the fields of any image pattern"
                    " (besides {channel}), so its labels would belong to no scan"
                )
        unknown = [field for field in self.select if field not in self.fields]
        if unknown:
            raise ValueError(f"select names {listing(unknown)}, which the patterns do not have")
        return self

    def _check_channels(self) -> None:
        if not self.channels and not self.channels_from:
            raise ValueError("channels is empty; name the channels, as channels: [FLAIR, T1]")
        for name, spellings in self.channels.items():
            if not CHANNEL_NAME.fullmatch(name):
                raise ValueError(f"the channel '{name}' has to be named by letters, digits, . - and _ alone")
            if not spellings or not all(spellings):
                raise ValueError(f"the channel {name} has no spelling")
        texts = [text.lower() for spellings in self.channels.values() for text in spellings]
        twice = sorted({text for text in texts if texts.count(text) > 1})
        if twice:
            raise ValueError(f"channels has the spelling {listing(twice)} twice (upper and lower case are one)")

    def _check_image(self, pattern: Pattern) -> None:
        if "channel" not in pattern.fields and len(self.channels) > 1:
            raise ValueError(
                f"the image pattern '{pattern.text}' has no {{channel}}, so the channels"
                f" {listing(list(self.channels))} cannot be told apart"
            )
        scan_fields = set(self.scan_fields) & set(pattern.fields)
        for key, template in (("group", self.group), ("case", self.case)):
            if template is None:
                continue
            if not fields_of(template):
                raise ValueError(f"{key} is '{template}', the same for all files; name a field, as {{patient}}")
            lacking = [f"{{{field}}}" for field in fields_of(template) if field not in scan_fields]
            if lacking:
                raise ValueError(f"{key} needs {listing(lacking)}, which no scan has by '{pattern.text}'")
            at_times = [f"{{{field}}}" for field in required_of(template) if field not in pattern.required]
            if at_times:
                raise ValueError(
                    f"{key} needs {listing(at_times)}, which '{pattern.text}' may lack; put it in brackets there as"
                    f" well: [_{at_times[0]}]"
                )


def read_layout(name: str) -> Layout:
    """A named layout, or the one in a YAML file of the user's own.

    Raises:
        InputError: There is no such layout or file, or it is not valid.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        return _read(Path(name).expanduser())
    folder = config_folder() / "layouts"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise InputError(
            f"there is no layout '{name}'{nearest(name, known)}"
            f" Layouts: {', '.join(known)}, or the path of a .yaml file of your own"
        )
    return _read(folder / f"{name}.yaml")


def describe_layouts() -> list[Layout]:
    """All named layouts, by name."""
    return [_read(path) for path in sorted((config_folder() / "layouts").glob("*.yaml"))]


def _read(path: Path) -> Layout:
    content, lines = read_yaml(path)
    try:
        # Through JSON, since strict validation of Python objects would refuse lists where tuples are meant.
        return Layout.model_validate_json(json.dumps({"name": path.stem, **content}, default=str))
    except ValidationError as error:
        raise InputError(describe_problems(error, Layout, lines, str(path))) from error
