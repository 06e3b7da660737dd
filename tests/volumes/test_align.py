"""Channels and labels that lie on another grid: brought onto the first one's, or refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.align import aligned, corners_apart, coverage, resample_onto
from msseg.volumes.preprocessing import prepare
from msseg.volumes.volume import Volume

RESAMPLE = PreprocessingConfig(align="resample")
LPS = np.diag([-1.0, -1, 1])


def turn(degrees: float, axis: int) -> np.ndarray:
    """Rotation about an axis of the world."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    first, second = (other for other in range(3) if other != axis)
    matrix[[first, first, second, second], [first, second, first, second]] = cos, -sin, sin, cos
    return matrix


def affine(matrix: np.ndarray, origin: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = matrix, origin
    return whole


def smooth(shape: tuple[int, int, int], place: np.ndarray) -> np.ndarray:
    """A smooth function of where voxels lie in the world."""
    world = np.einsum("ij,jxyz->ixyz", place[:3, :3], np.indices(shape)) + place[:3, 3].reshape(3, 1, 1, 1)
    x, y, z = world
    return (np.sin(x / 9) + np.cos(y / 8 + 1) * np.sin(z / 7) + 0.02 * x).astype(np.float32)


def volume(shape: tuple[int, int, int], place: np.ndarray, name: str = "t1.nii") -> Volume:
    return Volume(smooth(shape, place), place, path=Path(name))


GRIDS = {
    "shifted": affine(np.eye(3), (3.3, -2.1, 0.7)),
    "larger voxels": affine(np.diag([1.7, 1.2, 2.5])),
    "smaller voxels": affine(np.diag([0.6, 0.9, 0.8]), (2, 3, 1)),
    "flipped": affine(np.diag([-1.0, 1, -1]), (31, 0, 27)),
    "axes swapped": affine(np.eye(3)[[2, 0, 1]] * 1.1, (1, 0, 2)),
    "turned": affine(turn(20, 2) @ turn(-7, 0), (4, -3, 1)),
    "turned, other voxels": affine(turn(11, 1) @ np.diag([0.8, 1.3, 2.0]), (-3, -2, -4)),
}
SHEARED = affine(np.array([[1, 0.3, 0], [0, 1, 0.2], [0.1, 0, 1.2]]), (2, 1, 0))
REFERENCE = Volume(np.zeros((32, 30, 28), np.float32), affine(np.diag([1.0, 1, 1])), path=Path("flair.nii"))


def by_simpleitk(reference: Volume, other: Volume, nearest: bool = False) -> np.ndarray:
    """SimpleITK's answer, and where it has one (it leaves 0 elsewhere)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(other.data.astype(np.float32).T))
    for target, of in ((image, other), (grid := sitk.Image(reference.shape, sitk.sitkFloat32), reference)):
        target.SetSpacing(of.spacing)
        target.SetDirection((LPS @ of.affine[:3, :3] / of.spacing).ravel().tolist())
        target.SetOrigin((LPS @ of.affine[:3, 3]).tolist())
    method = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), method, 0.0)).T


# ------------------------------------------------------------------------------------------- against SimpleITK


@pytest.mark.parametrize("name", GRIDS)
def test_images_are_interpolated_as_simpleitk_does(name: str) -> None:
    other = volume((30, 34, 31), GRIDS[name])
    moved = resample_onto(REFERENCE, other)
    theirs = by_simpleitk(REFERENCE, other)
    assert moved.data.dtype == np.float32
    assert moved.data.shape == REFERENCE.shape
    np.testing.assert_array_equal(moved.affine, REFERENCE.affine)
    # ITK does not smooth, and here voxels grow by less than 1.7 times: that is all the difference there may be.
    smoothed = name in ("smaller voxels", "turned, other voxels")
    agree = np.isclose(moved.data, theirs, atol=0.03 if smoothed else 2e-3)
    assert agree.mean() > 0.995  # at the very edge of a volume, rounding decides what is inside
    assert np.array_equal(moved.data != 0, theirs != 0) or ((moved.data != 0) == (theirs != 0)).mean() > 0.995


@pytest.mark.parametrize("name", GRIDS)
def test_labels_take_the_nearest_voxel_as_in_simpleitk(name: str) -> None:
    other = volume((30, 34, 31), GRIDS[name])
    label = Volume(other.data > 0.4, other.affine)
    moved = resample_onto(REFERENCE, label).data
    assert moved.dtype == bool
    assert moved.any()
    assert (moved == (by_simpleitk(REFERENCE, label, nearest=True) > 0.5)).mean() > 0.998


# --------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("place", [*GRIDS.values(), SHEARED], ids=[*GRIDS, "sheared"])
def test_a_linear_function_of_the_world_is_exact_on_any_grid(place: np.ndarray) -> None:
    """What SimpleITK has no grid for, a sheared one, too."""
    slope = np.array([0.3, -0.2, 0.5])

    def ramp(shape: tuple[int, int, int], at: np.ndarray) -> np.ndarray:
        world = np.einsum("ij,jxyz->ixyz", at[:3, :3], np.indices(shape)) + at[:3, 3].reshape(3, 1, 1, 1)
        return (np.einsum("i,ixyz->xyz", slope, world) + 50).astype(np.float32)

    shape = (40, 42, 44)
    moved = resample_onto(REFERENCE, Volume(ramp(shape, place), place))
    index = np.linalg.inv(place) @ REFERENCE.affine
    at = np.einsum("ij,jxyz->ixyz", index[:3, :3], np.indices(REFERENCE.shape)) + index[:3, 3].reshape(3, 1, 1, 1)
    sizes = np.array(shape).reshape(3, 1, 1, 1)
    inner = ((at > 3) & (at < sizes - 4)).all(axis=0)
    assert inner.any()
    np.testing.assert_allclose(moved.data[inner], ramp(REFERENCE.shape, REFERENCE.affine)[inner], rtol=1e-4)
    far = ((at < -1) | (at > sizes)).any(axis=0)
    assert not moved.data[far].any()


@given(st.permutations(range(3)), st.tuples(*[st.sampled_from([1, -1])] * 3), st.tuples(*[st.integers(-3, 3)] * 3))
@settings(max_examples=30, deadline=None)
def test_where_voxels_lie_on_voxels_nothing_is_interpolated(
    order: list[int], flips: tuple[int, int, int], shift: tuple[int, int, int]
) -> None:
    matrix = np.eye(3)[order] * np.array(flips)[:, np.newaxis]
    origin = np.where(np.array(flips) > 0, 0, 8) + np.array(shift)
    other = Volume(np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32), affine(matrix, tuple(origin)))
    reference = Volume(np.zeros((7, 8, 9), np.float32), np.eye(4))
    moved = resample_onto(reference, other).data
    inverse = np.linalg.inv(other.affine)
    for voxel in np.ndindex(reference.shape):
        place = np.rint(inverse[:3, :3] @ voxel + inverse[:3, 3]).astype(int)
        inside = (place >= 0).all() and (place < 9).all()
        assert moved[voxel] == (other.data[tuple(place)] if inside else 0)


@pytest.mark.parametrize("how", ["nearest", "signed_distance"])
@pytest.mark.parametrize("name", ["turned", "smaller voxels", "turned, other voxels"])
def test_a_ball_stays_a_ball_in_the_world(name: str, how: str) -> None:
    def ball(shape: tuple[int, int, int], at: np.ndarray) -> np.ndarray:
        world = np.einsum("ij,jxyz->ixyz", at[:3, :3], np.indices(shape)) + at[:3, 3].reshape(3, 1, 1, 1)
        return ((world - np.array([14, 15, 13]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 81

    truth = ball(REFERENCE.shape, REFERENCE.affine)
    shape = (70, 50, 50)
    moved = resample_onto(REFERENCE, Volume(ball(shape, GRIDS[name]), GRIDS[name]), how).data  # type: ignore[arg-type]
    assert 2 * (moved & truth).sum() / (moved.sum() + truth.sum()) > 0.94
    empty = resample_onto(REFERENCE, Volume(np.zeros(shape, bool), GRIDS[name]), how).data  # type: ignore[arg-type]
    assert empty.shape == REFERENCE.shape
    assert not empty.any()


# -------------------------------------------------------------------------------------------- refuse or warn


def test_a_volume_that_lies_on_the_grid_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    other = volume(REFERENCE.shape, REFERENCE.affine + 1e-5)
    assert aligned(REFERENCE, other, "refuse") is aligned(REFERENCE, other, "resample") is other
    assert caplog.messages == []


def test_the_default_refuses_with_both_grids_side_by_side_and_the_way_out() -> None:
    with pytest.raises(InputError) as caught:
        aligned(REFERENCE, volume((30, 34, 31), GRIDS["larger voxels"]), "refuse")
    message = str(caught.value)
    assert message.startswith("t1.nii does not lie on the grid of flair.nii: ")
    assert "30 x 34 x 31 voxels of 1.7 x 1.2 x 2.5 mm, RAS, origin (0, 0, 0)" in message
    assert "32 x 30 x 28 voxels of 1 x 1 x 1 mm, RAS, origin (0, 0, 0)" in message
    assert message.endswith("resample one onto the other, or set preprocessing.align: resample")


def test_resampling_warns_of_both_grids_and_how_far_they_are_apart(caplog: pytest.LogCaptureFixture) -> None:
    aligned(REFERENCE, volume(REFERENCE.shape, affine(np.eye(3), (3, 4, 0))), "resample")
    (message,) = caplog.messages
    assert message.startswith("t1.nii does not lie on the grid of flair.nii and was resampled onto it: ")
    assert "origin (3, 4, 0) against" in message
    assert "corners up to 5 mm apart" in message
    assert message.endswith("it reaches 79% of that grid, the rest is 0")


def test_volumes_that_do_not_meet_are_refused() -> None:
    with pytest.raises(InputError, match=r"t1\.nii does not meet flair\.nii anywhere"):
        aligned(REFERENCE, volume((5, 5, 5), affine(np.eye(3), (200, 0, 0))), "resample")


def test_slices_without_a_place_in_the_world_are_not_resampled() -> None:
    stacks = [Volume(np.zeros(shape), np.eye(4), path=Path("a.tif")) for shape in ((8, 9, 2), (8, 9, 3))]
    with pytest.raises(InputError, match="of the same size, pixel on pixel"):
        aligned(*stacks, "resample")


def test_distances_between_grids() -> None:
    flipped = Volume(REFERENCE.data, affine(np.diag([-1.0, 1, 1]), (31, 0, 0)))
    assert corners_apart(REFERENCE, flipped) == pytest.approx(0)
    fine = Volume(np.zeros((64, 60, 56), np.float32), affine(np.eye(3) / 2, (-0.25, -0.25, -0.25)))
    assert corners_apart(REFERENCE, fine) == pytest.approx(0)
    assert coverage(REFERENCE, fine) == coverage(fine, REFERENCE) == 1
    assert coverage(REFERENCE, volume(REFERENCE.shape, affine(np.eye(3), (16, 0, 0)))) == 0.5


def test_prepare_aligns_channels_and_label() -> None:
    place = GRIDS["larger voxels"]
    shape = (22, 26, 14)
    first = volume(REFERENCE.shape, REFERENCE.affine, "flair.nii")
    second = volume(shape, place)
    label = Volume(smooth(shape, place) > 0.8, place, path=Path("label.nii"))
    direct = volume(REFERENCE.shape, REFERENCE.affine)
    both = prepare([first, second], RESAMPLE.model_copy(update={"normalise": "none"}), label)
    np.testing.assert_allclose(both.data[1], direct.data, atol=0.06)
    assert both.label is not None
    truth = direct.data > 0.8
    assert 2 * (both.label & truth).sum() / (both.label.sum() + truth.sum()) > 0.95
    with pytest.raises(InputError, match=r"label\.nii does not lie on the grid of flair\.nii"):
        prepare([first], PreprocessingConfig(), label)
