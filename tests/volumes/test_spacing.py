"""Resampling to the network's spacing and back to the file's grid."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.geometry import Grid, whole_grid
from msseg.volumes.preprocessing import prepare
from msseg.volumes.volume import Volume

Spacing = tuple[float, float, float]
THICK: Spacing = (0.5, 0.5, 4)


def world(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    return np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)


def about_the_middle(shape: tuple[int, int, int], spacing: Spacing) -> np.ndarray:
    """An affine without rotation whose world has its origin in the middle of the volume."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) / 2 * spacing
    return affine


def ball(shape: tuple[int, int, int], spacing: Spacing, radius: float) -> np.ndarray:
    inside: np.ndarray = (world(shape, about_the_middle(shape, spacing)) ** 2).sum(axis=0) < radius**2
    return inside


def dsc(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second)))


def shape_of(spacing: Spacing, extent: float = 60) -> tuple[int, int, int]:
    x, y, z = (round(extent / length) for length in spacing)
    return x, y, z


def resampling(source: Spacing, target: Spacing, shape: tuple[int, int, int]) -> Grid:
    x, y, z = (wanted / have for wanted, have in zip(target, source, strict=True))
    return whole_grid(shape, np.diag([*source, 1.0]), "RAS").resampled((x, y, z))


# ------------------------------------------------------------------------------------------------ there and back

PAIRS: list[tuple[Spacing, Spacing]] = [
    ((1, 1, 1), (2, 2, 2)),
    ((1, 1, 1), (1.5, 1.5, 1.5)),
    ((1, 1, 1), (0.7, 0.9, 1.3)),
    ((1, 1, 3), (1, 1, 1)),
    (THICK, (1, 1, 4)),
    (THICK, (1, 1, 1)),
]


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=str)
@pytest.mark.parametrize("radius", [8, 15])
def test_a_ball_goes_to_the_network_and_its_probability_comes_back(
    source: Spacing, target: Spacing, radius: float
) -> None:
    shape = shape_of(source)
    mask = ball(shape, source, radius)
    grid = resampling(source, target, shape)
    network = grid.to_network(mask.astype(np.float32))
    assert dsc(network > 0.5, ball(network.shape, target, radius)) > 0.9  # type: ignore[arg-type]
    back = grid.to_source(network)
    assert back.shape == shape
    assert back.min() >= 0
    assert back.max() <= 1
    assert dsc(back > 0.5, mask) > 0.95


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=str)
def test_a_label_on_the_network_s_grid_comes_back_as_the_label(source: Spacing, target: Spacing) -> None:
    """The best that a network can say: the label that it learned, as a probability."""
    shape = shape_of(source)
    mask = ball(shape, source, 15)
    grid = resampling(source, target, shape)
    for how in ("nearest", "signed_distance"):
        label = grid.mask_to_network(mask, how, source)
        assert dsc(label, ball(label.shape, target, 15)) > 0.9
        assert dsc(grid.to_source(label.astype(np.float32)) > 0.5, mask) > 0.93


@pytest.mark.parametrize("target", [(2.0, 1.3, 0.7), (0.6, 1.0, 3.0)], ids=str)
def test_a_ramp_is_exact_there_and_back(target: Spacing) -> None:
    source: Spacing = (0.9, 1, 1.7)
    shape = (50, 44, 30)
    ramp = np.einsum("i,ixyz->xyz", [0.3, -0.2, 0.5], world(shape, about_the_middle(shape, source))).astype(np.float32)
    grid = resampling(source, target, shape)
    network = grid.to_network(ramp)
    expected = np.einsum("i,ixyz->xyz", [0.3, -0.2, 0.5], world(network.shape, about_the_middle(grid.shape, target)))
    inner = (slice(6, -6),) * 3
    np.testing.assert_allclose(network[inner], expected[inner], atol=2e-4)
    deep = (slice(14, -14), slice(14, -14), slice(10, -10))
    np.testing.assert_allclose(grid.to_source(network)[deep], ramp[deep], atol=4e-4)


# --------------------------------------------------------------------------------------------------------- laws

shapes = st.tuples(*[st.integers(1, 12)] * 3)
steps = st.tuples(*[st.one_of(st.just(1.0), st.floats(0.3, 4))] * 3)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    affine = np.diag([*draw(st.permutations([1.0, -2.0, 0.5])), 1.0])
    grid = whole_grid(draw(shapes), affine, draw(st.sampled_from(["RAS", "keep"]))).resampled(draw(steps))
    box = []
    for size in grid.reoriented_shape:
        first = draw(st.integers(0, size - 1))
        box.append((first, draw(st.integers(first + 1, size))))
    return grid.cropped((box[0], box[1], box[2]))


@given(grids())
@settings(max_examples=80, deadline=None)
def test_arrays_have_the_shapes_that_the_grid_says(grid: Grid) -> None:
    assert Grid.from_json_dict(grid.to_json_dict()) == grid
    source = np.random.default_rng(0).random(grid.source_shape).astype(np.float32)
    network = grid.to_network(source)
    assert network.shape == grid.shape
    assert network.dtype == np.float32
    back = grid.to_source(network)
    assert back.shape == grid.source_shape
    assert back.dtype == np.float32
    assert back.min() >= 0
    assert back.max() <= network.max() + 1e-6
    for kind in (np.bool_, np.uint8):
        assert grid.to_network(np.ones(grid.source_shape, kind)).all()
        assert grid.to_source(np.ones(grid.shape, kind)).dtype == kind


@given(grids())
@settings(max_examples=60, deadline=None)
def test_the_crop_changes_nothing_but_what_is_seen(grid: Grid) -> None:
    """A crop before resampling is the crop of what is resampled whole: nothing is lost at its sides."""
    whole = whole_grid(grid.source_shape, np.eye(4), "keep")
    whole = Grid(grid.source_shape, grid.axes, grid.flips, whole.box, steps=grid.steps)
    whole = Grid(
        grid.source_shape,
        grid.axes,
        grid.flips,
        tuple((0, size) for size in whole.whole_shape),  # type: ignore[arg-type]
        steps=grid.steps,
    )
    source = np.random.default_rng(1).normal(size=grid.source_shape).astype(np.float32)
    part = tuple(slice(*ends) for ends in grid.box)
    np.testing.assert_allclose(grid.to_network(source), whole.to_network(source)[part], atol=1e-5)
    mask = source > 0
    np.testing.assert_array_equal(grid.to_network(mask), whole.to_network(mask)[part])


@given(shapes, st.floats(0.3, 4))
@settings(max_examples=40, deadline=None)
def test_a_constant_stays_constant(shape: tuple[int, int, int], step: float) -> None:
    grid = whole_grid(shape, np.eye(4), "RAS").resampled((step, 1, step))
    network = grid.to_network(np.full(shape, 7, np.float32))
    np.testing.assert_allclose(network, 7, rtol=1e-5)
    np.testing.assert_allclose(grid.to_source(network), 7, rtol=1e-5)


@given(shapes, st.permutations([1.0, 2.0, 0.5]), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_the_file_s_own_spacing_changes_nothing(shape: tuple[int, int, int], spacing: list[float], seed: int) -> None:
    data = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    data[0, 0, 0], data[-1, -1, -1] = 1, 2
    affine = np.diag([*spacing, 1.0])
    affine[:3, :3] *= 1 + 4e-4  # headers round
    own, none = (
        PreprocessingConfig(spacing=of, normalise="none") for of in ((spacing[0], spacing[1], spacing[2]), None)
    )
    if data.min() == data.max():
        return
    there, as_is = prepare([Volume(data, affine)], own), prepare([Volume(data, affine)], none)
    assert there.grid == as_is.grid
    assert there.grid.steps is None
    np.testing.assert_array_equal(there.data, as_is.data)


def test_grids_of_before_are_read() -> None:
    old = {"source_shape": [4, 5, 6], "axes": [0, 1, 2], "flips": [1, 1, -1], "box": [[0, 2], [1, 3], [0, 6]]}
    grid = Grid.from_json_dict(old)
    assert grid.steps is None
    assert grid.shape == (2, 2, 6)


# ------------------------------------------------------------------------------------------------------ prepare


def head(shape: tuple[int, int, int], spacing: Spacing) -> Volume:
    affine = about_the_middle(shape, spacing)
    x, y, z = world(shape, affine)
    inside = x**2 + y**2 + z**2 < 24**2
    return Volume(np.where(inside, 300 + 40 * np.sin(x / 5) + 30 * np.cos(y / 6 + z / 9), 0).astype(np.float32), affine)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAR", "PIL"])
def test_the_spacing_is_that_of_the_network_s_axes(orientation: str) -> None:
    straight = head(shape_of((1, 1, 3)), (1, 1, 3))
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(straight.affine), nib.orientations.axcodes2ornt(orientation)
    )
    image = nib.Nifti1Image(straight.data, straight.affine).as_reoriented(turn)
    wanted = PreprocessingConfig(spacing=(1.5, 2, 2.5))
    first = prepare([straight], wanted)
    second = prepare([Volume(np.asarray(image.dataobj), image.affine)], wanted)
    np.testing.assert_allclose(first.spacing, (1.5, 2, 2.5))
    np.testing.assert_allclose(second.spacing, (1.5, 2, 2.5))
    np.testing.assert_allclose(second.data, first.data, atol=1e-4)
    assert second.grid.to_source(second.data[0]).shape == image.shape


def test_the_subject_is_normalised_on_the_network_s_grid_and_the_background_is_zero() -> None:
    result = prepare([head(shape_of(THICK), THICK)], PreprocessingConfig(spacing=(1, 1, 2)))
    data = result.data[0]
    subject = data != 0
    assert 0.3 < subject.mean() < 0.7
    assert data[subject].mean(dtype=np.float64) == pytest.approx(0, abs=1e-5)
    assert data[subject].std(dtype=np.float64) == pytest.approx(1, rel=1e-5)
    assert result.data.shape == (1, *result.grid.shape)
    extents = np.array(result.grid.shape) * (1, 1, 2)
    assert (extents >= 43).all()
    assert (extents <= 53).all()


def test_neighbouring_slices_are_those_of_the_network_s_grid() -> None:
    settings_ = PreprocessingConfig(spacing=(1, 1, 2), context=1)
    volume = head(shape_of(THICK), THICK)
    with_context, without = prepare([volume], settings_), prepare([volume], settings_.model_copy(update={"context": 0}))
    np.testing.assert_array_equal(with_context.data[1], without.data[0])
    np.testing.assert_array_equal(with_context.data[0][:, :, 1:], without.data[0][:, :, :-1])


def test_lesions_that_fall_between_the_new_voxels_are_told(caplog: pytest.LogCaptureFixture) -> None:
    volume = head((60, 60, 60), (1, 1, 1))
    lesions = np.zeros(volume.shape, bool)
    lesions[20:26, 20:26, 20:26] = lesions[40, 40, 40] = lesions[30, 30, 31] = True
    label = Volume(lesions, volume.affine, path=Path("label.nii"))
    prepare([volume], PreprocessingConfig(spacing=(1.5, 1.5, 1.5)), label)
    assert "label.nii: " in caplog.text
    assert "of 3 lesions fall between the voxels that preprocessing.spacing asks for" in caplog.text
    caplog.clear()
    prepare([volume], PreprocessingConfig(spacing=(0.8, 0.8, 0.8)), label)
    assert caplog.messages == []


def test_lesions_outside_the_crop_are_counted_in_the_file_s_voxels(caplog: pytest.LogCaptureFixture) -> None:
    volume = head((60, 60, 60), (1, 1, 1))
    lesions = np.zeros(volume.shape, bool)
    lesions[0, 0, 0:3] = lesions[30:34, 30:34, 30:34] = True
    prepare([volume], PreprocessingConfig(spacing=(2, 2, 2)), Volume(lesions, volume.affine))
    (message,) = caplog.messages
    assert "3 of 67 lesion voxels lie outside" in message


def test_a_missing_channel_is_zero() -> None:
    volume = head(shape_of(THICK), THICK)
    settings_ = PreprocessingConfig(spacing=(1, 1, 2), context=1)
    both = prepare([None, volume], settings_)
    assert both.data.shape[0] == 6
    assert not both.data[:3].any()
    np.testing.assert_array_equal(both.data[3:], prepare([volume], settings_).data)
    with pytest.raises(InputError, match="none of the channels"):
        prepare([None, None], settings_)


def test_stacks_have_no_spacing() -> None:
    stack = Volume(np.random.default_rng(0).random((20, 20, 3)), np.eye(4), path=Path("stack.tif"))
    with pytest.raises(InputError, match=r"stack\.tif does not say how large its voxels are"):
        prepare([stack], PreprocessingConfig(spacing=(1, 1, 1)))


@pytest.mark.parametrize(("voxel", "wanted"), [(1.0, 0.05), (5000.0, 1.0)])
def test_more_voxels_than_can_be_meant_are_refused_before_they_are_made(voxel: float, wanted: float) -> None:
    data = np.random.default_rng(0).random((80, 80, 80)).astype(np.float32)
    volume = Volume(data, np.diag([voxel, voxel, voxel, 1]), path=Path("flair.nii"))
    with pytest.raises(InputError, match=r"flair\.nii has 80 x 80 x 80 voxels .* it would have .*: check the file's"):
        prepare([volume], PreprocessingConfig(spacing=(wanted, wanted, wanted)))


def test_spacing_and_resize_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        PreprocessingConfig(spacing=(1, 1, 1), resize=(32, 32))
