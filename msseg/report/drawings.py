"""What is drawn of one test case: panels of pictures, the same for the page and for files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msseg.report.overlays import OUTCOMES, TRUTH, Mark, outcome_map
from msseg.report.pictures import CasePicture, background_of
from msseg.report.sections import Section, read_section
from msseg.report.slices import CaseSlice, Grey, read_case_slice


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
    """

    place: str
    lines: tuple[PanelLine, ...]
    size: tuple[float, float]
    legend: tuple[Mark, ...]
    sides_known: bool | None = None
    is_fine: bool = False


def draw(picture: CasePicture) -> Drawing:
    """Read a test case's files and draw them.

    Raises:
        InputError: There is no truth, or a file cannot be used.
    """
    if picture.words.is_stack:
        return _draw_section(picture, read_section(picture))
    files = picture.case, picture.group, picture.images, picture.truth, picture.predictions
    return _draw_lesions(picture, read_case_slice(*files))


def legend_of(picture: CasePicture) -> tuple[Mark, ...]:
    """The colours that pictures of this kind have."""
    return SECTION_LEGEND if picture.words.is_stack else LESION_LEGEND
