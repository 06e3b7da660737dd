"""qform and sform: which one holds, and what is said where they disagree."""

from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import tifffile
from PIL import Image

from msseg.volumes import files
from msseg.volumes.files import read_header, read_volume
from msseg.volumes.forms import DISAGREEMENT_MM, corner_distance

SHAPE = (40, 50, 60)
FIRST = np.array([[-0.9, 0.1, 0, 30], [0.1, 0.9, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    files._SAID.clear()


def store(path: Path, sform: np.ndarray | None, qform: np.ndarray | None, kind: type = nib.Nifti1Image) -> Path:
    image = kind(np.ones(SHAPE, np.uint8), None)
    image.header.set_sform(sform, code=0 if sform is None else 4)
    image.header.set_qform(qform, code=0 if qform is None else 1)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_the_sform_holds_before_the_qform_and_the_qform_before_the_sizes(tmp_path: Path, kind: type) -> None:
    moved = FIRST + np.outer([1, 0, 0, 0], [0, 0, 0, 7])
    both = store(tmp_path / "both.nii", FIRST, moved, kind)
    lone = store(tmp_path / "qform.nii", None, moved, kind)
    none = store(tmp_path / "none.nii", None, None, kind)
    np.testing.assert_allclose(read_header(both).affine, FIRST, atol=1e-6)
    np.testing.assert_allclose(read_header(lone).affine, moved, atol=1e-5)
    for path in (both, lone, none):
        np.testing.assert_array_equal(read_header(path).affine, nib.load(path).affine)
    assert read_header(lone).qform_sform_mm is None
    assert read_header(none).qform_sform_mm is None
    assert [read_header(path).oriented for path in (both, lone, none)] == [True, True, False]


def test_a_disagreement_is_told_once_in_millimetres(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    moved = FIRST + np.outer([1, 1, 0, 0], [0, 0, 0, 3])  # all corners by 3 mm along two axes
    path = store(tmp_path / "a.nii.gz", FIRST, moved)
    assert read_header(path).qform_sform_mm == pytest.approx(np.hypot(3, 3), abs=1e-3)
    assert caplog.messages == []  # reading a header says nothing
    read_volume(path)
    read_volume(path)
    assert caplog.messages == [
        f"{path}: its sform (code 4) and qform (code 1) place it up to 4.24 mm apart; the sform is used"
    ]


def test_what_rounding_does_to_a_qform_is_no_disagreement(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    random = np.random.default_rng(0)
    for number in range(50):
        rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = rotation * random.uniform(0.5, 3, 3)
        affine[:3, 3] = random.uniform(-200, 200, 3)
        path = store(tmp_path / f"{number}.nii", affine, affine)
        apart = read_header(path).qform_sform_mm
        assert apart is not None
        assert apart < DISAGREEMENT_MM
        read_volume(path)
    assert caplog.messages == []


def test_a_tilt_counts_at_the_farthest_corner() -> None:
    tilt = np.eye(4)
    tilt[0, 2] = 0.01
    assert corner_distance(np.eye(4), tilt, (11, 21, 101)) == pytest.approx(1.0)
    assert corner_distance(np.eye(4), np.full((4, 4), np.nan), (2, 2, 2)) == np.inf


def test_a_qform_that_is_no_rotation_is_told_where_the_sform_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = store(tmp_path / "a.nii", FIRST, FIRST)
    content = bytearray(path.read_bytes())
    content[256:260] = np.float32(5).tobytes()  # quatern_b
    path.write_bytes(content)
    np.testing.assert_allclose(read_volume(path).affine, FIRST, atol=1e-6)
    assert "the qform of its sform (code 4) and qform (code 1) is unusable; the sform is used" in caplog.text
    assert read_header(path).qform_sform_mm == np.inf


def test_lengths_in_other_units_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = nib.Nifti1Image(np.ones(SHAPE, np.uint8), FIRST)
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii").affine, FIRST, rtol=1e-6)
    assert "gives lengths in micrometres; its numbers are taken as mm" in caplog.text


def test_a_file_without_forms_is_told_to_have_no_sides(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    volume = read_volume(store(tmp_path / "a.nii", None, None))
    assert "check which side is left" in caplog.text
    assert not volume.sides_known
    assert read_volume(store(tmp_path / "b.nii", FIRST, None)).sides_known


def test_headers_of_stacks(tmp_path: Path) -> None:
    stack = np.zeros((3, 20, 30), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["main"] = stack
    Image.fromarray(stack[0].astype(np.uint8)).save(tmp_path / "a.png")
    for name, kind, shape, dtype in (
        ("a.tif", "tiff", (20, 30, 3), np.uint16),
        ("a.h5", "hdf5", (20, 30, 3), np.uint16),
        ("a.h5/main", "hdf5", (20, 30, 3), np.uint16),
        ("a.png", "png", (20, 30, 1), np.uint8),
    ):
        header = read_header(tmp_path / name)
        assert (header.kind, header.shape, header.dtype) == (kind, shape, dtype)
        assert header.shape == read_volume(tmp_path / name).shape
        assert not header.oriented
