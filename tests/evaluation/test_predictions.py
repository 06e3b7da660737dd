"""Reading predictions: scales, masks, and numbered cells."""

import numpy as np
import pytest
import tifffile

from msseg.errors import InputError
from msseg.evaluation.predictions import read_probability, read_segments


def save(path, values):
    tifffile.imwrite(path, np.asarray(values)[np.newaxis], photometric="minisblack")
    return path


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.25, 1.0]], np.float32), [0, 0.25, 1]),
        (np.array([[0, 51, 255]], np.uint8), [0, 0.2, 1]),
        (np.array([[0, 13107, 65535]], np.uint16), [0, 0.2, 1]),
        (np.array([[0, 1, 1]], np.uint8), [0, 1, 1]),
        (np.array([[0, 200, 200]], np.uint16), [0, 1, 1]),
        (np.array([[0, 0, 0]], np.uint8), [0, 0, 0]),
        (np.array([[0, 7, 7]], np.int32), [0, 1, 1]),
        (np.array([[0.0, 1.0, 1.0]], np.float32), [0, 1, 1]),
    ],
)
def test_scales(tmp_path, values, expected):
    read = read_probability(save(tmp_path / "p.tif", values))
    assert read.dtype == np.float32
    assert read[0, :, 0] == pytest.approx(expected)


def test_the_steps_of_8_bit_images_are_not_above_their_own_threshold(tmp_path):
    """51 of 255 is 0.2, and not above it."""
    read = read_probability(save(tmp_path / "p.tif", np.array([[0, 51, 52, 255]], np.uint8)))
    assert (read > 0.2)[0, :, 0].tolist() == [False, False, True, True]


def test_floating_point_above_1_is_no_mask(tmp_path):
    with pytest.raises(InputError, match="from 0 to 255"):
        read_probability(save(tmp_path / "p.tif", np.array([[0, 255]], np.float32)))


def test_one_value_between_0_and_1_is_no_mask(tmp_path):
    read = read_probability(save(tmp_path / "p.tif", np.array([[0, 0.3]], np.float32)))
    assert read[0, :, 0] == pytest.approx([0, 0.3])


def test_numbers_of_cells_are_kept(tmp_path):
    read = read_segments(save(tmp_path / "c.tif", np.array([[0, 5, 5, 900]], np.uint16)), 0.5)
    assert read[0, :, 0].tolist() == [0, 5, 5, 900]


def test_numbers_in_floating_point_are_numbers(tmp_path):
    read = read_segments(save(tmp_path / "c.tif", np.array([[0, 5, 5, 0]], np.float32)), 0.5)
    assert read[0, :, 0].tolist() == [0, 5, 5, 0]


def test_a_single_cell_of_any_number_is_a_cell(tmp_path):
    read = read_segments(save(tmp_path / "c.tif", np.array([[0, 5, 5, 0]], np.uint16)), 0.5)
    assert read[0, :, 0].tolist() == [0, 1, 1, 0]


def test_probabilities_are_cut_at_the_threshold(tmp_path):
    path = save(tmp_path / "c.tif", np.array([[0.9, 0.4, 0.9]], np.float32))
    assert read_segments(path, 0.5)[0, :, 0].tolist() == [1, 0, 2]
    assert read_segments(path, 0.3)[0, :, 0].tolist() == [1, 1, 1]


@pytest.mark.parametrize("read", [read_probability, lambda path: read_segments(path, 0.5)])
def test_unusable_values(tmp_path, read):
    with pytest.raises(InputError, match="1 values that are NaN or infinite"):
        read(save(tmp_path / "p.tif", np.array([[0, np.nan]], np.float32)))
    with pytest.raises(InputError, match=r"from -0\.5 to 1\.5"):
        read(save(tmp_path / "p.tif", np.array([[-0.5, 1.5]], np.float32)))
