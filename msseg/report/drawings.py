"""What is drawn of one test case: panels of pictures, the same for the page and for files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msseg.report.cells import number
from msseg.report.overlays import (
    MERGER,
    OUTCOMES,
    OUTLINE,
    SEGMENT_MARKS,
    SPLIT,
    TRUTH,
    Mark,
    outcome_map,
    segment_codes,
)
from msseg.report.pictures import CasePicture, background_of
from msseg.report.sections import Predicted, Section, read_section
from msseg.report.segment_errors import errors_of, matched, outlines, thickened
from msseg.report.slice_choice import Mask
from msseg.report.slices import CaseSlice, Grey, Key, read_case_slices

LESION_LEGEND = (TRUTH, *OUTCOMES)
MEMBRANE_LEGEND = (MERGER, SPLIT)
CELL_LEGEND = (MERGER, SPLIT, OUTLINE)
LONGEST_SIDE = 800
"""Pixels of a section's picture; larger ones are drawn at a half, a third, ..."""
LINES_IN_SIDE = 260
"""A line's radius is the side's length divided by this: to be seen where a panel is a few centimetres wide."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture, or why there is none.

    Attributes:
        title: What it shows.
        codes: (H, W) places in `marks` from 1, 0 for nothing; None: the picture is bare.
        marks: Colours laid over the picture.
        grey: The picture; None: that of the panel's line.
        score: What was scored.
        absent: Why there is no picture.
    """

    title: str
    codes: NDArray[np.uint8] | None = None
    marks: Sequence[Mark] = ()
    grey: Grey | None = None
    score: str = ""
    absent: str = ""


@dataclass(frozen=True, eq=False)
class PanelLine:
    """Panels beside each other, over one picture unless they have their own; None leaves a place empty."""

    name: str
    background: str
    grey: Grey | None
    panels: tuple[Panel | None, ...]


@dataclass(frozen=True, eq=False)
class Drawing:
    """All panels of a test case.

    Attributes:
        place: Which slice is shown, and why.
        lines: Of one number of panels each.
        size: Height and width of a panel: mm, or pixels where no length is known.
        legend: The colours to explain.
        sides_known: Whether the patient's sides are marked; None where there are none.
        is_fine: Whether there is more to see than flat colours and coarse voxels.
        further: Of a volume more slices, the one with the largest error first.
        affine: Of a volume 4 x 4 from voxels of the upright volume to world mm.
    """

    place: str
    lines: tuple[PanelLine, ...]
    size: tuple[float, float]
    legend: tuple[Mark, ...]
    sides_known: bool | None = None
    is_fine: bool = False
    further: tuple[CaseSlice, ...] = ()
    affine: NDArray[np.float64] | None = None


def draw(picture: CasePicture, further: int = 0) -> Drawing:
    """Read a test case's files and draw them.

    Args:
        picture: What is to be drawn.
        further: How many slices of a volume are wanted besides the one that is drawn.

    Raises:
        InputError: There is no truth, or a file cannot be used.
    """
    if picture.words.is_stack:
        return _draw_section(picture, read_section(picture))
    files = picture.case, picture.group, picture.images, picture.truth, picture.predictions
    return _draw_lesions(picture, read_case_slices(*files, further, picture.read_mask, picture.align))


def legend_of(picture: CasePicture) -> tuple[Mark, ...]:
    """The colours that pictures of this kind have."""
    if not picture.words.is_stack:
        return LESION_LEGEND
    return CELL_LEGEND if _are_apart(picture) else MEMBRANE_LEGEND


def _draw_lesions(picture: CasePicture, slices: Sequence[CaseSlice]) -> Drawing:
    shown, *further = slices
    first, last = shown.number
    place = f"axial slice {first} of {last} (z = {number(shown.z_mm, 1)} mm): {shown.chosen}"
    lines = tuple(_lesion_line(channel, picture, shown) for channel in picture.channels)
    return Drawing(
        place, lines, shown.size_mm, LESION_LEGEND, shown.sides_known, further=tuple(further), affine=shown.affine
    )


def _lesion_line(channel: str, picture: CasePicture, shown: CaseSlice) -> PanelLine:
    grey = shown.images.get(background_of(channel))
    panels = [Panel("Image" if grey is not None else "Image (no file)")]
    panels.append(Panel(picture.words.truth, shown.truth.astype(np.uint8), (TRUTH,)))
    for label in picture.labels:
        mask = shown.predictions.get((label, channel))
        if mask is None:
            panels.append(Panel(label, absent=f"not tested on this {picture.words.case}"))
        else:
            panels.append(
                Panel(label, outcome_map(mask, shown.truth), OUTCOMES, score=_score(picture, (label, channel)))
            )
    return PanelLine(channel, background_of(channel), grey, tuple(panels))


def _draw_section(picture: CasePicture, shown: Section) -> Drawing:
    place = "" if shown.number is None else f"slice {shown.number} of the stack"
    lines = tuple(line for channel in picture.channels for line in _section_lines(channel, picture, shown))
    height, width = shown.truth.shape
    return Drawing(place, lines, (float(height), float(width)), legend_of(picture), is_fine=True)


def _section_lines(channel: str, picture: CasePicture, shown: Section) -> list[PanelLine]:
    """Image, truth and segments beside each other; probabilities below them, or before a single network's segments."""
    background = background_of(channel)
    grey = shown.images.get(background)
    step = -(-max(shown.truth.shape) // LONGEST_SIDE)
    grey = None if grey is None else grey[::step, ::step]
    truth = segment_codes(shown.truth)[::step, ::step]
    first = Panel("Image" if grey is not None else "Image (no file)")
    panels: list[Panel | None] = [first, Panel(picture.words.truth, truth, SEGMENT_MARKS)]
    segments: list[Panel | None] = []
    probabilities: list[Panel | None] = []
    for label in picture.labels:
        made = shown.predictions.get((label, channel))
        if made is None:
            segments.append(Panel(label, absent=f"not tested on this {picture.words.case}"))
            probabilities.append(None)
            continue
        codes = _segment_codes(made, shown, with_outlines=_are_apart(picture))[::step, ::step]
        at = "" if made.threshold is None else f" at {made.threshold:g}"
        title = f"{label}: segments{at}"
        segments.append(Panel(title, codes, SEGMENT_MARKS, score=_score(picture, (label, channel))))
        probability = None if made.probability is None else made.probability[::step, ::step]
        probabilities.append(None if probability is None else Panel(f"{label}: probability", grey=probability))
    if len(picture.labels) == 1:
        return [PanelLine(channel, background, grey, (*panels, *(p for p in probabilities if p), *segments))]
    lines = [PanelLine(channel, background, grey, (*panels, *segments))]
    if any(probabilities):
        lines.append(PanelLine(channel, background, grey, (None, None, *probabilities)))
    return lines


def _segment_codes(made: Predicted, shown: Section, with_outlines: bool) -> NDArray[np.uint8]:
    """Segments in the colours of the objects that they are, with their errors over them."""
    mergers, splits = errors_of(made.segments, shown.truth)
    radius = round(max(shown.truth.shape) / LINES_IN_SIDE)
    lines: list[tuple[Mask, Mark]] = [(thickened(splits, radius), SPLIT), (thickened(mergers, radius), MERGER)]
    if with_outlines:
        lines.insert(0, (thickened(outlines(shown.truth), radius // 2), OUTLINE))
    return segment_codes(matched(made.segments, shown.truth), lines)


def _are_apart(picture: CasePicture) -> bool:
    """Whether objects lie in a background, so that one may be missed."""
    return picture.words.main.key == "seg"


def _score(picture: CasePicture, key: Key) -> str:
    main = picture.words.main
    value = picture.scores.get(key)
    return "" if value is None else f"{main.title} {number(value, 3)}"
