"""Surface distances: closed forms with anisotropic spacing, laws, speed, and MONAI as the reference."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

from msseg.metrics import surface
from msseg.metrics.surface import assd_mm, hd95_mm, surface_distances

# MONAI 1.6 calls its own deprecated argument.
MONAI_WARNS = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
UNTIMED = settings(deadline=None)  # a busy machine is no failure
SPACING = (0.7, 1.2, 3.0)
SHAPES = st.tuples(*[st.integers(2, 7)] * 3)
NOT_EMPTY = SHAPES.flatmap(lambda shape: st.tuples(*[arrays(bool, shape).filter(np.any)] * 2))


def box(shape, start, end):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*ends) for ends in zip(start, end, strict=True))] = True
    return mask


def lesions(count, seed=0, shape=(182, 218, 182)):
    """Balls of radius 1 to 7 at random places."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    for _ in range(count):
        radius = int(rng.integers(1, 8))
        centre = [int(rng.integers(radius, size - radius)) for size in shape]
        grid = np.ogrid[tuple(slice(-radius, radius + 1) for _ in shape)]
        ball = sum(axis**2 for axis in grid) <= radius**2
        mask[tuple(slice(place - radius, place + radius + 1) for place in centre)] |= ball
    return mask


@pytest.mark.parametrize(("axis", "expected"), [(0, 0.7), (1, 1.2), (2, 3.0)])
def test_shifted_points_are_a_voxel_edge_apart(axis, expected):
    truth = box((5, 5, 5), (2, 2, 2), (3, 3, 3))
    prediction = np.roll(truth, 1, axis)
    assert hd95_mm(prediction, truth, SPACING) == pytest.approx(expected)
    assert assd_mm(prediction, truth, SPACING) == pytest.approx(expected)


def test_diagonal_distance_uses_the_spacing_of_each_axis():
    truth = box((9, 9, 9), (0, 0, 0), (1, 1, 1))
    prediction = box((9, 9, 9), (3, 4, 5), (4, 5, 6))
    assert hd95_mm(prediction, truth, SPACING) == pytest.approx(math.dist((0, 0, 0), (3 * 0.7, 4 * 1.2, 5 * 3.0)))


def test_parallel_plates():
    """Two plates of one voxel, 4 voxels apart: every distance is 4 times the spacing."""
    truth, prediction = box((8, 8, 8), (0, 0, 1), (8, 8, 2)), box((8, 8, 8), (0, 0, 5), (8, 8, 6))
    distances = surface_distances(prediction, truth, SPACING)
    assert distances.from_truth.size == 64
    np.testing.assert_allclose(np.concatenate(distances), 12.0)


def test_only_the_surface_counts():
    """A 5-cube inside has 125 - 27 surface voxels; the voxels in its core have no distance."""
    cube = box((9, 9, 9), (2, 2, 2), (7, 7, 7))
    assert surface_distances(cube, cube, SPACING).from_truth.size == 125 - 27


def test_the_larger_direction_decides_and_the_last_5_percent_do_not_count():
    """A row of 100 voxels against its first one: distances 0 ... 99, their 95th percentile is 94.05."""
    row, point = box((100, 3, 3), (0, 1, 1), (100, 2, 2)), box((100, 3, 3), (0, 1, 1), (1, 2, 2))
    assert hd95_mm(row, point, (1, 1, 1)) == pytest.approx(94.05)
    assert hd95_mm(point, row, (1, 1, 1)) == pytest.approx(94.05)
    assert assd_mm(row, point, (1, 1, 1)) == pytest.approx(99 * 100 / 2 / 101)


def test_a_single_slice_has_an_outline():
    square, shifted = box((9, 9), (1, 1), (6, 6)), box((9, 9), (2, 1), (7, 6))
    flat = surface_distances(square[..., None], shifted[..., None], SPACING)
    plane = surface_distances(square, shifted, SPACING[:2])
    assert flat.from_truth.size == 16
    assert (flat.hd95, flat.assd) == (plane.hd95, plane.assd)


def test_one_voxel_image():
    voxel = np.ones((1, 1, 1), dtype=bool)
    assert hd95_mm(voxel, voxel, SPACING) == 0


@pytest.mark.parametrize(("tolerance", "share"), [(0, 120 / 150), (0.69, 120 / 150), (0.7, 1), (5, 1)])
def test_surface_dsc_counts_surface_voxels_within_the_tolerance(tolerance, share):
    """A plate of 5 x 15 x 1 voxels and itself moved along the first axis: each has one row of 15 to itself."""
    truth = box((9, 15, 3), (1, 0, 1), (6, 15, 2))
    distances = surface_distances(np.roll(truth, 1, 0), truth, SPACING)
    assert distances.dsc(tolerance) == pytest.approx(share)


def test_tolerances_forgive_single_precision():
    point = box((3, 3, 3), (0, 0, 0), (1, 1, 1))
    assert surface_distances(np.roll(point, 1, 0), point, (1.0000001, 1, 1)).dsc(1) == 1


@pytest.mark.parametrize("pair", [(0, 0), (0, 1), (1, 0)])
def test_no_distance_where_a_mask_is_empty(pair):
    prediction, truth = (np.full((3, 3, 3), bool(value)) for value in pair)
    distances = surface_distances(prediction, truth, SPACING)
    assert not distances.defined
    assert math.isnan(distances.hd95)
    assert math.isnan(distances.assd)
    assert math.isnan(distances.dsc(1))


@UNTIMED
@given(NOT_EMPTY)
def test_laws(pair):
    a, b = pair
    there, back = surface_distances(a, b, SPACING), surface_distances(b, a, SPACING)
    assert surface_distances(a, a, SPACING).hd95 == 0
    assert there.hd95 == back.hd95
    assert there.assd == pytest.approx(back.assd)
    assert there.hd95 <= np.concatenate(there).max()


@UNTIMED
@given(NOT_EMPTY, st.integers(0, 2))
def test_mirrored_and_turned_masks_are_as_far_apart(pair, axis):
    expected = hd95_mm(*pair, SPACING)
    assert hd95_mm(*(np.flip(mask, axis) for mask in pair), SPACING) == pytest.approx(expected)
    assert hd95_mm(*(mask.T for mask in pair), SPACING[::-1]) == pytest.approx(expected)


@UNTIMED
@given(NOT_EMPTY, st.floats(0.1, 10))
def test_distances_grow_with_the_spacing(pair, factor):
    scaled = [factor * length for length in SPACING]
    assert hd95_mm(*pair, scaled) == pytest.approx(factor * hd95_mm(*pair, SPACING))


@UNTIMED
@given(NOT_EMPTY, st.integers(1, 4))
def test_empty_space_around_changes_nothing(pair, margin):
    padded = (np.pad(mask, margin) for mask in pair)
    assert hd95_mm(*padded, SPACING) == pytest.approx(hd95_mm(*pair, SPACING))


@MONAI_WARNS
@settings(UNTIMED, max_examples=40)
@given(NOT_EMPTY)
def test_monai_agrees(pair):
    prediction, truth = (mask[None, None].astype(np.float32) for mask in pair)
    options = {"include_background": True, "spacing": SPACING}
    hausdorff = compute_hausdorff_distance(prediction, truth, percentile=95, **options).item()
    average = compute_average_surface_distance(prediction, truth, symmetric=True, **options).item()
    distances = surface_distances(*pair, SPACING)
    # MONAI adds up in float32: its mean over a few hundred surface voxels has four good digits, and so has a percentile
    # that lies between two distances.
    assert distances.hd95 == pytest.approx(hausdorff, rel=1e-4)
    assert distances.assd == pytest.approx(average, rel=1e-4)


@MONAI_WARNS
def test_monai_agrees_on_lesions():
    truth = lesions(20, shape=(60, 70, 50))
    prediction = np.roll(truth, (2, -1, 1), (0, 1, 2)) | lesions(2, seed=1, shape=truth.shape)
    arguments = (prediction[None, None].astype(np.float32), truth[None, None].astype(np.float32))
    expected = compute_hausdorff_distance(*arguments, include_background=True, percentile=95, spacing=SPACING)
    assert hd95_mm(prediction, truth, SPACING) == pytest.approx(expected.item(), rel=1e-5)


def test_tree_and_transform_give_the_same_distances(monkeypatch):
    pair = lesions(20, shape=(60, 70, 50)), lesions(20, seed=1, shape=(60, 70, 50))
    by_tree = surface_distances(*pair, SPACING)
    monkeypatch.setattr(surface, "TREE_MAXIMUM_POINTS", 0)
    by_transform = surface_distances(*pair, SPACING)
    for one, other in zip(by_tree, by_transform, strict=True):
        np.testing.assert_allclose(one, other)


def test_a_whole_head_takes_less_than_a_second():
    truth = lesions(140)
    prediction = np.roll(truth, 2, 0)
    start = time.process_time()
    surface_distances(prediction, truth, (1, 1, 1))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, 1, -1), (1, 1, math.nan), (1, 1, math.inf)])
def test_impossible_spacing_is_refused(spacing):
    mask = np.ones((2, 2, 2), dtype=bool)
    with pytest.raises(ValueError, match="one positive number for each of 3 axes"):
        surface_distances(mask, mask, spacing)


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        hd95_mm(np.ones((2, 2, 2), dtype=bool), np.ones((2, 2, 3), dtype=bool), SPACING)
