"""Colours over the image: what is right, added and missed (Choi et al. 2021, figure 7), or each segment its own."""

import base64
import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from msseg.report.segment_errors import Labels
from msseg.report.slice_choice import Mask
from msseg.report.slices import Grey


@dataclass(frozen=True)
class Mark:
    """One colour of the pictures, what it says, and how much of the image it covers."""

    title: str
    colour: str
    meaning: str
    opacity: float = 0.85


TRUTH = Mark("Expert", "#cc79a7", "marked by the expert")
TRUE_POSITIVE = Mark("True positive", "#56b4e9", "marked by the expert and by the network")
FALSE_POSITIVE = Mark("False positive", "#d55e00", "marked by the network alone")
FALSE_NEGATIVE = Mark("Miss (false negative)", "#f0e442", "marked by the expert alone")
OUTCOMES = (TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE)
"""Colours of Okabe and Ito 2008: far from each other and from grey with every kind of colour vision."""

MERGER = Mark("Merger", "#ff5a36", "border of the truth that the segmentation lacks: two objects are joined", 1.0)
SPLIT = Mark("Split", "#f7e733", "border of the segmentation inside one object of the truth", 1.0)
OUTLINE = Mark("Truth's outline", "#ffffff", "where the objects of the truth end", 0.9)
SEGMENT_COLOURS = 60
JPEG_QUALITY = 80


def segment_marks() -> tuple[Mark, ...]:
    """Colours from green to purple for segments, next to each other as different as can be; red and yellow are kept
    for errors."""
    marks = []
    for number in range(SEGMENT_COLOURS):
        hue = 0.28 + 0.60 * (number * 0.618034 % 1)
        lightness = (0.42, 0.60, 0.51)[number % 3]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.65))
        marks.append(Mark("Segment", f"#{red:02x}{green:02x}{blue:02x}", "one segment", 0.6))
    return tuple(marks)


SEGMENTS = segment_marks()
SEGMENT_MARKS = (*SEGMENTS, OUTLINE, SPLIT, MERGER)
"""What `segment_codes` numbers from 1."""


def outcome_map(prediction: Mask, truth: Mask) -> NDArray[np.uint8]:
    """Per pixel 0 (neither), or 1, 2, 3: the place in `OUTCOMES` from one. Same shape as the masks."""
    return np.select([prediction & truth, prediction, truth], [1, 2, 3], default=0).astype(np.uint8)


def segment_codes(numbers: Labels, lines: Sequence[tuple[Mask, Mark]] = ()) -> NDArray[np.uint8]:
    """Per pixel 0, or the place in `SEGMENT_MARKS` from one: a colour for each segment, and lines over them.

    Args:
        numbers: (H, W) segments from 1, 0 is background.
        lines: Pixels and their mark, later ones over earlier ones.
    """
    codes = np.where(numbers > 0, 1 + numbers % SEGMENT_COLOURS, 0).astype(np.uint8)
    for pixels, mark in lines:
        codes[pixels] = 1 + SEGMENT_MARKS.index(mark)
    return codes


def grey_png(grey: Grey) -> str:
    """A grey picture (H, W) as a data URI."""
    return _data_uri(Image.fromarray(grey))


def grey_jpeg(grey: Grey, step: int = 1) -> str:
    """A grey picture (H, W) as a data URI of a third of the size, drawn smaller by a whole factor."""
    buffer = io.BytesIO()
    Image.fromarray(grey).reduce(step).save(buffer, format="jpeg", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def marks_png(codes: NDArray[np.uint8], marks: Sequence[Mark]) -> str:
    """Codes (H, W) as a data URI of a picture that is see-through at 0 and covers as the marks do elsewhere."""
    image = Image.frombytes("P", (codes.shape[1], codes.shape[0]), codes.tobytes())
    image.putpalette(bytes([0, 0, 0]) + b"".join(rgb(mark.colour).tobytes() for mark in marks))
    return _data_uri(image, transparency=bytes([0, *(round(255 * mark.opacity) for mark in marks)]))


def blend(grey: Grey, codes: NDArray[np.uint8], marks: Sequence[Mark]) -> NDArray[np.uint8]:
    """Grey picture (H, W) with the marks' colours laid over it: (H, W, 3)."""
    colours = np.array([[0, 0, 0], *(rgb(mark.colour) for mark in marks)], dtype=np.float64)
    opacity = np.array([0.0, *(mark.opacity for mark in marks)])[codes][:, :, None]
    picture = opacity * colours[codes] + (1 - opacity) * grey[:, :, None]
    return np.rint(picture).astype(np.uint8)


def rgb(colour: str) -> NDArray[np.uint8]:
    """'#56b4e9' -> (86, 180, 233)."""
    return np.frombuffer(bytes.fromhex(colour.removeprefix("#")), dtype=np.uint8)


def _data_uri(image: Image.Image, **options: bytes) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
