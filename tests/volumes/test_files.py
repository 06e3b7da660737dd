"""Reading and writing NIfTI files: what is read is what stands in the file, and what is written lies on its grid."""

import gzip
import logging
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from msseg.errors import InputError
from msseg.volumes.files import (
    read_label,
    read_volume,
    require_same_grid,
    same_grid,
    volume_stem,
    volume_suffix,
    write_volume,
)
from msseg.volumes.volume import Volume

OBLIQUE = np.array([[-0.9, 0.2, 0.1, 30], [0.15, 1.9, -0.3, -20], [0.1, 0.3, 2.8, 5], [0, 0, 0, 1.0]])
SHAPE = (4, 5, 6)


def voxels(dtype: object = np.int16, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def store(path: Path, data: np.ndarray, kind: type = nib.Nifti1Image, affine: np.ndarray = OBLIQUE) -> Path:
    nib.save(kind(data, affine), path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


# --------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_voxels_and_affine_are_read(tmp_path: Path, name: str, kind: type, dtype: type) -> None:
    store(tmp_path / name.lower(), voxels(dtype), kind).rename(tmp_path / name)
    volume = read_volume(tmp_path / name)
    assert volume.data.dtype == np.float32
    np.testing.assert_array_equal(volume.data, voxels(dtype))
    np.testing.assert_allclose(volume.affine, OBLIQUE, rtol=1e-6)
    assert volume.shape == SHAPE
    assert volume.path == tmp_path / name
    np.testing.assert_allclose(volume.spacing, np.linalg.norm(OBLIQUE[:3, :3], axis=0), rtol=1e-6)


def test_a_big_endian_file_is_read(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(voxels(), OBLIQUE, header), tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == struct.pack(">i", 348)
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.data, voxels())
    write_volume(tmp_path / "b.nii", volume.data, volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii").data, voxels())


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_intensity_scaling_is_applied(tmp_path: Path, name: str) -> None:
    content = bytearray(nib.Nifti1Image(voxels(), OBLIQUE).to_bytes())
    struct.pack_into("<ff", content, 112, 0.5, -3)  # scl_slope and scl_inter of the NIfTI-1 standard
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    np.testing.assert_array_equal(read_volume(tmp_path / name).data, voxels() * np.float32(0.5) - 3)


@pytest.mark.parametrize("extra", [(1,), (1, 1)])
def test_further_axes_of_length_one_are_dropped(tmp_path: Path, extra: tuple[int, ...]) -> None:
    path = store(tmp_path / "a.nii.gz", voxels().reshape(*SHAPE, *extra))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, voxels())
    write_volume(tmp_path / "b.nii.gz", volume.data > 7, volume)
    written = nib.load(tmp_path / "b.nii.gz")
    assert written.shape == SHAPE
    np.testing.assert_array_equal(written.affine, nib.load(path).affine)


def test_another_type_can_be_asked_for(tmp_path: Path) -> None:
    fine = 1 + voxels(np.float64) * 1e-12
    volume = read_volume(store(tmp_path / "a.nii", fine), np.float64)
    np.testing.assert_array_equal(volume.data, fine)


def test_a_file_that_changes_after_reading_does_not_change_the_voxels(tmp_path: Path) -> None:
    path = store(tmp_path / "a.nii", voxels(np.float32))
    volume = read_volume(path)
    with path.open("r+b") as file:
        file.seek(352)
        file.write(b"\0" * 400)
    np.testing.assert_array_equal(volume.data, voxels())


def test_header_extensions_do_not_disturb(tmp_path: Path) -> None:
    image = nib.Nifti1Image(voxels(), OBLIQUE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 100))
    nib.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.data, voxels())
    write_volume(tmp_path / "b.nii.gz", volume.data, volume)
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii.gz").data, voxels())


def test_a_label_is_true_above_the_threshold(tmp_path: Path) -> None:
    data = np.array([0, 0.25, 0.5, 0.75, 1, 3], dtype=np.float32).reshape(1, 2, 3)
    path = store(tmp_path / "a.nii", data)
    np.testing.assert_array_equal(read_label(path).data.ravel(), [False, False, False, True, True, True])
    np.testing.assert_array_equal(read_label(path, 0.7).data.ravel(), [False, False, False, True, True, True])
    np.testing.assert_array_equal(read_label(path, 0.2).data.ravel(), [False, True, True, True, True, True])
    assert read_label(path).data.dtype == bool


# --------------------------------------------------------------------------------------- NaN and infinity


def test_voxels_that_are_no_numbers_become_background_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = voxels(np.float32) + 1
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    path = store(tmp_path / "a.nii.gz", data)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data[0, 0], [0, 0, 0, 4, 5, 6])
    np.testing.assert_array_equal(volume.data[1:], data[1:])
    assert [(record.name.split(".")[0], record.levelno) for record in caplog.records] == [("msseg", logging.WARNING)]
    assert caplog.messages == [f"{path}: 3 voxels with NaN or infinity, taken as background (0)"]
    assert not read_label(path).data[0, 0, :3].any()


def test_numbers_beyond_float32_are_infinite(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = voxels(np.float64)
    data[1, 2, 3] = 1e300
    assert read_volume(store(tmp_path / "a.nii", data)).data[1, 2, 3] == 0
    assert "1 voxel with" in caplog.text


def test_a_sound_file_is_read_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_volume(store(tmp_path / "a.nii", voxels()))
    assert caplog.messages == []


def test_a_volume_without_any_number_is_refused(tmp_path: Path) -> None:
    assert "holds no finite number" in refusal(store(tmp_path / "a.nii", np.full(SHAPE, np.nan, np.float32)))


# ------------------------------------------------------------------------------------------------ refusing


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "a.nii.gz")
    (tmp_path / "folder.nii").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.nii")
    (tmp_path / "link.nii").symlink_to(tmp_path / "annexed")
    assert "is a link to" in refusal(tmp_path / "link.nii")
    os.mkfifo(tmp_path / "pipe.nii")
    assert "a pipe" in refusal(tmp_path / "pipe.nii")
    assert "name has to end in" in refusal(store(tmp_path / "a.nii", voxels()).rename(tmp_path / "a.dat"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.nii", b"", "is empty"),
        ("a.nii.gz", b"", "is empty"),
        ("a.nii.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.nii", b"An introduction to MRI." * 100, "not a NIfTI file"),
        ("a.nii.gz", gzip.compress(b"An introduction to MRI." * 100, mtime=0), "not a NIfTI file"),
        ("a.nii.gz", b"An introduction to MRI.", "not compressed by gzip"),
        ("a.nii.gz", nib.Nifti1Image(voxels(), OBLIQUE).to_bytes(), "rename it to end in .nii"),
        ("a.nii", gzip.compress(nib.Nifti1Image(voxels(), OBLIQUE).to_bytes()), "rename it to end in .nii.gz"),
        ("a.nii", struct.pack("<i", 348) + bytes(344), "header cannot be read"),
        ("a.nii.gz", b"\x1f\x8b" + bytes(50), "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_nifti_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in refusal(tmp_path / name)


@pytest.fixture(scope="module")
def compressed() -> bytes:
    noise = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
    return gzip.compress(nib.Nifti1Image(noise, OBLIQUE).to_bytes())


@pytest.mark.parametrize("share", [0.0005, 0.003, 0.05, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_gz_file_is_refused(tmp_path: Path, compressed: bytes, share: float) -> None:
    (tmp_path / "a.nii.gz").write_bytes(compressed[: 2 + int(share * len(compressed))])
    assert "is damaged" in refusal(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("missing", [1, 4, 8, 9])
def test_a_gz_file_whose_last_bytes_are_missing_is_refused(tmp_path: Path, compressed: bytes, missing: int) -> None:
    """All voxels are there, but nothing tells whether they are right."""
    (tmp_path / "a.nii.gz").write_bytes(compressed[:-missing])
    assert "is damaged" in refusal(tmp_path / "a.nii.gz")


def test_a_gz_file_with_a_wrong_bit_is_refused(tmp_path: Path, compressed: bytes) -> None:
    for place in (len(compressed) // 2, len(compressed) - 6):
        content = bytearray(compressed)
        content[place] ^= 1
        (tmp_path / "a.nii.gz").write_bytes(content)
        assert "is damaged" in refusal(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("length", [3, 100, 347, 348, 351, 352, 353, 500])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_truncated_nii_file_is_refused(tmp_path: Path, length: int, kind: type) -> None:
    (tmp_path / "a.nii").write_bytes(kind(voxels(), OBLIQUE).to_bytes()[:length])
    words = refusal(tmp_path / "a.nii")
    assert "is damaged" in words or "not a NIfTI file" in words


def test_zeros_after_a_gz_file_do_no_harm(tmp_path: Path, compressed: bytes) -> None:
    (tmp_path / "a.nii.gz").write_bytes(compressed + bytes(100))
    assert read_volume(tmp_path / "a.nii.gz").shape == (9, 10, 11)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6, 2), (4, 5, 6, 1, 3)])
def test_other_than_three_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    words = refusal(store(tmp_path / "a.nii", voxels(shape=shape)))
    assert " x ".join(map(str, shape)) in words
    assert "one 3D volume is needed" in words


def test_colours_and_complex_numbers_are_refused(tmp_path: Path) -> None:
    colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "holds colours" in refusal(store(tmp_path / "rgb.nii", colours))
    assert "holds complex numbers" in refusal(store(tmp_path / "c.nii", np.zeros(SHAPE, np.complex64)))


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([0, 1, 1, 1.0]),
        np.diag([1, np.nan, 1, 1.0]),
        np.diag([1, 1, np.inf, 1.0]),
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    ],
)
def test_an_affine_that_places_no_volume_is_refused(tmp_path: Path, affine: object) -> None:
    content = bytearray(nib.Nifti1Image(voxels(), np.eye(4)).to_bytes())
    struct.pack_into("<hh", content, 252, 0, 2)  # no qform, an aligned sform
    struct.pack_into("<12f", content, 280, *np.asarray(affine, dtype=float)[:3].ravel())
    (tmp_path / "a.nii").write_bytes(content)
    assert "affine" in refusal(tmp_path / "a.nii")


def test_voxels_of_nanometres_are_read(tmp_path: Path) -> None:
    """Electron microscopes' voxels are 4 nm wide, 0.000004 mm."""
    path = store(tmp_path / "a.nii", voxels(), affine=np.diag([4e-6, 4e-6, 5e-5, 1]))
    np.testing.assert_allclose(read_volume(path).spacing, (4e-6, 4e-6, 5e-5), rtol=1e-5)


@pytest.mark.parametrize("size", [-1, 0, np.nan, np.inf])
@pytest.mark.parametrize("sform_code", [0, 2])
def test_a_voxel_size_that_is_none_is_refused(tmp_path: Path, size: float, sform_code: int) -> None:
    """Even beside a sound sform: tools that go by the sizes would see another volume."""
    content = bytearray(nib.Nifti1Image(voxels(), np.diag([1, 2, 3, 1])).to_bytes())
    struct.pack_into("<f", content, 84, size)  # pixdim[2]
    struct.pack_into("<h", content, 254, sform_code)
    (tmp_path / "a.nii").write_bytes(content)
    assert f"has a voxel size of 1 x {size:g} x 3 mm" in refusal(tmp_path / "a.nii")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.nii", voxels())
    path.chmod(0)
    assert "cannot be read: Permission denied" in refusal(path)


def test_a_file_that_the_system_denies_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    path = store(tmp_path / "a.nii", voxels())
    monkeypatch.setattr(Path, "open", denied)
    assert "cannot be read: Permission denied" in refusal(path)


# ------------------------------------------------------------------------------------------------- writing

OTHER = np.array([[1, 0, 0, -7], [0, 0, -2, 8], [0, 3, 0, 9], [0, 0, 0, 1.0]])


def with_forms(qform: int | None, sform: int | None) -> Callable[[type], nib.Nifti1Image]:
    """An image with these form codes (None: no such form); qform and sform are different affines."""

    def make(kind: type) -> nib.Nifti1Image:
        image = kind(voxels() * np.float32(0.5), None)
        image.header.set_qform(OTHER if qform is not None else None, code=qform or 0)
        image.header.set_sform(OBLIQUE if sform is not None else None, code=sform or 0)
        image.header.set_xyzt_units("micron", "msec")
        image.header["descrip"] = b"scanner"
        return image

    return make


FORMS = {
    "qform": with_forms(1, None),
    "sform": with_forms(None, 4),
    "both": with_forms(1, 2),
    "neither": with_forms(None, None),
}
KEPT = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
        "srow_x", "srow_y", "srow_z", "xyzt_units", "descrip")  # fmt: skip


@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_what_is_written_lies_on_the_grid_that_was_read(tmp_path: Path, forms: str, kind: type, suffix: str) -> None:
    nib.save(FORMS[forms](kind), tmp_path / f"a{suffix}")
    volume = read_volume(tmp_path / f"a{suffix}")
    write_volume(tmp_path / f"b{suffix}", volume.data > 20, volume)
    before, after = nib.load(tmp_path / f"a{suffix}"), nib.load(tmp_path / f"b{suffix}")
    assert type(after) is kind
    assert after.shape == before.shape
    np.testing.assert_array_equal(after.affine, before.affine)
    np.testing.assert_array_equal(after.affine, volume.affine)
    for name in KEPT:
        np.testing.assert_array_equal(after.header[name], before.header[name], err_msg=name)
    np.testing.assert_array_equal(after.header["pixdim"][:4], before.header["pixdim"][:4])
    assert after.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(after.dataobj), voxels() * 0.5 > 20)
    start = (tmp_path / f"b{suffix}").read_bytes()[:2]
    assert (start == b"\x1f\x8b") == (suffix == ".nii.gz")


def test_the_source_s_scaling_is_not_applied_to_what_is_written(tmp_path: Path) -> None:
    content = bytearray(nib.Nifti1Image(voxels(), OBLIQUE).to_bytes())
    struct.pack_into("<ff", content, 112, 0.5, -3)
    struct.pack_into("<ff", content, 124, 99, 1)  # cal_max, cal_min: what a viewer shows as white and black
    struct.pack_into("<h", content, 68, 1003)  # intent: a matrix
    (tmp_path / "a.nii").write_bytes(content)
    volume = read_volume(tmp_path / "a.nii")
    probability = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    for data in (probability, volume.data > 5):
        write_volume(tmp_path / "b.nii", data, volume)
        raw = (tmp_path / "b.nii").read_bytes()
        slope, inter = struct.unpack_from("<ff", raw, 112)
        assert (slope, inter) in {(1, 0)} or np.isnan(slope)
        assert struct.unpack_from("<ff", raw, 124) == (0, 0)
        assert struct.unpack_from("<h", raw, 68) == (0,)
        np.testing.assert_array_equal(read_volume(tmp_path / "b.nii").data, data)


def test_a_header_s_own_scaling_is_not_applied_either(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_slope_inter(0.5, -3)
    write_volume(tmp_path / "a.nii", voxels(np.uint8), Volume(voxels(np.uint8), OBLIQUE, header))
    assert struct.unpack_from("<ff", (tmp_path / "a.nii").read_bytes(), 112) == (1, 0)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii").data, voxels())


def test_a_volume_made_in_memory_is_written_with_its_affine(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.nii.gz", voxels(np.uint8), Volume(voxels(np.uint8), OBLIQUE))
    np.testing.assert_allclose(nib.load(tmp_path / "a.nii.gz").affine, OBLIQUE, rtol=1e-6)


def test_folders_are_made_and_files_get_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_volume(tmp_path / "new" / "sub" / "a.nii.gz", voxels(np.uint8), Volume(voxels(np.uint8), OBLIQUE))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "sub" / "a.nii.gz").stat().st_mode) == 0o640
    assert os.listdir(tmp_path / "new" / "sub") == ["a.nii.gz"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(image: nib.Nifti1Image, path: Path) -> None:
        Path(path).write_bytes(b"half a file")
        raise error

    (tmp_path / "a.nii").write_bytes(b"what was there")
    monkeypatch.setattr(nib, "save", fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        write_volume(tmp_path / "a.nii", voxels(np.uint8), Volume(voxels(np.uint8), OBLIQUE))
    if expected is InputError:
        assert str(caught.value) == f"{tmp_path / 'a.nii'} cannot be written: No space left on device"
    assert os.listdir(tmp_path) == ["a.nii"]
    assert (tmp_path / "a.nii").read_bytes() == b"what was there"


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/a\.nii cannot be written"):
        write_volume(tmp_path / "file" / "a.nii", voxels(np.uint8), Volume(voxels(np.uint8), OBLIQUE))


def test_another_shape_or_another_ending_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not lie on a grid"):
        write_volume(tmp_path / "a.nii", np.zeros((3, 3, 3), np.uint8), Volume(voxels(), OBLIQUE))
    with pytest.raises(ValueError, match="does not end in"):
        write_volume(tmp_path / "a.png", voxels(np.uint8), Volume(voxels(), OBLIQUE))
    assert os.listdir(tmp_path) == []


# --------------------------------------------------------------------------------------------------- grids


def test_grids_are_the_same_to_a_hundredth_of_a_millimetre() -> None:
    def moved(x: float) -> Volume:
        return Volume(voxels(), OBLIQUE + np.outer([1, 0, 0, 0], [0, 0, 0, x]))

    assert same_grid(moved(0), moved(0))
    assert same_grid(moved(0), moved(0.009))
    assert not same_grid(moved(0), moved(0.011))
    assert not same_grid(moved(0), Volume(voxels(shape=(4, 5, 7)), OBLIQUE))
    stretched = OBLIQUE @ np.diag([1.01, 1, 1, 1])  # 0.01 mm at the second voxel, more than that at the last
    assert not same_grid(moved(0), Volume(voxels(), stretched))


def test_the_refusal_of_another_grid_shows_both() -> None:
    first = Volume(voxels(), np.diag([1, 2, 3, 1.0]), path=Path("image.nii"))
    second = Volume(voxels(shape=(4, 5, 7)), np.diag([-1, 2, 3.5, 1.0]), path=Path("label.nii"))
    require_same_grid(first, first)
    with pytest.raises(InputError) as caught:
        require_same_grid(first, second)
    assert str(caught.value) == (
        "label.nii does not lie on the grid of image.nii: 4 x 5 x 7 voxels of 1 x 2 x 3.5 mm, LAS, origin (0, 0, 0)"
        " against 4 x 5 x 6 voxels of 1 x 2 x 3 mm, RAS, origin (0, 0, 0); resample one onto the other"
    )


def test_a_tilt_that_the_description_does_not_show_is_told_in_millimetres() -> None:
    tilt = np.array([[1, -0.01, 0, 0], [0.01, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    first, second = Volume(voxels(), np.eye(4)), Volume(voxels(), tilt)
    assert first.describe_grid() == second.describe_grid()
    with pytest.raises(InputError, match=r"corners up to 0\.04 mm apart"):
        require_same_grid(first, second)


# --------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "suffix", "stem"),
    [
        ("X.nii.gz", ".nii.gz", "X"),
        ("X.nii", ".nii", "X"),
        ("a.b.NII.GZ", ".NII.GZ", "a.b"),
        ("X.gz", None, "X"),
        ("nii.gz", None, "nii"),
        ("X", None, "X"),
    ],
)
def test_names_and_their_endings(name: str, suffix: str | None, stem: str) -> None:
    assert volume_suffix(Path("folder.nii") / name) == suffix
    assert volume_stem(Path("folder.nii") / name) == stem


@pytest.mark.real
def test_a_real_scan_s_grid_is_kept(shared_data: Path, tmp_path: Path) -> None:
    path = next((shared_data / "openms").rglob("GOLD_STANDARD*.nii.gz"))
    label = read_label(path)
    write_volume(tmp_path / "mask.nii.gz", label.data, label)
    before, after = nib.load(path), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(after.affine, before.affine)
    assert [int(after.header[code]) for code in KEPT[:2]] == [int(before.header[code]) for code in KEPT[:2]]
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
