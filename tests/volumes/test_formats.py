"""Every family of files: what SimpleITK and nibabel wrote is read in its place, and what is written they read there."""

import bz2
import gc
import gzip
import warnings
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from msseg.volumes import files
from msseg.volumes.files import output_suffix, read_header, read_volume, write_volume
from msseg.volumes.volume import Volume

SHAPE = (4, 5, 6)
SHEARED = np.array([[-0.9, 0.2, 0.1, 30], [0.15, 1.9, -0.3, -20], [0.1, 0.3, 2.8, 5], [0, 0, 0, 1.0]])
ANGLE = 0.3
ROTATION = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]]) @ np.array(
    [[0, 1, 0], [1, 0, 0], [0, 0, -1.0]]
)
LPS = np.diag([-1.0, -1, 1, 1])
ITK_NAMES = ("a.nrrd", "a.nhdr", "a.mha", "a.mhd")
ITK_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


@pytest.fixture(autouse=True)
def nothing_said() -> Iterator[None]:
    """Each test hears what is said once for each file."""
    files._SAID.clear()
    yield
    files._SAID.clear()


def voxels(dtype: object = np.int16, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return (np.arange(np.prod(shape)) * 2 + 1).astype(dtype).reshape(shape)


def itk_image(data: np.ndarray, direction: np.ndarray = ROTATION) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(data.T)  # GetImageFromArray takes z, y, x
    image.SetSpacing((1.5, 2.0, 3.25))
    image.SetOrigin((10.5, -20.25, 30.0))
    image.SetDirection(direction.ravel())
    return image


def itk_affine(image: SimpleITK.Image) -> np.ndarray:
    """Voxel to RAS, from ITK's own account of single voxels."""
    corner = np.array(image.TransformIndexToPhysicalPoint((0, 0, 0)))
    steps = [np.array(image.TransformIndexToPhysicalPoint(step)) - corner for step in np.eye(3, dtype=int).tolist()]
    affine = np.eye(4)
    affine[:3] = np.column_stack([*steps, corner])
    return LPS @ affine


# --------------------------------------------------------------------------------- what others wrote


@pytest.mark.parametrize("name", ITK_NAMES)
@pytest.mark.parametrize("dtype", ITK_TYPES)
def test_what_simpleitk_wrote_is_read_in_its_place(tmp_path: Path, name: str, dtype: str) -> None:
    compressed = ITK_TYPES.index(dtype) % 2 == 1
    image = itk_image(voxels(dtype))
    SimpleITK.WriteImage(image, str(tmp_path / name), compressed)
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.data, voxels(dtype))
    np.testing.assert_allclose(volume.affine, itk_affine(image), rtol=1e-12, atol=1e-12)
    assert volume.data.dtype == np.float32
    assert volume.sides_known
    header = read_header(tmp_path / name)
    assert header.shape == SHAPE
    assert header.kind == ("nrrd" if name[2] == "n" else "metaimage")
    assert header.dtype == np.dtype(dtype)
    np.testing.assert_allclose(header.spacing, (1.5, 2.0, 3.25))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
def test_nifti_lies_where_simpleitk_puts_it_and_back(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = itk_image(voxels())
    SimpleITK.WriteImage(image, str(tmp_path / name))
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.data, voxels())
    np.testing.assert_allclose(volume.affine, itk_affine(image), atol=1e-5)
    assert caplog.messages == []
    write_volume(tmp_path / "b.nii", volume.data, volume)
    np.testing.assert_allclose(itk_affine(SimpleITK.ReadImage(str(tmp_path / "b.nii"))), volume.affine, atol=1e-5)


@pytest.mark.parametrize("kind", ["Nifti1", "Nifti2"])
@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("named", [".hdr", ".img"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_nifti_pair_is_read_by_either_name(tmp_path: Path, kind: str, ending: str, named: str, endian: str) -> None:
    image_class = getattr(nib, f"{kind}Pair")
    header = image_class.header_class(endianness=endian)
    header.set_data_dtype(np.dtype(np.int16).newbyteorder(endian))
    nib.save(image_class(voxels(), SHEARED, header), tmp_path / f"a.img{ending}")
    volume = read_volume(tmp_path / f"a{named}{ending}")
    np.testing.assert_array_equal(volume.data, voxels())
    np.testing.assert_allclose(volume.affine, SHEARED, rtol=1e-6)
    assert read_header(tmp_path / f"a{named}{ending}").kind == kind.lower()


@pytest.mark.parametrize("named", ["a.hdr", "a.img"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("image_class", [nib.AnalyzeImage, nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage])
def test_analyze_is_read_as_nibabel_reads_it(
    tmp_path: Path, named: str, endian: str, image_class: type, caplog: pytest.LogCaptureFixture
) -> None:
    header = image_class.header_class(endianness=endian)
    header.set_data_dtype(np.dtype(np.int16).newbyteorder(endian))
    nib.save(image_class(voxels(), np.diag([-1.5, 2, 3, 1]), header), tmp_path / "a.img")
    (tmp_path / "a.mat").unlink(missing_ok=True)  # SPM's own file for an affine
    reference = nib.load(tmp_path / "a.img")
    volume = read_volume(tmp_path / named)
    np.testing.assert_array_equal(volume.data, reference.get_fdata())
    np.testing.assert_allclose(volume.affine, reference.affine)
    assert read_header(tmp_path / named).kind == "analyze"
    assert not volume.sides_known
    read_volume(tmp_path / named)
    assert len(caplog.messages) == 1  # said once, though the file was read twice
    assert "which side is left" in caplog.text


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_mgh_is_read_as_nibabel_reads_it(tmp_path: Path, name: str, dtype: type) -> None:
    nib.save(nib.MGHImage(voxels(dtype), SHEARED), tmp_path / name)
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.data, voxels(dtype))
    np.testing.assert_allclose(volume.affine, SHEARED, atol=1e-5)
    content = (tmp_path / name).read_bytes()
    reference = nib.MGHImage.from_bytes(gzip.decompress(content) if name == "a.mgz" else content)
    np.testing.assert_array_equal(volume.affine, reference.affine)
    assert read_header(tmp_path / name).kind == "mgh"


def test_mgh_without_orientation_gets_freesurfers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nib.save(nib.MGHImage(voxels(), np.eye(4)), tmp_path / "a.mgh")
    content = bytearray((tmp_path / "a.mgh").read_bytes())
    content[28:30] = bytes(2)  # goodRASFlag
    (tmp_path / "a.mgh").write_bytes(content)
    volume = read_volume(tmp_path / "a.mgh")
    assert volume.orientation == "LIA"
    assert "no orientation" in caplog.text


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float64])
@pytest.mark.parametrize("scaling", [(0.5, -3), (0.001, 7), (1, 2), (2, 0), (0, 5), (np.nan, 1)])
def test_scaled_numbers_are_what_nibabel_makes_of_them(
    tmp_path: Path, endian: str, dtype: type, scaling: tuple[float, float]
) -> None:
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(dtype)
    image = nib.Nifti1Image(voxels(dtype), SHEARED, header)
    content = bytearray(image.to_bytes())
    content[112:120] = np.array(scaling, f"{endian}f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    reference = nib.load(tmp_path / "a.nii").get_fdata(dtype=np.float32)
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.data, reference)
    assert volume.data.flags.f_contiguous


def test_metaimage_numbers_are_scaled_as_its_header_says(tmp_path: Path) -> None:
    SimpleITK.WriteImage(itk_image(voxels()), str(tmp_path / "a.mha"))
    content = (tmp_path / "a.mha").read_bytes()
    added = b"ElementToIntensityFunctionSlope = 0.5\nElementToIntensityFunctionOffset = -3\nElementDataFile"
    (tmp_path / "a.mha").write_bytes(content.replace(b"ElementDataFile", added))
    np.testing.assert_array_equal(read_volume(tmp_path / "a.mha").data, voxels() * 0.5 - 3)


def test_a_fourth_axis_of_one_frame_is_dropped(tmp_path: Path) -> None:
    four = voxels()[..., np.newaxis]
    nib.save(nib.Nifti1Image(four, SHEARED), tmp_path / "a.nii")
    image = SimpleITK.GetImageFromArray(four.T, isVector=False)
    assert image.GetDimension() == 4
    for name in ("a.mha", "a.nrrd"):
        SimpleITK.WriteImage(image, str(tmp_path / name))
    for name in ("a.nii", "a.mha", "a.nrrd"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).data, voxels(), err_msg=name)


# ------------------------------------------------------------------------------------- NRRD by hand

NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "4 5 6",
    "space directions": "(1.5,0,0) (0.5,2,0) (0,0,3)",
    "space origin": "(10,-20,30)",
    "endian": "little",
    "encoding": "raw",
}
RAW = voxels().tobytes(order="F")


def write_nrrd_text(path: Path, fields: dict[str, str | None], data: bytes = RAW, end: str = "\n") -> Path:
    fields = {"space dimension": None, **fields}  # has to come before space directions
    lines = ["NRRD0005", "# a comment", "key:=value", *(f"{key}: {value}" for key, value in fields.items() if value)]
    path.write_bytes((end.join(lines) + end + end).encode() + data)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({}, RAW),
        ({"endian": "big"}, voxels(">i2").tobytes(order="F")),
        ({"encoding": "gzip"}, gzip.compress(RAW)),
        ({"encoding": "gz"}, gzip.compress(RAW)),
        ({"encoding": "bzip2"}, bz2.compress(RAW)),
        ({"encoding": "ascii", "endian": None}, " ".join(map(str, voxels().ravel(order="F"))).encode()),
        ({"encoding": "text", "type": "double"}, "\n".join(map(str, voxels().ravel(order="F"))).encode()),
        ({"byte skip": "7"}, b"7 bytes" + RAW),
        ({"byte skip": "-1"}, b"any number" + RAW),
        ({"line skip": "2"}, b"one\ntwo\n" + RAW),
        ({"encoding": "gzip", "byte skip": "7"}, gzip.compress(b"7 bytes" + RAW)),
        ({"encoding": "gzip", "line skip": "1"}, b"one\n" + gzip.compress(RAW)),
        ({"type": "uchar", "endian": None}, voxels(np.uint8).tobytes(order="F")),
    ],
)  # fmt: skip
def test_each_encoding_of_nrrd_is_read(tmp_path: Path, changes: dict[str, str | None], data: bytes, end: str) -> None:
    path = write_nrrd_text(tmp_path / "a.nrrd", {**NRRD, **changes}, data, end)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, voxels())
    np.testing.assert_allclose(volume.affine[0], [-1.5, -0.5, 0, -10])


@pytest.mark.parametrize(
    ("fields", "notes"),
    [
        ({}, 0),
        ({"space": "LPS"}, 0),
        ({"space": "right-anterior-superior"}, 0),
        ({"space": "RAS"}, 0),
        ({"space": "left-anterior-superior"}, 0),
        ({"space": "scanner-xyz"}, 1),
        ({"space": None, "space dimension": 3}, 1),
        ({"space": None, "space directions": None, "space origin": None, "spacings": "1.5 2 3"}, 1),
        ({"space": None, "space directions": None, "space origin": None, "spacings": "1.5 2 3",
          "axis mins": "10 20 30"}, 1),
        ({"space": None, "space directions": None, "space origin": None, "spacings": "1.5 2 3",
          "axis mins": "10 20 30", "centers": "node node cell"}, 1),
        ({"space": None, "space directions": None, "space origin": None}, 1),
        ({"space origin": None}, 0),
    ],
)  # fmt: skip
def test_nrrd_lies_where_itk_puts_it(
    tmp_path: Path, fields: dict[str, str | None], notes: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_nrrd_text(tmp_path / "a.nrrd", {**NRRD, **fields})
    volume = read_volume(path)
    np.testing.assert_allclose(volume.affine, itk_affine(SimpleITK.ReadImage(str(path))), rtol=1e-6)
    assert len(caplog.messages) == notes
    assert volume.sides_known == (notes == 0)


def test_detached_nrrd_finds_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    (folder / "raw").mkdir(parents=True)
    (folder / "raw" / "all of it.raw").write_bytes(RAW)
    (folder / "a.raw.gz").write_bytes(gzip.compress(RAW))
    for slice_number in range(6):
        (folder / f"s{slice_number + 1:03d}.raw").write_bytes(voxels()[..., slice_number].tobytes(order="F"))
    listed = "LIST\n" + "\n".join(f"s{number:03d}.raw" for number in range(1, 7))
    for changes in (
        {"data file": "raw/all of it.raw"},
        {"datafile": "a.raw.gz", "encoding": "gzip"},
        {"data file": "s%03d.raw 1 6 1"},
        {"data file": "s%03d.raw 1 6 1 2"},
        {"data file": listed},
    ):
        path = write_nrrd_text(folder / "a.nhdr", {**NRRD, **changes}, b"")
        np.testing.assert_array_equal(read_volume(path).data, voxels(), err_msg=str(changes))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))  # the last line may end with the file
    np.testing.assert_array_equal(read_volume(path).data, voxels())


def test_an_axis_outside_of_space_is_dropped_where_its_length_is_one(tmp_path: Path) -> None:
    fields = {**NRRD, "dimension": "4", "sizes": "1 4 5 6", "space directions": "none (1.5,0,0) (0.5,2,0) (0,0,3)"}
    volume = read_volume(write_nrrd_text(tmp_path / "a.nrrd", fields))
    np.testing.assert_array_equal(volume.data, voxels())
    np.testing.assert_allclose(volume.spacing, [1.5, np.hypot(0.5, 2), 3])


# -------------------------------------------------------------------------------- MetaImage by hand

META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "TransformMatrix": "1 0 0 0.25 1 0 0 0 1",
    "Offset": "10 -20 30",
    "ElementSpacing": "1.5 2 3",
    "DimSize": "4 5 6",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}


def write_meta_text(path: Path, fields: dict[str, str | None], data: bytes = RAW) -> Path:
    merged = {**META, **fields}
    merged["ElementDataFile"] = merged.pop("ElementDataFile")  # has to come last
    lines = [f"{key} = {value}\n" for key, value in merged.items() if value is not None]
    path.write_bytes("".join(lines).encode() + data)
    return path


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ({}, RAW),
        ({"BinaryDataByteOrderMSB": "True"}, voxels(">i2").tobytes(order="F")),
        ({"TransformMatrix": None, "Rotation": "1 0 0 0 0 1 0 1 0"}, RAW),
        ({"Offset": None, "Position": "1 2 3"}, RAW),
        ({"ElementSpacing": None, "ElementSize": "4 5 6"}, RAW),
        ({"ElementSpacing": None}, RAW),
        ({"CenterOfRotation": "7 8 9", "AnatomicalOrientation": "RAI", "Modality": "MET_MOD_MR"}, RAW),
    ],
)  # fmt: skip
def test_metaimage_lies_where_itk_puts_it(tmp_path: Path, fields: dict[str, str | None], data: bytes) -> None:
    path = write_meta_text(tmp_path / "a.mha", fields, data)
    reference = SimpleITK.ReadImage(str(path))
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.data, SimpleITK.GetArrayFromImage(reference).T)
    np.testing.assert_array_equal(volume.data, voxels())
    np.testing.assert_allclose(volume.affine, itk_affine(reference), rtol=1e-6)


def test_metaimage_in_text_is_read(tmp_path: Path) -> None:
    """As MetaIO writes it; SimpleITK itself cannot read it back."""
    text = " ".join(map(str, voxels().ravel(order="F"))).encode()
    path = write_meta_text(tmp_path / "a.mha", {"BinaryData": "False"}, text)
    np.testing.assert_array_equal(read_volume(path).data, voxels())


def test_mhd_finds_its_files(tmp_path: Path) -> None:
    (tmp_path / "a b.raw").write_bytes(b"header!" + RAW)
    for number in range(6):
        (tmp_path / f"s{number}.raw").write_bytes(voxels()[..., number].tobytes(order="F"))
    listed = "LIST\n" + "\n".join(f"s{number}.raw" for number in range(6))
    for changes in (
        {"ElementDataFile": "a b.raw", "HeaderSize": "7"},
        {"ElementDataFile": "a b.raw", "HeaderSize": "-1"},
        {"ElementDataFile": "s%d.raw 0 5 1"},
        {"ElementDataFile": listed},
    ):
        write_meta_text(tmp_path / "a.mhd", changes, b"")
        np.testing.assert_array_equal(read_volume(tmp_path / "a.mhd").data, voxels(), err_msg=str(changes))


# -------------------------------------------------------------------------------------- what we write


@pytest.mark.parametrize("name", ["b.nrrd", "b.mha"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.uint32, np.float32, np.float64])
def test_simpleitk_reads_what_is_written(tmp_path: Path, name: str, dtype: type) -> None:
    data = (voxels() % 3 == 0) if dtype is bool else voxels(dtype)
    write_volume(tmp_path / name, data, Volume(data, SHEARED))
    image = SimpleITK.ReadImage(str(tmp_path / name))
    stored = SimpleITK.GetArrayFromImage(image)
    np.testing.assert_array_equal(stored.T, data)
    assert stored.dtype == (np.uint8 if dtype is bool else dtype)
    np.testing.assert_allclose(itk_affine(image), SHEARED, rtol=1e-12, atol=1e-12)


SOURCES = {
    "nii": nib.Nifti1Image,
    "nii.gz": nib.Nifti2Image,
    "mgz": nib.MGHImage,
    "mgh": nib.MGHImage,
    "img": nib.Nifti1Pair,
}


@pytest.mark.parametrize("ending", [*SOURCES, "analyze", "nrrd", "nhdr", "mha", "mhd"])
@pytest.mark.parametrize("dtype", [bool, np.float32, np.uint16, np.uint32])
def test_what_was_read_is_written_on_its_grid_in_its_family(tmp_path: Path, ending: str, dtype: type) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "analyze":
        path = tmp_path / "a.hdr"
        nib.save(nib.AnalyzeImage(voxels(), np.diag([-1.5, 2, 3, 1])), tmp_path / "a.img")
    elif ending in SOURCES:
        nib.save(SOURCES[ending](voxels(), SHEARED), path)
    else:
        SimpleITK.WriteImage(itk_image(voxels()), str(path))
    volume = read_volume(path)
    data = (voxels() > 50) if dtype is bool else voxels(dtype)
    target = tmp_path / f"b{output_suffix(path)}"
    write_volume(target, data, volume)
    again = read_volume(target)
    np.testing.assert_array_equal(again.data, data)
    np.testing.assert_array_equal(again.affine, volume.affine)
    before, after = read_header(path), read_header(target)
    assert after.kind == before.kind
    assert after.notes == before.notes
    if dtype in (bool, np.float32):
        assert after.dtype.newbyteorder("=") == (np.uint8 if dtype is bool else np.float32)
    if target.suffix not in (".nrrd", ".mha"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # nibabel leaves MGH files open
            image = nib.load(target)
            np.testing.assert_allclose(image.affine, volume.affine, atol=1e-6)
            np.testing.assert_array_equal(np.asarray(image.dataobj), data)
            del image
            gc.collect()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_the_space_of_an_nrrd_is_kept(tmp_path: Path) -> None:
    for space in ("RAS", "left-anterior-superior", "LPS", None):
        volume = read_volume(write_nrrd_text(tmp_path / "a.nrrd", {**NRRD, "space": space, "space dimension": "3"}))
        write_volume(tmp_path / "b.nrrd", volume.data, volume)
        text = (tmp_path / "b.nrrd").read_bytes().split(b"\n\n")[0].decode()
        assert (f"space: {space}\n" in text) == (space is not None)
        np.testing.assert_array_equal(read_volume(tmp_path / "b.nrrd").affine, volume.affine)


@pytest.mark.parametrize("name", ["b.nii", "b.nii.gz", "b.hdr", "b.nrrd", "b.mha", "b.mgz"])
def test_another_family_gets_a_fresh_header(tmp_path: Path, name: str) -> None:
    SimpleITK.WriteImage(itk_image(voxels()), str(tmp_path / "a.mha"))
    nib.save(nib.AnalyzeImage(voxels(), np.diag([-1.5, 2, 3, 1])), tmp_path / "a.img")
    nib.save(nib.MGHImage(voxels(), SHEARED), tmp_path / "a.mgz")
    nib.save(nib.Nifti2Image(voxels(), SHEARED), tmp_path / "a.nii")
    for source in ("a.mha", "a.hdr", "a.mgz", "a.nii"):
        volume = read_volume(tmp_path / source)
        write_volume(tmp_path / name, volume.data, volume)
        again = read_volume(tmp_path / name)
        np.testing.assert_array_equal(again.data, volume.data)
        np.testing.assert_allclose(again.affine, volume.affine, atol=1e-5)


def test_of_a_pair_the_header_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nib.save(nib.AnalyzeImage(voxels(), np.eye(4)), tmp_path / "a.img")
    volume = read_volume(tmp_path / "a.hdr")
    (tmp_path / "b.hdr").write_bytes(b"before")

    def full(self: object, file: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(volume.header), "write_to", full)
    with pytest.raises(files.InputError, match=r"b\.(hdr|img) cannot be written: No space left"):
        write_volume(tmp_path / "b.hdr", volume.data, volume)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.hdr", "a.img", "b.hdr"]
    assert (tmp_path / "b.hdr").read_bytes() == b"before"


finite = st.floats(-3, 3, allow_nan=False, width=32)


@settings(max_examples=25)
@given(matrix=st.lists(finite, min_size=9, max_size=9), origin=st.lists(finite, min_size=3, max_size=3))
def test_any_affine_survives_every_family(
    tmp_path_factory: pytest.TempPathFactory, matrix: list[float], origin: list[float]
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(matrix, (3, 3)) + 6 * np.eye(3)
    affine[:3, 3] = origin
    assume(np.linalg.cond(affine[:3, :3]) < 100)
    data = voxels(np.uint8, (2, 2, 2))
    folder = tmp_path_factory.mktemp("affine")
    for name, tolerance in (("a.nrrd", 0), ("a.mha", 1e-12), ("a.nii", 1e-5), ("a.hdr", 1e-5), ("a.mgh", 1e-4)):
        write_volume(folder / name, data, Volume(data, affine))
        np.testing.assert_allclose(read_volume(folder / name).affine, affine, rtol=0, atol=tolerance, err_msg=name)
