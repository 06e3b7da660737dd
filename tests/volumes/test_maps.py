"""Distance maps of the truth against brute force, their scale, and what is undefined."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import label
from scipy.spatial import cKDTree

from msseg.volumes.maps import MAPS, signed_distance, two_cell_distance

shapes = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(1)),
    st.tuples(*[st.integers(1, 5)] * 3),
)
masks = shapes.flatmap(lambda shape: arrays.arrays(bool, shape))
spacings = st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * 3)


def centres(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    return np.argwhere(mask) * np.array(spacing)


def distance_to(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance of every voxel to the nearest voxel of the mask, by looking at all of them."""
    gaps = centres(np.ones_like(mask), spacing)[:, None] - centres(mask, spacing)[None]
    return np.linalg.norm(gaps, axis=2).min(axis=1).reshape(mask.shape)


@given(masks, spacings)
def test_signed_distance_is_the_nearest_voxel_of_the_other_class(mask: np.ndarray, spacing: tuple[float, ...]) -> None:
    found = signed_distance(mask, spacing)
    assert (found.shape, found.dtype) == (mask.shape, np.float32)
    if mask.all() or not mask.any():
        diagonal = np.sqrt(sum((length * step) ** 2 for length, step in zip(mask.shape, spacing, strict=True)))
        np.testing.assert_allclose(found, -diagonal if mask.all() else diagonal, rtol=1e-6)
    else:
        expected = np.where(mask, -distance_to(~mask, spacing), distance_to(mask, spacing))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(masks, spacings)
def test_two_cell_distance_is_that_to_the_two_nearest_components(mask: np.ndarray, spacing: tuple[float, ...]) -> None:
    found = two_cell_distance(mask, spacing)
    assert (found.shape, found.dtype) == (mask.shape, np.float32)
    cells, count = label(mask)
    if count < 2:
        diagonal = np.sqrt(sum((length * step) ** 2 for length, step in zip(mask.shape, spacing, strict=True)))
        np.testing.assert_allclose(found, 2 * diagonal, rtol=1e-6)
    else:
        each = np.sort([distance_to(cells == cell, spacing) for cell in range(1, count + 1)], axis=0)
        np.testing.assert_allclose(found, each[0] + each[1], rtol=1e-5)


def test_the_middle_of_a_gap_between_two_plates() -> None:
    """Cells of rows 0-2 and 6-8: in row 4 both are 2 away; within a cell only the other counts."""
    mask = np.zeros((9, 5, 1), bool)
    mask[:3] = mask[6:] = True
    np.testing.assert_allclose(two_cell_distance(mask, (1, 1, 1))[:, 2, 0], [6, 5, 4, 4, 4, 4, 4, 5, 6])
    np.testing.assert_allclose(signed_distance(mask, (2, 1, 1))[:, 2, 0], [-6, -4, -2, 2, 4, 2, -2, -4, -6])


def test_cells_that_touch_at_a_corner_are_two() -> None:
    mask = np.array([[1, 0], [0, 1]], bool)[..., None]
    np.testing.assert_allclose(two_cell_distance(mask, (1, 1, 1))[..., 0], [[2**0.5, 2], [2, 2**0.5]])


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("value", [False, True])
def test_a_truth_of_one_class_is_far_from_any_border_and_finite(name: str, value: bool) -> None:
    found = MAPS[name](np.full((4, 3, 1), value), (1.0, 1.0, 1.0))
    assert np.isfinite(found).all()
    assert (np.abs(found) >= 5).all()


@pytest.mark.parametrize("name", MAPS)
def test_a_slice_has_the_map_of_its_plane(name: str) -> None:
    """The length of an axis of one voxel adds nothing, whatever its spacing."""
    mask = np.random.default_rng(0).random((20, 30, 1)) > 0.7
    np.testing.assert_array_equal(MAPS[name](mask, (1, 1, 1)), MAPS[name](mask, (1, 1, 50)))


def cells_of_a_slice(size: int, count: int) -> np.ndarray:
    """Voronoi cells with membranes about four pixels wide."""
    seeds = np.random.default_rng(0).random((count, 2)) * size
    nearest, _ = cKDTree(seeds).query(np.argwhere(np.ones((size, size), bool)), k=2)
    return (nearest[:, 1] - nearest[:, 0] > 4).reshape(size, size, 1)


def test_a_slice_of_512_pixels_with_a_hundred_cells_takes_less_than_two_seconds() -> None:
    mask = cells_of_a_slice(512, 110)
    assert label(mask)[1] > 95
    seconds = {}
    for name, make in MAPS.items():
        start = time.process_time()
        make(mask, (1, 1, 1))
        seconds[name] = time.process_time() - start
    assert max(seconds.values()) < 2, seconds


def test_more_cells_than_one_binary_digit_tells_apart() -> None:
    """Points along a line: the two nearest are the neighbours, for every count of cells around powers of two."""
    for count in (2, 3, 4, 5, 7, 8, 9):
        mask = np.zeros((2 * count - 1, 1, 1), bool)
        mask[::2] = True
        found = two_cell_distance(mask, (1, 1, 1))[:, 0, 0]
        assert set(found) == {2.0}, count
