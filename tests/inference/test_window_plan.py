import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.inference.window_plan import fitted_size, make_plan, padding, plan_windows, window_size
from msseg.inference.windows import predict_logits

HEAD = (132, 151, 121)
"""A head of 182 x 218 x 182 voxels, cropped to what is not background."""

sizes = st.tuples(*[st.integers(1, 14)] * 3)


def seen_by_the_network(data, size, overlap):
    """The windows that the blending in torch gives to a network."""
    windows = []
    predict_logits(lambda x: windows.append(x[0].numpy().copy()) or x[:, :1], torch.from_numpy(data), size, overlap)
    return windows


@given(
    shape=sizes,
    patch=sizes,
    channels=st.integers(1, 2),
    window=st.sampled_from(["patch", "auto", "fit", "whole"]),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.7]),
    multiple=st.sampled_from([1, 2, 4]),
    share=st.sampled_from([0.0, 0.01, 0.1, 1.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_the_plan_has_the_windows_that_the_blending_in_torch_computes(
    shape, patch, channels, window, overlap, multiple, share, seed
):
    random = np.random.default_rng(seed)
    data = random.standard_normal((channels, *shape)).astype(np.float32)
    data *= random.random(shape) < share
    multiples = (multiple, multiple, 1)
    plan = make_plan(data, patch, window, overlap, multiples)
    assert plan.size == window_size(shape, patch, window, multiples, overlap)
    padded = np.zeros((channels, *plan.padded), np.float32)
    inner = tuple(slice(first, first + length) for first, length in zip(plan.offset, shape, strict=True))
    padded[(slice(None), *inner)] = data
    expected = seen_by_the_network(data, plan.size, overlap)
    assert len(plan.places) == len(expected)
    for place, of in zip(plan.places, expected, strict=True):
        np.testing.assert_array_equal(padded[(slice(None), *place)], of)


def test_a_small_volume_lies_in_the_middle_of_its_padding():
    assert padding((3, 5, 4), (6, 5, 3)) == ((6, 5, 4), (1, 0, 0))


def test_a_volume_of_background_needs_no_window():
    assert make_plan(np.zeros((2, 9, 9, 9), np.float32), (4, 4, 4)).places == ()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_a_number_is_no_background(dtype):
    data = np.zeros((1, 8, 4, 4), dtype)
    data[0, 0, 0, 0] = np.nan
    assert len(make_plan(data, (4, 4, 4), overlap=0.0).places) == 1


def test_windows_have_the_corners_of_the_plan():
    data = np.ones((1, 10, 4, 1), np.float32)
    corners = [tuple(of.start for of in place) for place in make_plan(data, (4, 4, 1)).places]
    assert corners == plan_windows((10, 4, 1), (4, 4, 1), 0.5)


# ------------------------------------------------------------------------------------------ fit
@pytest.mark.parametrize(
    ("shape", "patch", "largest", "size", "windows"),
    [
        (HEAD, (96, 96, 96), None, (144, 160, 128), 1),
        (HEAD, (144, 144, 144), None, (144, 160, 128), 1),
        (HEAD, (96, 96, 96), 2_000_000, (96, 160, 128), 2),
        (HEAD, (96, 96, 96), 1_000_000, (96, 80, 128), 6),
        ((182, 218, 182), (96, 96, 96), None, (192, 224, 192), 1),
        ((182, 218, 182), (144, 144, 144), 3_000_000, (192, 112, 128), 6),
        ((20, 20, 20), (96, 96, 96), None, (32, 32, 32), 1),
        ((7, 60, 60), (8, 32, 32), None, (16, 64, 64), 1),
        ((512, 500, 30), (256, 256, 1), None, (512, 512, 1), 30),
    ],
)
def test_the_fewest_windows_that_fit(shape, patch, largest, size, windows):
    """Of a head in a crop one patch of 96 voxels would need 12 windows."""
    multiples = tuple(1 if axis == 1 else 16 for axis in patch)
    assert fitted_size(shape, patch, multiples, 0.5, largest) == size
    assert len(plan_windows(padding(shape, size)[0], size, 0.5)) == windows


@given(
    shape=st.tuples(*[st.integers(1, 90)] * 3),
    patch=st.tuples(*[st.integers(1, 4).map(lambda steps: 8 * steps)] * 3),
    overlap=st.sampled_from([0.0, 0.25, 0.5, 0.7]),
    largest=st.one_of(st.none(), st.integers(1, 400_000)),
)
@settings(max_examples=150, deadline=None)
def test_fitted_windows_need_no_padding_in_the_network_and_keep_to_their_limit(shape, patch, overlap, largest):
    size = fitted_size(shape, patch, (8, 8, 8), overlap, largest)
    assert all(length % 8 == 0 for length in size)
    fits = largest is None or math.prod(size) <= largest
    assert fits or all(length <= axis for length, axis in zip(size, patch, strict=True))
    if largest is None:
        assert plan_windows(padding(shape, size)[0], size, overlap) == [(0, 0, 0)]


@given(shape=st.tuples(*[st.integers(20, 80)] * 3), largest=st.integers(32**3, 80**3))
@settings(max_examples=50, deadline=None)
def test_fitted_windows_are_never_more_than_those_of_the_patch(shape, largest):
    """A limit that lets the patch through lets the fitted windows be at least as few."""
    windows = {
        window: len(plan_windows(padding(shape, size)[0], size, 0.5))
        for window in ("patch", "fit")
        for size in [window_size(shape, (32, 32, 32), window, (8, 8, 8), 0.5, largest)]
    }
    assert windows["fit"] <= windows["patch"]


def test_where_the_limit_lets_nothing_through_windows_are_no_larger_than_the_patch():
    assert fitted_size((64, 64, 64), (32, 32, 32), (8, 8, 8), 0.5, 1) == (32, 32, 32)
