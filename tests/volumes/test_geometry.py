"""The way to the network's grid and back, for every orientation of axes and any crop."""

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.config.preprocessing import PreprocessingConfig
from msseg.volumes.files import read_volume, write_volume
from msseg.volumes.geometry import Grid, bounding_box, whole_grid
from msseg.volumes.preprocessing import prepare
from msseg.volumes.volume import Volume

ORIENTATIONS = [
    "".join(pair[flip] for pair, flip in zip(order, flips, strict=True))
    for order in itertools.permutations(["RL", "AP", "SI"])
    for flips in itertools.product((0, 1), repeat=3)
]
OBLIQUE = np.array([[0.9, -0.3, 0.2, 12], [0.25, 1.1, -0.3, -40], [-0.1, 0.4, 2.5, 7], [0, 0, 0, 1.0]])
SHEARED = np.array([[1, 0.5, 0.3, 0], [0, 1.5, 0.4, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]])
AFFINES = {"straight": np.diag([1, 2, 3, 1.0]), "oblique": OBLIQUE, "sheared": SHEARED}


def head(shape: tuple[int, int, int] = (5, 6, 7)) -> np.ndarray:
    """Different values everywhere, inside a border of zeros that is wider at one end."""
    data = np.zeros(shape, np.float32)
    inner = tuple(slice(1, size - 2) for size in shape)
    data[inner] = np.arange(1, data[inner].size + 1).reshape(data[inner].shape)
    return data


def turned(data: np.ndarray, affine: np.ndarray, orientation: str) -> nib.Nifti1Image:
    """The same content in the same place, with the array's axes in another order and direction."""
    image = nib.Nifti1Image(data, affine)
    now = nib.io_orientation(affine)
    return image.as_reoriented(nib.orientations.ornt_transform(now, nib.orientations.axcodes2ornt(orientation)))


# ---------------------------------------------------------------------------------------- file -> grid -> file


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("affine", AFFINES)
def test_from_file_to_grid_and_back_to_file_is_the_identity(tmp_path: Path, affine: str, orientation: str) -> None:
    source = turned(head(), AFFINES[affine], orientation)
    nib.save(source, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.orientation == orientation
    prepared = prepare([volume], PreprocessingConfig(normalise="none"))
    write_volume(tmp_path / "b.nii", prepared.grid.to_source(prepared.data[0]), volume)
    before, after = nib.load(tmp_path / "a.nii"), nib.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
    np.testing.assert_array_equal(after.affine, before.affine)
    for code in ("sform_code", "qform_code"):
        assert after.header[code] == before.header[code]
    # Whatever the file's orientation, the network sees the same array.
    np.testing.assert_array_equal(prepared.data[0], head()[1:-2, 1:-2, 1:-2])
    np.testing.assert_allclose(prepared.spacing, np.linalg.norm(AFFINES[affine][:3, :3], axis=0), rtol=1e-6)


@pytest.mark.parametrize("orientation", ["RAS", "PIL", "SLA"])
def test_keep_leaves_the_axes_as_they_are(orientation: str) -> None:
    source = turned(head(), OBLIQUE, orientation)
    data = np.asarray(source.dataobj)
    grid = whole_grid(data.shape, source.affine, "keep")
    np.testing.assert_array_equal(grid.to_network(data), data)
    np.testing.assert_array_equal(grid.to_source(data), data)


# ------------------------------------------------------------------------------------------------------ laws

shapes = st.tuples(*[st.integers(1, 6)] * 3)
entries = st.floats(-2, 2, allow_nan=False)


@st.composite
def affines(draw: Any) -> np.ndarray:
    """Any invertible affine: turned, mirrored, sheared, stretched."""
    matrix = np.array(draw(st.lists(entries, min_size=9, max_size=9))).reshape(3, 3)
    if abs(np.linalg.det(matrix)) < 1e-2:
        matrix = matrix + np.diag(draw(st.sampled_from([(5.0, 5, 5), (-5.0, 5, 5), (7.0, -7, 9)])))
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = draw(st.tuples(entries, entries, entries))
    return affine


@st.composite
def grids(draw: Any) -> Grid:
    whole = whole_grid(draw(shapes), draw(affines()), draw(st.sampled_from(["RAS", "keep"])))
    box = []
    for size in whole.shape:
        first = draw(st.integers(0, size - 1))
        box.append((first, draw(st.integers(first + 1, size))))
    return Grid(whole.source_shape, whole.axes, whole.flips, (box[0], box[1], box[2]))


@given(shapes, affines())
@settings(max_examples=40, deadline=None)
def test_the_network_s_axes_run_right_forward_and_up(shape: tuple[int, int, int], affine: np.ndarray) -> None:
    data = np.arange(np.prod(shape)).reshape(shape).astype(np.int32)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(data, affine))  # nibabel's own way there
    network = whole_grid(shape, affine, "RAS").to_network(data)
    np.testing.assert_array_equal(network, np.asarray(canonical.dataobj))


@given(grids())
@settings(max_examples=40, deadline=None)
def test_inside_the_crop_the_way_back_undoes_the_way_there(grid: Grid) -> None:
    source = np.arange(1, np.prod(grid.source_shape) + 1).reshape(grid.source_shape)
    network = grid.to_network(source)
    assert network.shape == grid.shape
    back = grid.to_source(network)
    inside = back != 0
    np.testing.assert_array_equal(back[inside], source[inside])
    assert np.count_nonzero(inside) == np.prod(grid.shape)
    np.testing.assert_array_equal(grid.to_network(back), network)
    np.testing.assert_array_equal(grid.to_source(network, fill=-1)[~inside], -1)


@given(grids(), st.sampled_from([np.bool_, np.uint8, np.float32]))
@settings(max_examples=20, deadline=None)
def test_the_way_back_keeps_the_type_and_gives_a_plain_array(grid: Grid, dtype: type) -> None:
    back = grid.to_source(np.ones(grid.shape, dtype))
    assert back.dtype == dtype
    assert back.flags["C_CONTIGUOUS"]
    assert back.shape == grid.source_shape


@given(grids())
@settings(max_examples=20, deadline=None)
def test_a_grid_survives_json(grid: Grid) -> None:
    assert Grid.from_json_dict(grid.to_json_dict()) == grid


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_bounding_box_is_the_smallest(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    chosen = data.draw(st.sets(st.tuples(*[st.integers(0, size - 1) for size in shape]), max_size=4))
    mask = np.zeros(shape, bool)
    for voxel in chosen:
        mask[voxel] = True
    places = np.argwhere(mask)
    expected = (
        tuple(zip(places.min(axis=0).tolist(), (places.max(axis=0) + 1).tolist(), strict=True))
        if chosen
        else tuple((0, size) for size in shape)
    )
    assert bounding_box(mask) == expected


def test_arrays_that_do_not_fit_are_refused() -> None:
    grid = Grid((4, 5, 6), (0, 1, 2), (1, 1, 1), ((0, 2), (0, 3), (0, 4)))
    with pytest.raises(ValueError, match="not on a grid of shape"):
        grid.to_network(np.zeros((4, 5, 7)))
    with pytest.raises(ValueError, match="not on a grid of shape"):
        grid.to_source(np.zeros((1, 1, 1)))  # would be repeated otherwise


def test_a_volume_describes_its_grid() -> None:
    volume = Volume(np.zeros((2, 3, 4)), np.array([[0, 0, -1.5, 9], [-2, 0, 0, 8], [0, 1, 0, 7.25], [0, 0, 0, 1]]))
    assert volume.spacing == (2, 1, 1.5)
    assert volume.orientation == "PSL"
    assert volume.describe_grid() == "2 x 3 x 4 voxels of 2 x 1 x 1.5 mm, PSL, origin (9, 8, 7.25)"
