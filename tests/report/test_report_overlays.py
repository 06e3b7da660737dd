"""Colours over the image: which pixel gets which, and whether everyone can tell them apart."""

import base64
import io
import itertools

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from msseg.report.overlays import OUTCOMES, blend, grey_png, marks_png, outcome_map, rgb

# Machado, Oliveira and Fernandes 2009: complete loss of one cone type, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def seen(colour, vision):
    """An sRGB colour (0-1) as seen with a kind of colour vision, in CIE Lab."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def decoded(uri):
    kind, _, content = uri.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_outcomes_are_true_positive_false_positive_and_miss():
    truth = np.array([[True, True, False, False]])
    prediction = np.array([[True, False, True, False]])
    assert outcome_map(prediction, truth).tolist() == [[1, 3, 2, 0]]
    assert [mark.title for mark in OUTCOMES] == ["True positive", "False positive", "Miss (false negative)"]


@pytest.mark.parametrize("vision", VISION)
def test_the_three_colours_stay_apart_for_every_colour_vision(vision):
    colours = [rgb(mark.colour) / 255 for mark in OUTCOMES]
    for one, other in itertools.combinations(colours, 2):
        assert deltaE_ciede2000(seen(one, vision), seen(other, vision)) > 20


def test_marks_are_their_colours_and_see_through_elsewhere():
    codes = np.array([[0, 1, 2], [3, 0, 1]], dtype=np.uint8)
    picture = np.asarray(decoded(marks_png(codes, OUTCOMES)).convert("RGBA"))
    assert (picture[..., 3] == np.where(codes > 0, round(255 * OUTCOMES[0].opacity), 0)).all()
    for code, mark in enumerate(OUTCOMES, start=1):
        assert (picture[codes == code][:, :3] == rgb(mark.colour)).all()


def test_an_empty_map_is_wholly_see_through():
    picture = np.asarray(decoded(marks_png(np.zeros((4, 5), dtype=np.uint8), OUTCOMES)).convert("RGBA"))
    assert picture.shape == (4, 5, 4)
    assert (picture[..., 3] == 0).all()


def test_grey_pictures_keep_their_values():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (np.asarray(decoded(grey_png(grey))) == grey).all()


def test_blending_mixes_marks_into_the_grey_picture():
    grey = np.full((1, 2), 100, dtype=np.uint8)
    mixed = blend(grey, np.array([[0, 1]], dtype=np.uint8), OUTCOMES)
    assert mixed[0, 0].tolist() == [100, 100, 100]
    expected = 100 + OUTCOMES[0].opacity * (rgb(OUTCOMES[0].colour).astype(float) - 100)
    assert mixed[0, 1] == pytest.approx(expected, abs=0.5)
