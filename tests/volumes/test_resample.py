"""Resampling along axes against closed forms and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform

from msseg.volumes.maps import signed_distance
from msseg.volumes.masks import distance_in_box, resample_mask
from msseg.volumes.resample import (
    apply_weights,
    linear_weights,
    nearest_weights,
    smoothing_sigma,
    take_nearest,
)

positions = st.lists(st.floats(-3, 20), min_size=1, max_size=12).map(np.array)


@given(st.integers(1, 15), positions, st.floats(0.2, 4))
@settings(max_examples=60, deadline=None)
def test_weights_are_a_mean_of_what_is_there(length: int, at: np.ndarray, ratio: float) -> None:
    weights = linear_weights(length, at, ratio)
    assert weights.shape == (len(at), length)
    assert weights.dtype == np.float32
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


@given(st.integers(1, 15))
@settings(max_examples=15, deadline=None)
def test_centres_of_voxels_are_the_voxels(length: int) -> None:
    at = np.arange(length) + 1e-9
    np.testing.assert_array_equal(linear_weights(length, at), np.eye(length))
    np.testing.assert_array_equal(nearest_weights(length, at), np.arange(length))


@pytest.mark.parametrize("ratio", [0.4, 1.0, 1.7, 3.0])
def test_a_ramp_stays_a_ramp_away_from_the_edges(ratio: float) -> None:
    """Linear interpolation and symmetric smoothing keep first degrees."""
    at = np.arange(14, 26, 0.37)
    ramp = 3 * np.arange(40.0) - 7
    np.testing.assert_allclose(linear_weights(40, at, ratio) @ ramp, 3 * at - 7, rtol=1e-5)


def test_smoothing_makes_the_profile_of_a_voxel_that_of_a_new_one() -> None:
    """Cardoso et al. 2015: variances of Gaussian profiles add up."""
    sigma = smoothing_sigma(3.0)
    per_voxel = 1 / (2 * np.sqrt(2 * np.log(2)))
    assert sigma**2 + per_voxel**2 == pytest.approx((3 * per_voxel) ** 2)
    assert smoothing_sigma(1.0) == smoothing_sigma(0.3) == 0
    impulse = np.zeros(61)
    impulse[30] = 1
    response = linear_weights(61, np.arange(61.0), 3.0) @ impulse
    assert ((np.arange(61) - 30) ** 2 * response).sum() == pytest.approx(sigma**2, rel=0.02)


def test_stripes_finer_than_the_new_voxels_do_not_come_back_as_wide_ones() -> None:
    stripes = np.tile([0.0, 1.0], 60)
    at = np.arange(20, 100, 2.05)
    assert np.ptp(linear_weights(120, at, 2.05) @ stripes) < 0.2
    assert np.ptp(linear_weights(120, at) @ stripes) > 0.9  # without smoothing they alias


def test_beyond_the_edge_is_the_edge_or_nothing() -> None:
    at = np.array([-0.6, -0.5, -0.2, 3.4, 3.5, 3.6])
    values = np.array([5.0, 6, 7, 8])
    np.testing.assert_allclose(linear_weights(4, at) @ values, [5, 5, 5, 8, 8, 8])
    np.testing.assert_allclose(linear_weights(4, at, beyond_edge=False) @ values, [0, 5, 5, 8, 8, 0])
    assert nearest_weights(4, at, beyond_edge=False).tolist() == [-1, 0, 0, 3, 3, -1]
    assert nearest_weights(4, at).tolist() == [0, 0, 0, 3, 3, 3]


@given(st.integers(0, 5), st.tuples(*[st.floats(0.4, 2.5)] * 3))
@settings(max_examples=20, deadline=None)
def test_linear_interpolation_is_scipys(seed: int, steps: tuple[float, float, float]) -> None:
    data = np.random.default_rng(seed).normal(size=(9, 7, 11)).astype(np.float32)
    at = [np.arange(int((size - 1) / step) + 1) * step for size, step in zip(data.shape, steps, strict=True)]
    ours = apply_weights(data, [linear_weights(size, of) for size, of in zip(data.shape, at, strict=True)])
    theirs = affine_transform(data, np.diag(steps), output_shape=ours.shape, order=1, mode="nearest")
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_part_of_the_new_grid_is_that_part_of_the_whole(data: st.DataObject) -> None:
    volume = np.random.default_rng(0).normal(size=(12, 9, 10)).astype(np.float32)
    whole = [linear_weights(size, np.arange(-1, size, 0.8), 1.3) for size in volume.shape]
    ends = [sorted(data.draw(st.tuples(*[st.integers(0, len(of))] * 2))) for of in whole]
    part = [of[slice(*end)] for of, end in zip(whole, ends, strict=True)]
    expected = apply_weights(volume, whole)[tuple(slice(*end) for end in ends)]
    np.testing.assert_allclose(apply_weights(volume, part), expected, atol=1e-6)


def test_zeros_stay_exactly_zero() -> None:
    data = np.zeros((20, 20, 20), np.float32)
    data[12:, 12:, 12:] = np.random.default_rng(0).normal(size=(8, 8, 8))
    moved = apply_weights(data, [linear_weights(20, np.arange(0, 20, 1.5), 1.0)] * 3)
    assert not moved[:7].any()
    assert moved.any()


def test_any_type_is_taken_by_index() -> None:
    data = np.arange(24).reshape(2, 3, 4).astype(np.int16)
    taken = take_nearest(data, [None, np.array([2, -1]), np.array([3, 0])])
    assert taken.dtype == np.int16
    np.testing.assert_array_equal(taken[:, 0], data[:, 2][:, [3, 0]])
    assert not taken[:, 1].any()
    assert data[0, 0, 0] == 0
    assert data[1, 2, 3] == 23  # the source is left alone


# ---------------------------------------------------------------------------------------------------- masks


def test_distances_in_the_box_are_those_of_the_whole() -> None:
    mask = np.random.default_rng(3).random((14, 15, 16)) > 0.97
    mask[:3] = False
    distance, corner = distance_in_box(mask, (1, 2, 0.5))
    whole = signed_distance(np.pad(mask, 20), (1, 2, 0.5))
    places = tuple(slice(first + 20, first + 20 + size) for first, size in zip(corner, distance.shape, strict=True))
    assert (distance < 0).sum() == mask.sum()
    np.testing.assert_allclose(distance[distance < 0], whole[places][distance < 0])


def ball(spacing: tuple[float, float, float], radius: float) -> np.ndarray:
    """A ball in a cube of 48 mm about it."""
    axes = [(np.arange(round(48 / length)) - (round(48 / length) - 1) / 2) * length for length in spacing]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2 < radius**2


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second)))


@pytest.mark.parametrize("radius", [10, 15])
def test_between_thick_slices_distances_give_the_rounder_ball(radius: float) -> None:
    thick, fine = ball((1, 1, 6), radius), ball((1, 1, 1), radius)
    at = [None, None, (np.arange(48) + 0.5) / 6 - 0.5]
    scores = {
        how: overlap(resample_mask(thick, at, how, (1, 1, 6)), fine)  # type: ignore[arg-type]
        for how in ("nearest", "signed_distance")
    }
    assert scores["signed_distance"] > max(scores["nearest"], 0.9)


def test_an_empty_mask_stays_empty() -> None:
    mask = np.zeros((4, 5, 6), bool)
    for how in ("nearest", "signed_distance"):
        got = resample_mask(mask, [None, np.arange(3.0), None], how, (1, 1, 1))
        assert got.shape == (4, 3, 6)
        assert not got.any()


@pytest.mark.parametrize("how", ["nearest", "signed_distance"])
def test_masks_on_their_own_grid_stay_as_they_are(how: str) -> None:
    mask = np.random.default_rng(5).random((9, 8, 7)) > 0.6
    at = [np.arange(float(size)) for size in mask.shape]
    np.testing.assert_array_equal(resample_mask(mask, at, how, (1, 3, 0.5)), mask)  # type: ignore[arg-type]
