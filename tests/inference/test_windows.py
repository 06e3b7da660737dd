import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.inference.windows import (
    BACKGROUND_LOGIT,
    blending_weights,
    plan_windows,
    predict_logits,
    predict_windows,
    window_size,
)

axes = st.tuples(st.integers(1, 40), st.integers(0, 90)).map(lambda pair: (pair[0], pair[0] + pair[1]))
overlaps = st.floats(0, 0.95)


def identity(x):
    return x[:, :1]


def window_mean(x):
    """The mean of each window, everywhere in it: shows which windows a voxel's answer is blended of."""
    return x[:, :1].mean(dim=(2, 3, 4), keepdim=True).expand_as(x[:, :1])


# ------------------------------------------------------------------------------------------ plan
@given(axes, overlaps)
@settings(deadline=None)
def test_a_plan_covers_an_axis_within_its_bounds_and_overlaps_enough(axis, overlap):
    size, length = axis
    starts = [start for (start,) in plan_windows((length,), (size,), overlap)]
    assert starts[0] == 0
    assert starts[-1] == length - size
    steps = np.diff(starts)
    assert (steps >= 0 if size == 1 else steps > 0).all()
    # Evenly spread: no step is longer than the overlap allows, and steps differ by rounding alone.
    assert len(steps) == 0 or (steps.max() <= max(int(size * (1 - overlap)), 1) and np.ptp(steps) <= 1)


@given(st.tuples(axes, axes, axes), overlaps)
@settings(max_examples=30, deadline=None)
def test_a_plan_in_3d_is_the_product_of_its_axes(pairs, overlap):
    size, shape = zip(*pairs, strict=True)
    each = [plan_windows((length,), (window,), overlap) for length, window in zip(shape, size, strict=True)]
    if np.prod([len(starts) for starts in each]) < 10_000:
        expected = [sum(corner, ()) for corner in itertools.product(*each)]
        assert plan_windows(shape, size, overlap) == expected


@pytest.mark.parametrize(
    ("shape", "size", "overlap", "corners"),
    [
        ((144, 151, 144), (144, 144, 144), 0.5, [(0, 0, 0), (0, 7, 0)]),
        ((10, 4, 1), (4, 4, 1), 0.5, [(0, 0, 0), (2, 0, 0), (4, 0, 0), (6, 0, 0)]),
        ((4, 4, 3), (4, 4, 1), 0.5, [(0, 0, 0), (0, 0, 1), (0, 0, 2)]),
        ((11, 4, 4), (4, 4, 4), 0.0, [(0, 0, 0), (4, 0, 0), (7, 0, 0)]),
    ],
)
def test_known_plans(shape, size, overlap, corners):
    assert plan_windows(shape, size, overlap) == corners


@pytest.mark.parametrize(
    ("shape", "size", "overlap", "windows"),
    [
        ((182, 218, 182), (144, 144, 144), 0.5, 12),
        ((144, 151, 144), (144, 144, 144), 0.5, 2),
        ((182, 218, 182), (96, 96, 96), 0.5, 36),
        ((182, 218, 182), (96, 96, 96), 0.25, 27),
        ((132, 151, 121), (64, 80, 48), 0.7, 140),
        ((17, 31, 24), (16, 24, 16), 0.0, 8),
        ((512, 512, 30), (256, 256, 1), 0.5, 270),
        ((42, 35, 66), (9, 5, 1), 0.25, 5082),
    ],
)
def test_as_many_windows_as_monai(shape, size, overlap, windows):
    """Counted with MONAI 1.6.1: `dense_patch_slices` of `_get_scan_interval`."""
    assert len(plan_windows(shape, size, overlap)) == windows


def test_a_volume_smaller_than_the_window_has_no_plan():
    with pytest.raises(ValueError, match="a window of 8 does not fit into 7 voxels"):
        plan_windows((9, 7, 9), (8, 8, 8), 0.5)


@pytest.mark.parametrize(
    ("shape", "patch", "window", "size"),
    [
        ((512, 500, 30), (256, 256, 1), "whole", (512, 500, 1)),
        ((100, 90, 1), (256, 256, 1), "whole", (100, 90, 1)),
        ((132, 151, 121), (96, 96, 96), "whole", (132, 151, 121)),
        ((270, 250, 30), (256, 256, 1), "fit", (272, 256, 1)),
        ((512, 512, 30), (256, 256, 1), "auto", (256, 256, 1)),
        ((512, 512, 30), (256, 256, 1), "patch", (256, 256, 1)),
    ],
)
def test_whole_slices_and_a_patch_of_one_slice(shape, patch, window, size):
    assert window_size(shape, patch, window, (16, 16, 16)) == size


def test_a_whole_slice_is_computed_once_and_alone():
    shapes = []
    data = torch.randn(1, 20, 17, 3)
    logits = predict_logits(lambda x: shapes.append(tuple(x.shape)) or identity(x), data, (20, 17, 1))
    assert shapes == [(1, 1, 20, 17, 1)] * 3
    torch.testing.assert_close(logits, data[0])


# ------------------------------------------------------------------------------------------ blending
@pytest.mark.parametrize("size", [(8, 8, 8), (9, 6, 1), (5, 1, 1), (1, 1, 1)])
def test_gaussian_weights_are_symmetric_and_largest_in_the_middle(size):
    weights = blending_weights(size, "gaussian")
    assert weights.shape == size
    assert weights.min() > 0
    for axis in range(3):
        torch.testing.assert_close(weights, weights.flip(axis))
    assert weights[tuple(length // 2 for length in size)] == weights.max()


def test_gaussian_weights_have_the_stated_width_and_floor():
    weights = blending_weights((33, 1, 1), "gaussian").flatten()
    sigma = 33 / 8
    assert weights[16] == 1
    assert weights[20] == pytest.approx(np.exp(-0.5 * (4 / sigma) ** 2), rel=1e-5)
    assert blending_weights((33, 33, 33), "gaussian").min() == pytest.approx(1e-3)


def test_overlapping_windows_are_averaged_by_their_weights():
    data = torch.randn(1, 10, 4, 4, generator=torch.Generator().manual_seed(0))
    blended = predict_logits(window_mean, data, (4, 4, 4), overlap=0.25, blending="gaussian")
    weights = blending_weights((4, 4, 4), "gaussian")
    total, covered = torch.zeros(10, 4, 4), torch.zeros(10, 4, 4)
    for start in (0, 3, 6):
        total[start : start + 4] += weights * data[0, start : start + 4].mean()
        covered[start : start + 4] += weights
    torch.testing.assert_close(blended, total / covered)
    plain = predict_logits(window_mean, data, (4, 4, 4), overlap=0.25, blending="constant")
    torch.testing.assert_close(plain[4, 0, 0], data[0, 3:7].mean())
    torch.testing.assert_close(plain[3, 0, 0], (data[0, 0:4].mean() + data[0, 3:7].mean()) / 2)


@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    overlap=st.sampled_from([0.0, 0.3, 0.5]),
    batch=st.integers(1, 5),
    blending=st.sampled_from(["gaussian", "constant"]),
)
@settings(max_examples=60, deadline=None)
def test_an_identity_network_gives_back_its_input(shape, size, overlap, batch, blending):
    data = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    logits = predict_logits(identity, data, size, overlap, blending, batch=batch)
    torch.testing.assert_close(logits, data[0], rtol=1e-4, atol=1e-4)


def test_probability_is_the_sigmoid_of_the_blended_logits():
    data = torch.randn(1, 9, 9, 9)
    logits = predict_logits(window_mean, data, (6, 6, 6))
    torch.testing.assert_close(predict_windows(window_mean, data, (6, 6, 6)), torch.sigmoid(logits))


def test_padding_is_zero_on_both_sides():
    seen = []
    predict_logits(lambda x: seen.append(x) or identity(x), torch.ones(1, 3, 5, 4), (6, 5, 4))
    (window,) = seen
    assert window[0, 0, :, 0, 0].tolist() == [0, 1, 1, 1, 0, 0]


# ------------------------------------------------------------------------------------------ background
def test_windows_of_background_alone_are_not_computed():
    data = torch.zeros(2, 32, 8, 8)
    data[1, :8] = -1  # in any channel, and below zero: not background
    calls = []
    logits = predict_logits(lambda x: calls.append(len(x)) or x[:, :1], data, (8, 8, 8), overlap=0.5, batch=3)
    assert sum(calls) == 2  # of 7: the windows from 0 and 4
    assert (logits[:12] == 0).all()
    assert (logits[12:] == BACKGROUND_LOGIT).all()
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
    assert loss.isfinite()


def test_a_volume_of_background_is_background():
    def never(x):
        raise AssertionError("the network was asked")

    probability = predict_windows(never, torch.zeros(1, 9, 9, 9), (4, 4, 4))
    assert probability.max() < 1e-8


# ------------------------------------------------------------------------------------------ batches, mirrors
def test_slices_go_through_in_batches():
    shapes = []
    data = torch.randn(1, 6, 5, 7)
    logits = predict_logits(lambda x: shapes.append(tuple(x.shape)) or identity(x), data, (6, 5, 1), batch=4)
    assert shapes == [(4, 1, 6, 5, 1), (3, 1, 6, 5, 1)]
    torch.testing.assert_close(logits, data[0])


@pytest.mark.parametrize(("size", "copies"), [((6, 6, 6), 8), ((6, 6, 1), 4)])
def test_mirroring_averages_over_all_mirrored_copies(size, copies):
    ramp = torch.arange(6.0).reshape(6, 1, 1)
    calls = []
    data = torch.randn(1, *size)

    def tilted(x):
        calls.append(1)
        return x * ramp

    logits = predict_logits(tilted, data, size, mirror=True)
    assert len(calls) == copies
    torch.testing.assert_close(logits, data[0] * 2.5)  # the ramp from 0 to 5 and its mirror image


@pytest.mark.parametrize(
    ("shape", "mirror", "rotate", "copies"),
    [
        ((6, 4, 1), False, True, 4),
        ((6, 4, 1), True, True, 8),
        ((6, 4, 3), True, True, 16),
        ((6, 4, 3), True, False, 8),
    ],
)
def test_copies_are_all_different_and_come_back_in_place(shape, mirror, rotate, copies):
    data = torch.arange(1.0, np.prod(shape) + 1).reshape(1, *shape)
    seen = []
    logits = predict_logits(lambda x: seen.append(x[0, 0]) or identity(x), data, shape, mirror=mirror, rotate=rotate)
    assert len({(tuple(copy.shape), tuple(copy.flatten().tolist())) for copy in seen}) == len(seen) == copies
    assert torch.equal(seen[0], data[0])
    torch.testing.assert_close(logits, data[0])


def test_a_slice_is_averaged_over_its_eight_orientations():
    """The symmetries of the square, made of transpositions and flips."""
    ramp = torch.arange(25.0).reshape(5, 5, 1) ** 2
    data = torch.randn(1, 5, 5, 1)
    logits = predict_logits(lambda x: x * ramp, data, (5, 5, 1), mirror=True, rotate=True)
    copies = [turned.flip(axes) for turned in (ramp, ramp.transpose(0, 1)) for axes in ((), (0,), (1,), (0, 1))]
    torch.testing.assert_close(logits, data[0] * torch.stack(copies).mean(0))


def test_turned_windows_of_a_volume_that_is_not_square_are_blended():
    data = torch.randn(1, 13, 9, 4)
    torch.testing.assert_close(predict_logits(identity, data, (6, 4, 1), mirror=True, rotate=True, batch=5), data[0])


def test_mirroring_changes_nothing_for_a_network_that_knows_no_direction():
    data = torch.randn(1, 9, 8, 7)

    def network(x):
        return x**2 + window_mean(x)

    plain, mirrored = (predict_logits(network, data, (6, 6, 6), mirror=mirror) for mirror in (False, True))
    torch.testing.assert_close(mirrored, plain)


# ------------------------------------------------------------------------------------------ arithmetic
def test_bf16_computes_in_bf16_and_blends_in_fp32():
    torch.manual_seed(0)
    network = torch.nn.Conv3d(1, 1, 3, padding=1).eval()
    types = []

    def spy(x):
        logits = network(x)
        types.append(logits.dtype)
        return logits

    data = torch.randn(1, 12, 12, 12)
    full = predict_logits(spy, data, (8, 8, 8))
    half = predict_logits(spy, data, (8, 8, 8), dtype=torch.bfloat16)
    assert set(types) == {torch.float32, torch.bfloat16}
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().max() < 0.03


def test_no_gradients_are_kept():
    network = torch.nn.Conv3d(1, 1, 1)
    assert not predict_logits(network, torch.randn(1, 4, 4, 4), (4, 4, 4)).requires_grad
