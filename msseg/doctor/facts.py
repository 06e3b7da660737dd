"""What is known of a case: plain numbers, which go into the JSON file and the report."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ImageFacts:
    """One channel of a case.

    Attributes:
        path: Its file.
        shape: Voxels along each axis of the file, slices last.
        spacing: Voxel edge lengths (mm; 1 where the file does not say).
        orientation: Nearest anatomical directions of the axes, e.g. 'RAS'; empty for microscopy.
        obliquity: Largest angle (degrees) between an axis of the grid and the nearest axis of the world.
        minimum: Lowest value.
        maximum: Highest value.
        nonzero: Share of voxels that are not 0, which is what preprocessing takes for the subject.
        head_ml: Volume (mL) of what stands out from the background; None for microscopy.
        histogram_distance: Wasserstein distance of the normalised grey values to the cohort's median, in standard
            deviations (see `msseg.doctor.intensity`); None where there is no other case to compare with.
        histogram: Share of the subject's voxels in each bin of `msseg.doctor.intensity.BINS`.
    """

    path: Path
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    orientation: str
    obliquity: float
    minimum: float
    maximum: float
    nonzero: float
    head_ml: float | None = None
    histogram_distance: float | None = None
    histogram: tuple[float, ...] = ()


@dataclass(frozen=True)
class LabelFacts:
    """The label of a case.

    Attributes:
        path: Its file.
        meaning: What its values stand for (`data.label_meaning`).
        values: The different values it holds, at most the first ten.
        voxels: Voxels of foreground.
        objects: Lesions (26-connected), cells, or connected insides of membranes (4-connected).
        volume_mm3: Volume of the foreground; None for microscopy.
        outside: Share of the foreground that lies on background of all channels.
        contrast: How much lesions stand out from their surroundings in the channel that shows them best, in
            standard deviations; None where there are too few to say.
    """

    path: Path
    meaning: str
    values: tuple[float, ...]
    voxels: int
    objects: int
    volume_mm3: float | None
    outside: float
    contrast: float | None = None


@dataclass(frozen=True)
class CaseFacts:
    """One case; a channel or label that cannot be read is absent, and a finding says why."""

    case: str
    group: str
    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    label: LabelFacts | None = None


def facts_to_json(facts: CaseFacts) -> dict[str, Any]:
    """Plain values for a JSON file; None for numbers that are not finite."""
    return {
        "case": facts.case,
        "group": facts.group,
        "images": {channel: _plain(image) for channel, image in facts.images.items()},
        "label": None if facts.label is None else _plain(facts.label),
    }


def facts_from_json(values: Mapping[str, Any]) -> CaseFacts:
    """The inverse of `facts_to_json`; raises KeyError or TypeError on anything else."""
    images = {str(channel): ImageFacts(**_typed(image)) for channel, image in values["images"].items()}
    label = None if values["label"] is None else LabelFacts(**_typed(values["label"]))
    return CaseFacts(str(values["case"]), str(values["group"]), images, label)


def _plain(facts: ImageFacts | LabelFacts) -> dict[str, Any]:
    return {name: _value(value) for name, value in vars(facts).items()}


def _value(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return made | {"path": Path(values["path"])}
