"""Many slices of a case as small pictures: the image compressed once, each network's errors in colours over it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msseg.report.cells import number
from msseg.report.overlays import OUTCOMES, grey_jpeg, marks_png, outcome_map
from msseg.report.pictures import CasePicture, background_of
from msseg.report.slices import CaseSlice, Key

MOST_SLICES, FEWEST_SLICES = 12, 4
"""Of one case, where there are few cases and where there are many."""
PAGE_KILOBYTES = 16_000
"""What the pictures of all cases may take."""
GREY_KILOBYTES, MARKS_KILOBYTES = 9.0, 0.8
"""One slice of a head, as measured; larger slices are drawn smaller."""
LONGEST_SIDE = 256
"""Pixels of a small picture."""


@dataclass(frozen=True)
class SliceView:
    """A slice with the errors of one network.

    Attributes:
        name: Id of the grey picture in the page.
        grey: The grey picture; empty where the page already holds it under its name, or there is none.
        shared: Whether the page already holds the grey picture.
        marks: The colours of lesion and errors.
        title: Which slice.
        caption: What is wrong in it.
    """

    name: str
    grey: str
    shared: bool
    marks: str
    title: str
    caption: str


def slices_per_case(pictures: Sequence[CasePicture]) -> list[int]:
    """How many slices of interest each case gets, worst first, so that the page stays of a size that opens.

    All get equally many; where not even `FEWEST_SLICES` of each find room, the better cases get none.
    """
    costs = [_kilobytes(picture) for picture in pictures]
    if not costs:
        return []
    wanted = int(PAGE_KILOBYTES / sum(costs))
    if wanted >= FEWEST_SLICES:
        return [min(wanted, MOST_SLICES)] * len(costs)
    room, numbers = float(PAGE_KILOBYTES), []
    for cost in costs:
        room -= FEWEST_SLICES * cost
        numbers.append(FEWEST_SLICES if room >= 0 else 0)
    return numbers


def galleries(anchor: str, picture: CasePicture, slices: Sequence[CaseSlice]) -> dict[Key, tuple[SliceView, ...]]:
    """The slices once for each network and channel; names begin with the case's anchor."""
    drawn: set[str] = set()
    views: dict[Key, tuple[SliceView, ...]] = {}
    for key in picture.models:
        background = background_of(key[1])
        prefix = f"{anchor}-slice-{list(picture.images).index(background) if background in picture.images else 0}"
        views[key] = tuple(
            _view(f"{prefix}-{shown.number[0]}", key, background, shown, drawn)
            for shown in slices
            if key in shown.predictions and (shown.truth | shown.predictions[key]).any()
        )
    return views


def reduced(codes: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Codes in blocks of step x step pixels, of which the highest is kept: no single wrong pixel gets lost."""
    height, width = (-(-size // step) * step for size in codes.shape)
    padded = np.zeros((height, width), dtype=np.uint8)
    padded[: codes.shape[0], : codes.shape[1]] = codes
    highest: NDArray[np.uint8] = padded.reshape(height // step, step, width // step, step).max(axis=(1, 3))
    return highest


def _kilobytes(picture: CasePicture) -> float:
    """What one slice of a case takes in the page."""
    return len(picture.images) * GREY_KILOBYTES + len(picture.models) * MARKS_KILOBYTES


def _view(name: str, key: Key, background: str, shown: CaseSlice, drawn: set[str]) -> SliceView:
    grey = shown.images.get(background)
    codes = outcome_map(shown.predictions[key], shown.truth)
    step = -(-max(codes.shape) // LONGEST_SIDE)
    first = name not in drawn
    drawn.add(name)
    return SliceView(
        name=name,
        grey=grey_jpeg(grey, step) if grey is not None and first else "",
        shared=grey is not None and not first,
        marks=marks_png(reduced(codes, step), OUTCOMES),
        title=f"slice {shown.number[0]} (z = {number(shown.z_mm, 1)} mm)",
        caption=_caption(codes, shown),
    )


def _caption(codes: NDArray[np.uint8], shown: CaseSlice) -> str:
    """'missed 132, added 11 mm²'."""
    area_mm2 = shown.pixel_mm[0] * shown.pixel_mm[1]
    added, missed = (int((codes == code).sum()) * area_mm2 for code in (2, 3))
    return f"missed {number(missed, 0)}, added {number(added, 0)} mm²"
