"""True positives, false positives and misses in colour over the image (Choi et al. 2021, figure 7)."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from msseg.report.slices import Grey, Mask


@dataclass(frozen=True)
class Mark:
    """One colour of the pictures and what it says."""

    title: str
    colour: str
    meaning: str


TRUTH = Mark("Expert", "#cc79a7", "marked by the expert")
TRUE_POSITIVE = Mark("True positive", "#56b4e9", "marked by the expert and by the network")
FALSE_POSITIVE = Mark("False positive", "#d55e00", "marked by the network alone")
FALSE_NEGATIVE = Mark("Miss (false negative)", "#f0e442", "marked by the expert alone")
OUTCOMES = (TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE)
"""Colours of Okabe and Ito 2008: far from each other and from grey with every kind of colour vision."""
OPACITY = 0.85


def outcome_map(prediction: Mask, truth: Mask) -> NDArray[np.uint8]:
    """Per pixel 0 (neither), or 1, 2, 3: the place in `OUTCOMES` from one. Same shape as the masks."""
    return np.select([prediction & truth, prediction, truth], [1, 2, 3], default=0).astype(np.uint8)


def grey_png(grey: Grey) -> str:
    """A grey picture (H, W) as a data URI."""
    return _data_uri(Image.fromarray(grey))


def marks_png(codes: NDArray[np.uint8], marks: tuple[Mark, ...]) -> str:
    """Codes (H, W) as a data URI of a picture that is see-through at 0 and coloured elsewhere."""
    image = Image.frombytes("P", (codes.shape[1], codes.shape[0]), codes.tobytes())
    image.putpalette(bytes([0, 0, 0]) + b"".join(rgb(mark.colour).tobytes() for mark in marks))
    return _data_uri(image, transparency=0)


def blend(grey: Grey, codes: NDArray[np.uint8], marks: tuple[Mark, ...]) -> NDArray[np.uint8]:
    """Grey picture (H, W) with the marks' colours laid over it: (H, W, 3)."""
    picture = np.repeat(grey[:, :, None], 3, axis=2).astype(np.float64)
    for code, mark in enumerate(marks, start=1):
        picture[codes == code] += OPACITY * (rgb(mark.colour) - picture[codes == code])
    return np.rint(picture).astype(np.uint8)


def rgb(colour: str) -> NDArray[np.uint8]:
    """'#56b4e9' -> (86, 180, 233)."""
    return np.frombuffer(bytes.fromhex(colour.removeprefix("#")), dtype=np.uint8)


def _data_uri(image: Image.Image, **options: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True, **options)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
