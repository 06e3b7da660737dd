"""`--fix` writes repaired copies of what has one safe repair, and says of everything else why not."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from msseg.doctor.findings import Examination, Finding
from msseg.doctor.repair import NEEDS_A_PERSON, repair
from msseg.errors import InputError
from msseg.volumes.files import read_header, read_volume

FLAIR, LABEL = "patient03/patient03_FLAIR.nii.gz", "patient03/patient03_consensus_gt.nii.gz"


def rewrite(path: Path, data: np.ndarray, sform: np.ndarray | None = None, qform: np.ndarray | None = None) -> None:
    image = nib.load(path)
    made = nib.Nifti1Image(data, image.affine)
    made.set_sform(image.affine if sform is None else sform, 4)
    made.set_qform(image.affine if qform is None else qform, 2)
    nib.save(made, path)


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj).copy()


def files_and_bytes(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def fixed(examined: Callable[..., Examination], tmp_path: Path) -> Callable[[Path], tuple[Examination, Path]]:
    """Repair a folder into another; the originals have to stay as they are."""

    def run(root: Path) -> tuple[Examination, Path]:
        before = files_and_bytes(root)
        out = tmp_path / "fixed"
        result = repair(examined(root), root, out)
        assert files_and_bytes(root) == before
        return result, out

    return run


def only(examination: Examination) -> Finding:
    (finding,) = examination.findings
    return finding


def test_nan_becomes_zero_and_nothing_else_changes(three: Path, fixed: Callable) -> None:
    data = voxels(three / FLAIR)
    data[0, :3, 0] = np.nan
    rewrite(three / FLAIR, data)
    examination, out = fixed(three)
    np.testing.assert_array_equal(voxels(out / FLAIR), np.nan_to_num(data))
    assert nib.load(out / FLAIR).header == nib.load(three / FLAIR).header
    assert "3 voxels set to 0" in only(examination).repairs[0]
    assert [path for path in out.rglob("*") if path.is_file()] == [out / FLAIR]


def test_a_mask_of_255_becomes_one_of_1(three: Path, fixed: Callable) -> None:
    data = voxels(three / LABEL)
    rewrite(three / LABEL, data * 255)
    examination, out = fixed(three)
    np.testing.assert_array_equal(voxels(out / LABEL), data)
    assert "values set to 0 and 1" in only(examination).repairs[0]


def test_the_qform_becomes_the_sform(three: Path, fixed: Callable) -> None:
    away = nib.load(three / FLAIR).affine.copy()
    away[:3, 3] += 9
    rewrite(three / FLAIR, voxels(three / FLAIR), qform=away)
    _, out = fixed(three)
    header, original = nib.load(out / FLAIR).header, nib.load(three / FLAIR).header
    np.testing.assert_allclose(header.get_qform(), original.get_sform(), atol=1e-4)
    np.testing.assert_array_equal(header.get_sform(), original.get_sform())
    assert int(header["sform_code"]) == 4
    np.testing.assert_array_equal(voxels(out / FLAIR), voxels(three / FLAIR))


def test_one_frame_becomes_3d(three: Path, fixed: Callable) -> None:
    rewrite(three / FLAIR, voxels(three / FLAIR)[..., np.newaxis])
    _, out = fixed(three)
    assert nib.load(out / FLAIR).shape == (48, 56, 40)


def test_a_tiny_shift_of_the_label_is_undone(three: Path, fixed: Callable) -> None:
    off = nib.load(three / LABEL).affine.copy()
    off[0, 3] += 0.3
    rewrite(three / LABEL, voxels(three / LABEL), off, off)
    examination, out = fixed(three)
    np.testing.assert_allclose(read_header(out / LABEL).affine, read_header(three / FLAIR).affine)
    assert "geometry copied from patient03_FLAIR.nii.gz" in only(examination).repairs[0]


def test_a_large_shift_is_left_to_a_person(three: Path, fixed: Callable) -> None:
    off = nib.load(three / LABEL).affine.copy()
    off[0, 3] += 4
    rewrite(three / LABEL, voxels(three / LABEL), off, off)
    examination, out = fixed(three)
    assert "corners lie 4 mm apart, which may be a real shift" in only(examination).repairs[0]
    assert not out.exists()


def test_several_repairs_of_one_file_are_written_once(three: Path, fixed: Callable) -> None:
    data = voxels(three / FLAIR)[..., np.newaxis]
    data[0, 0, 0] = np.inf
    rewrite(three / FLAIR, data)
    examination, out = fixed(three)
    assert {finding.kind for finding in examination.findings} == {"not_finite", "single_frame"}
    written = voxels(out / FLAIR)
    assert written.shape == (48, 56, 40)
    assert np.isfinite(written).all()


def test_what_takes_a_decision_is_not_repaired(three: Path, fixed: Callable) -> None:
    rewrite(three / LABEL, voxels(three / LABEL)[::-1])
    examination, out = fixed(three)
    assert only(examination).repairs == (NEEDS_A_PERSON,)
    assert not out.exists()


def test_files_of_other_families_are_repaired_by_reading_and_writing(
    three: Path, examined: Callable, tmp_path: Path
) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.where(voxels(three / LABEL), 255, 0).astype(np.uint8))
    folder = tmp_path / "loose"
    folder.mkdir()
    shutil.copy(three / FLAIR, folder / "a.nii.gz")
    sitk.WriteImage(sitk.ReadImage(folder / "a.nii.gz"), folder / "a.nrrd")
    (folder / "a.nii.gz").unlink()
    flair = sitk.ReadImage(folder / "a.nrrd")
    image = sitk.GetImageFromArray(sitk.GetArrayFromImage(flair > 150) * np.uint8(255))
    image.CopyInformation(flair)
    sitk.WriteImage(image, folder / "a_mask.nrrd")
    result = repair(examined(folder, None), folder, tmp_path / "fixed")
    assert any("values set to 0 and 1" in text for finding in result.findings for text in finding.repairs)
    assert set(np.unique(read_volume(tmp_path / "fixed" / "a_mask.nrrd").data)) == {0, 1}


def test_nothing_is_overwritten(three: Path, examined: Callable, tmp_path: Path) -> None:
    rewrite(three / LABEL, voxels(three / LABEL) * 255)
    target = tmp_path / "fixed" / LABEL
    target.parent.mkdir(parents=True)
    target.write_bytes(b"mine")
    result = repair(examined(three), three, tmp_path / "fixed")
    assert target.read_bytes() == b"mine"
    assert "is there already" in only(result).repairs[0]


def test_copies_do_not_go_among_the_originals(three: Path, examined: Callable) -> None:
    with pytest.raises(InputError, match="name a folder outside"):
        repair(examined(three), three, three / "fixed")


def test_repaired_files_repeat_to_the_byte(three: Path, examined: Callable, tmp_path: Path) -> None:
    rewrite(three / LABEL, voxels(three / LABEL) * 255)
    for name in ("one", "two"):
        repair(examined(three), three, tmp_path / name)
    assert (tmp_path / "one" / LABEL).read_bytes() == (tmp_path / "two" / LABEL).read_bytes()
    assert gzip.decompress((tmp_path / "one" / LABEL).read_bytes())
