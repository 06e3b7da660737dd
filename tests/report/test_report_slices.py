"""The slice that is shown: orientation, choice, aspect, window."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from msseg.errors import InputError
from msseg.report.slices import axial, canonical, grey_levels, read_case_slice, read_case_slices
from msseg.volumes.volume import Volume

KEY = ("3D U-Net", "FLAIR")
ORIENTATIONS = [
    "".join(codes) for axes in itertools.permutations(("LR", "PA", "IS")) for codes in itertools.product(*axes)
]


def head(shape=(10, 12, 6)):
    """A volume in RAS with a bright corner at the patient's right front, in the second slice from below."""
    data = np.full(shape, 50, dtype=np.float32)
    data[7:9, 9:11, 1] = 200
    return data


def write(folder, name, data, affine=None, orientation="RAS", coded=True):
    """Write a RAS array in any orientation of the file's axes."""
    affine = np.diag([2.0, 1.0, 3.0, 1.0]) if affine is None else affine
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(orientation))
    turned = apply_orientation(data, turn).astype(np.uint8)
    image = nib.Nifti1Image(turned, affine @ inv_ornt_aff(turn, data.shape) if coded else None)
    path = folder / f"{name}.nii"
    nib.save(image, path)
    return path


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_of_the_file_shows_the_same_picture(tmp_path, orientation):
    data = head()
    truth = write(tmp_path, "truth", data > 100, orientation=orientation)
    image = write(tmp_path, "image", data, orientation=orientation)
    shown = read_case_slice("a", "p", {"FLAIR": image}, truth, {KEY: truth})
    assert shown.truth.shape == (12, 10)
    assert shown.pixel_mm == pytest.approx((1.0, 2.0))
    assert shown.number == (2, 6)
    assert shown.z_mm == pytest.approx(3.0)
    rows, columns = np.nonzero(shown.truth)
    assert set(columns) == {1, 2}  # the patient's right is on the left
    assert set(rows) == {1, 2}  # the front is up
    assert (shown.images["FLAIR"][shown.truth] == 255).all()
    assert (shown.predictions[KEY] == shown.truth).all()


def test_an_oblique_volume_is_shown_in_the_nearest_orientation():
    turn = np.deg2rad(15)
    affine = np.eye(4)
    affine[:2, :2] = [[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    upright = canonical(Volume(np.arange(24.0).reshape(2, 3, 4), affine))
    assert upright.orientation == "RAS"
    assert upright.data[0, 0, 0] == 12  # the first axis is flipped
    assert upright.affine @ [0, 0, 0, 1] == pytest.approx(affine @ [1, 0, 0, 1])


def test_axial_slices_are_front_up_and_right_on_the_left():
    data = np.zeros((2, 2, 1))
    data[1, 1, 0] = 1  # right, front
    assert axial(data, 0).tolist() == [[1, 0], [0, 0]]


def test_the_slice_with_most_lesion_is_shown(tmp_path):
    truth = np.zeros((6, 6, 5), dtype=np.float32)
    truth[2, 2, 1], truth[2:4, 2, 3] = 1, 1
    path = write(tmp_path, "truth", truth)
    assert read_case_slice("a", "", {}, path, {}).number == (4, 5)


def test_without_lesion_the_prediction_chooses_and_then_the_middle(tmp_path):
    empty = write(tmp_path, "empty", np.zeros((6, 6, 5)))
    wrong = np.zeros((6, 6, 5))
    wrong[1, 1, 4] = 1
    shown = read_case_slice("a", "", {}, empty, {KEY: write(tmp_path, "wrong", wrong)})
    assert shown.number == (5, 5)
    assert "most predicted lesion" in shown.chosen
    shown = read_case_slice("a", "", {}, empty, {KEY: empty})
    assert shown.number == (3, 5)
    assert "the middle slice" in shown.chosen


def test_the_picture_is_cropped_to_the_head_with_a_margin_in_mm(tmp_path):
    data = np.zeros((40, 60, 3), dtype=np.float32)
    data[15:25, 20:40, 1] = 100
    image, truth = write(tmp_path, "image", data), write(tmp_path, "truth", data > 200)
    shown = read_case_slice("a", "", {"FLAIR": image}, truth, {})
    assert shown.truth.shape == (20 + 2 * 4, 10 + 2 * 2)  # 4 mm at 1 and at 2 mm
    assert shown.size_mm == (28, 28)
    assert shown.images["FLAIR"].shape == shown.truth.shape


def test_a_file_without_orientation_has_no_known_sides(tmp_path):
    data = head()
    truth = write(tmp_path, "truth", data > 100, coded=False)
    assert not read_case_slice("a", "", {}, truth, {}).sides_known


def test_another_grid_is_refused(tmp_path):
    truth = write(tmp_path, "truth", head() > 100)
    moved = write(tmp_path, "moved", head(), affine=np.diag([2.0, 1.0, 4.0, 1.0]))
    with pytest.raises(InputError, match=r"moved\.nii does not lie on the grid of .*truth\.nii"):
        read_case_slice("a", "", {"FLAIR": moved}, truth, {})
    with pytest.raises(InputError, match="the case a has no expert's mask"):
        read_case_slice("a", "", {}, None, {})


def test_grey_levels_span_the_subject_and_leave_the_outside_black():
    values = np.concatenate([np.zeros(50), np.linspace(-2, 3, 1000)]).reshape(105, 10)
    grey = grey_levels(values)
    assert grey[values == 0].max() == 0
    assert grey.max() == 255
    assert grey[values < -1.9].max() < 10
    assert (grey_levels(np.zeros((3, 3))) == 0).all()
    assert (grey_levels(np.full((3, 3), 7.0)) == 255).all()


def test_images_on_another_grid_are_drawn_where_the_run_resampled_them(tmp_path):
    truth = np.zeros((20, 24, 12), dtype=bool)
    truth[5:9, 5:9, 4:6] = True
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    moved = affine.copy()
    moved[0, 3] = -2.0  # begins two voxels to the left
    image = np.where(truth, 200, 100).astype(np.float32)
    nib.save(nib.Nifti1Image(truth.astype(np.uint8), affine), tmp_path / "truth.nii.gz")
    nib.save(nib.Nifti1Image(np.pad(image, ((2, 0), (0, 0), (0, 0))), moved), tmp_path / "image.nii.gz")
    files = ("a", "", {"FLAIR": tmp_path / "image.nii.gz"}, tmp_path / "truth.nii.gz", {})
    with pytest.raises(InputError, match=r"image\.nii\.gz"):
        read_case_slices(*files)
    (shown,) = read_case_slices(*files, align="resample")
    assert ((shown.images["FLAIR"] == 255) == shown.truth).all()
