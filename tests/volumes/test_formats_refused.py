"""What is refused in every family: one sentence that names the file and what is wrong, before anything is allocated."""

import gzip
import os
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from msseg.errors import InputError
from msseg.volumes import voxels as voxels_module
from msseg.volumes.files import read_header, read_volume

SHAPE = (4, 5, 6)
VOXELS = (np.arange(120) + 1).astype(np.int16).reshape(SHAPE)
RAW = VOXELS.tobytes(order="F")
NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "LPS",
    "sizes": "4 5 6",
    "space directions": "(1,0,0) (0,2,0) (0,0,3)",
    "endian": "little",
    "encoding": "raw",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0",
    "ElementSpacing": "1 2 3",
    "DimSize": "4 5 6",
    "ElementType": "MET_SHORT",
}


def refusal(path: Path) -> str:
    """The sentence; it comes at once, and without memory for what the header promises."""
    tracemalloc.start()
    start = time.monotonic()
    try:
        with pytest.raises(InputError) as caught:
            read_volume(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 5
    assert peak < 40e6
    message = str(caught.value)
    assert str(path.parent) in message
    assert path.stem in message
    assert "\n" not in message
    return message


def nrrd(path: Path, data: bytes = RAW, **changes: str | None) -> Path:
    fields = {**NRRD, **{key.replace("_", " "): value for key, value in changes.items()}}
    text = "NRRD0005\n" + "".join(f"{key}: {value}\n" for key, value in fields.items() if value is not None)
    path.write_bytes(text.encode() + b"\n" + data)
    return path


def meta(path: Path, data: bytes = RAW, file: str = "LOCAL", **changes: str | None) -> Path:
    lines = [f"{key} = {value}\n" for key, value in {**META, **changes}.items() if value is not None]
    path.write_bytes(("".join(lines) + f"ElementDataFile = {file}\n").encode() + data)
    return path


def mgh(path: Path, at: int, *values: object, form: str) -> Path:
    content = bytearray(nib.MGHImage(VOXELS, np.eye(4)).to_bytes())
    struct.pack_into(form, content, at, *values)
    path.write_bytes(gzip.compress(content) if path.suffix == ".mgz" else content)
    return path


def nifti(path: Path, *changes: tuple[str, int, object], data: np.ndarray = VOXELS) -> Path:
    """NIfTI-1 with single fields overwritten: (struct's form, byte, value)."""
    content = bytearray(nib.Nifti1Image(data, np.eye(4)).to_bytes())
    for form, at, value in changes:
        struct.pack_into(form, content, at, value)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


# ------------------------------------------------------------------------------------ places and sizes


@pytest.mark.parametrize("size", ["0", "-1", "nan", "inf"])
def test_a_voxel_size_that_is_none(tmp_path: Path, size: str) -> None:
    words = f"has a voxel size of 1 x {size} x 3 mm"
    assert words in refusal(nrrd(tmp_path / "a.nrrd", space_directions=None, spacings=f"1 {size} 3"))
    assert words in refusal(meta(tmp_path / "a.mha", ElementSpacing=f"1 {size} 3"))
    assert "voxel size" in refusal(mgh(tmp_path / "a.mgz", 34, float(size), form=">f"))
    nib.save(nib.AnalyzeImage(VOXELS, np.diag([1, 1, 3, 1])), tmp_path / "b.img")
    content = bytearray((tmp_path / "b.hdr").read_bytes())
    struct.pack_into("<f", content, 84, float(size))
    (tmp_path / "b.hdr").write_bytes(content)
    assert words in refusal(tmp_path / "b.hdr")


@pytest.mark.parametrize("second", ["(2,0,0)", "(0,0,0)", "(0,nan,0)", "(0,inf,0)", "(0,1e30,0)"])
def test_an_affine_that_places_no_volume(tmp_path: Path, second: str) -> None:
    assert "singular" in refusal(nrrd(tmp_path / "a.nrrd", space_directions=f"(1,0,0) {second} (0,0,3)"))
    matrix = f"1 0 0 {second[1:-1].replace(',', ' ')} 0 0 1"
    assert "singular" in refusal(meta(tmp_path / "a.mha", TransformMatrix=matrix))
    numbers = [float(number) for number in second[1:-1].split(",")]
    assert "singular" in refusal(mgh(tmp_path / "a.mgh", 54, *numbers, form=">3f"))


def test_an_origin_that_is_no_number(tmp_path: Path) -> None:
    assert "not finite" in refusal(nrrd(tmp_path / "a.nrrd", space_origin="(0,nan,0)"))
    assert "not finite" in refusal(meta(tmp_path / "a.mha", Offset="0 inf 0"))
    assert "not finite" in refusal(mgh(tmp_path / "a.mgh", 78, np.nan, form=">f"))


def test_a_qform_that_is_no_rotation(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", ("<h", 252, 1), ("<h", 254, 0), ("<f", 256, 3.0))
    assert "qform holds no rotation" in refusal(path)


# --------------------------------------------------------------------------------------- axes and types


@pytest.mark.parametrize(("frames", "shown"), [((2,), "4 x 5 x 6 x 2"), ((1, 3), "4 x 5 x 6 x 1 x 3")])
def test_frames_and_five_axes(tmp_path: Path, frames: tuple[int, ...], shown: str) -> None:
    axes, lengths = str(3 + len(frames)), shown.replace(" x", "")
    assert shown in refusal(nrrd(tmp_path / "a.nrrd", RAW * 3, dimension=axes, sizes=lengths, space_directions=None))
    ones = " ".join(str(int(number)) for number in np.eye(int(axes)).ravel())
    zeros = "0 " * int(axes)
    path = meta(
        tmp_path / "a.mha", RAW * 3, NDims=axes, DimSize=lengths, TransformMatrix=ones, Offset=zeros,
        ElementSpacing="1 " * int(axes),
    )  # fmt: skip
    assert shown in refusal(path)
    four = np.zeros((*SHAPE, *frames), np.int16)
    nib.save(nib.AnalyzeImage(four, np.eye(4)), tmp_path / "a.img")
    assert shown in refusal(tmp_path / "a.hdr")
    if len(frames) == 1:
        nib.save(nib.MGHImage(four, np.eye(4)), tmp_path / "a.mgz")
        assert "one 3D volume is needed: split its frames" in refusal(tmp_path / "a.mgz")


def test_two_axes(tmp_path: Path) -> None:
    assert "4 x 5; one" in refusal(nrrd(tmp_path / "a.nrrd", dimension="2", sizes="4 5", space_directions=None))
    path = meta(
        tmp_path / "a.mha", NDims="2", DimSize="4 5", TransformMatrix="1 0 0 1", Offset="0 0", ElementSpacing="1 1"
    )
    assert "4 x 5; one" in refusal(path)


@pytest.mark.parametrize("length", ["0", "-4"])
def test_empty_and_negative_axes(tmp_path: Path, length: str) -> None:
    assert f"{length} x 5 x 6" in refusal(nrrd(tmp_path / "a.nrrd", sizes=f"{length} 5 6"))
    assert f"{length} x 5 x 6" in refusal(meta(tmp_path / "a.mha", DimSize=f"{length} 5 6"))
    assert f"{length} x 5 x 6" in refusal(mgh(tmp_path / "a.mgh", 4, int(length), form=">i"))
    assert f"{length} x 5 x 6" in refusal(nifti(tmp_path / "a.nii", ("<h", 42, int(length))))


def test_colours_and_complex_numbers(tmp_path: Path) -> None:
    rgb = SimpleITK.GetImageFromArray(np.zeros((6, 5, 4, 3), np.uint8), isVector=True)
    for name in ("a.mha", "a.nrrd", "a.nhdr"):
        SimpleITK.WriteImage(rgb, str(tmp_path / name))
        assert "colours" in refusal(tmp_path / name)
    fields = {"dimension": "4", "sizes": "2 4 5 6", "space_directions": "none (1,0,0) (0,2,0) (0,0,3)"}
    assert "complex" in refusal(nrrd(tmp_path / "c.nrrd", RAW * 2, kinds="complex domain domain domain", **fields))
    nib.save(nib.AnalyzeImage(np.zeros(SHAPE, np.complex64), np.eye(4)), tmp_path / "c.img")
    assert "complex" in refusal(tmp_path / "c.hdr")
    assert "MET_FLOAT_ARRAY" in refusal(meta(tmp_path / "d.mha", ElementType="MET_FLOAT_ARRAY"))
    assert "'block'" in refusal(nrrd(tmp_path / "e.nrrd", type="block"))


def test_types_that_are_not_known(tmp_path: Path) -> None:
    assert "type" in refusal(nrrd(tmp_path / "a.nrrd", type="quadruple"))
    assert "MET_NOTHING" in refusal(meta(tmp_path / "a.mha", ElementType="MET_NOTHING"))
    assert "unknown number 9" in refusal(mgh(tmp_path / "a.mgh", 20, 9, form=">i"))
    assert "header cannot be read" in refusal(nifti(tmp_path / "a.nii", ("<h", 70, 999)))


def test_scalings_that_no_value_survives(tmp_path: Path) -> None:
    assert "scales its voxels by 0" in refusal(meta(tmp_path / "a.mha", ElementToIntensityFunctionSlope="0"))
    assert "scales its voxels by nan" in refusal(meta(tmp_path / "a.mha", ElementToIntensityFunctionSlope="nan"))
    assert "intercept" in refusal(nifti(tmp_path / "a.nii", ("<f", 112, 2), ("<f", 116, np.inf)))


# --------------------------------------------------------------------------------- sizes and encodings

LARGE = 30_000  # cubed, 54 TB


def test_promises_that_the_file_cannot_keep(tmp_path: Path) -> None:
    sizes = f"{LARGE} {LARGE} {LARGE}"
    for path in (
        nrrd(tmp_path / "a.nrrd", sizes=sizes),
        nrrd(tmp_path / "b.nrrd", gzip.compress(bytes(10**6)), sizes=sizes, encoding="gzip"),
        nrrd(tmp_path / "c.nrrd", b"1 2 3", sizes=sizes, encoding="ascii"),
        meta(tmp_path / "a.mha", DimSize=sizes),
        meta(tmp_path / "b.mha", zlib.compress(bytes(10**6)), DimSize=sizes, CompressedData="True"),
        mgh(tmp_path / "a.mgh", 4, LARGE, LARGE, LARGE, form=">3i"),
        mgh(tmp_path / "b.mgz", 4, LARGE, LARGE, LARGE, form=">3i"),
        nifti(tmp_path / "a.nii", *_large()),
        nifti(tmp_path / "b.nii.gz", *_large()),
    ):  # fmt: skip
        words = refusal(path)
        assert "by its header" in words or "the header promises" in words
        assert read_header(path).shape == (LARGE,) * 3


def _large() -> list[tuple[str, int, object]]:
    return [("<h", at, LARGE) for at in (42, 44, 46)]


def test_promises_that_only_the_end_of_a_compressed_file_disproves(tmp_path: Path) -> None:
    """A thousand times the file's size could be in it, and nothing says that it is not but reading on."""
    sizes = "50 50 10"
    assert "ends after 240 of 50000 bytes" in refusal(
        nrrd(tmp_path / "a.nrrd", gzip.compress(RAW), sizes=sizes, encoding="gzip")
    )
    assert "too early" in refusal(meta(tmp_path / "a.mha", zlib.compress(RAW)[:-4], CompressedData="True"))
    assert "is damaged" in refusal(meta(tmp_path / "b.mha", zlib.compress(RAW), DimSize=sizes, CompressedData="True"))


def test_more_memory_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nifti(tmp_path / "a.nii")
    monkeypatch.setattr(os, "sysconf", lambda name: 20)  # 400 bytes in all
    assert "needs 7.2e-07 GB of memory by its header, and this machine has 4e-07 GB" in refusal(path)


def test_stacks_of_more_memory_than_there_is(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:  # nothing of it is on disk
        file.create_dataset("main", (10**5,) * 3, "u1", chunks=(100, 100, 100))
    assert "needs 1e+06 GB of memory" in refusal(tmp_path / "a.h5")


def test_far_more_than_the_header_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gigabytes of zeros behind the voxels would be unpacked for nothing."""
    monkeypatch.setattr(voxels_module, "MOST_BEHIND", 1 << 20)
    content = nib.Nifti1Image(VOXELS, np.eye(4)).to_bytes()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content + bytes(1 << 22)))
    assert "far more follows" in refusal(tmp_path / "a.nii.gz")


def test_damaged_and_cut_files(tmp_path: Path) -> None:
    packed = gzip.compress(RAW)
    broken = packed[:30] + bytes([packed[30] ^ 255]) + packed[31:]
    assert "is damaged" in refusal(nrrd(tmp_path / "a.nrrd", packed[:-9], encoding="gzip"))
    assert "is damaged" in refusal(nrrd(tmp_path / "b.nrrd", broken, encoding="gzip"))
    assert "is damaged" in refusal(nrrd(tmp_path / "c.nrrd", RAW[:-1]))
    assert "is damaged" in refusal(nrrd(tmp_path / "d.nrrd", b"1 2 3 x 5" * 100, encoding="ascii"))
    assert "is damaged" in refusal(nrrd(tmp_path / "e.nrrd", RAW, byte_skip="1"))
    assert "is damaged" in refusal(meta(tmp_path / "a.mha", RAW[:-1]))
    nib.save(nib.MGHImage(VOXELS, np.eye(4)), tmp_path / "a.mgz")
    for kept in (5, 40, 200, -9):
        (tmp_path / "b.mgz").write_bytes((tmp_path / "a.mgz").read_bytes()[:kept])
        assert "is damaged" in refusal(tmp_path / "b.mgz")


@pytest.mark.parametrize("encoding", ["hex", "zrl", "rot13"])
def test_encodings_that_are_not_known(tmp_path: Path, encoding: str) -> None:
    assert f"encoded as '{encoding}'" in refusal(nrrd(tmp_path / "a.nrrd", encoding=encoding))


@pytest.mark.parametrize("missing", ["type", "dimension", "sizes", "encoding", "endian"])
def test_fields_that_are_missing(tmp_path: Path, missing: str) -> None:
    assert f"'{missing}' is missing" in refusal(nrrd(tmp_path / "a.nrrd", **{missing: None}))


@pytest.mark.parametrize("missing", ["NDims", "DimSize", "ElementType"])
def test_keys_that_are_missing(tmp_path: Path, missing: str) -> None:
    refusal(meta(tmp_path / "a.mha", **{missing: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"dimension": "three"},
        {"dimension": "9" * 5000},
        {"sizes": "4 5"},
        {"sizes": "4 5 6.5"},
        {"sizes": "4 5 " + "9" * 5000},
        {"endian": "middle"},
        {"space_directions": "(1,0,0) (0,2,0)"},
        {"space_directions": "(1,0) (0,2) (0,0)"},
        {"space_directions": "(1,0,0) (0,x,0) (0,0,3)"},
        {"space_origin": "(1,2)"},
        {"byte_skip": "-2"},
        {"line_skip": "-1"},
        {"line_skip": "1000"},
        {"data_file": "s%s.raw 1 6 1"},
        {"data_file": "s%d%d.raw 1 6 1"},
        {"data_file": "s%d.raw 1 6 0"},
        {"data_file": "s%d.raw 1 999999999 1"},
        {"data_file": "LIST"},
        {"data_file": "%d" * 200_000},
        {"data_file": "\0"},
        {"data_file": "x" * 5000},
    ],
)
def test_fields_that_make_no_sense(tmp_path: Path, changes: dict[str, str]) -> None:
    refusal(nrrd(tmp_path / "a.nrrd", **changes))


# --------------------------------------------------------------------------------------- other files


@pytest.mark.parametrize("name", ["a.nhdr", "a.mhd"])
def test_files_of_voxels_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    def pointing_to(target: str) -> Path:
        return nrrd(tmp_path / name, b"", data_file=target) if name == "a.nhdr" else meta(tmp_path / name, b"", target)

    words = refusal(pointing_to("absent.raw"))
    assert "keeps its voxels in another file" in words
    assert "absent.raw does not exist" in words
    (tmp_path / "short.raw").write_bytes(RAW[:100])
    with pytest.raises(InputError, match=r"short\.raw is damaged: .* promises 240 bytes, and the file has 100"):
        read_volume(pointing_to("short.raw"))
    os.mkfifo(tmp_path / "pipe.raw")
    assert "a pipe" in refusal(pointing_to("pipe.raw"))
    assert "a device or a pipe" in refusal(pointing_to("/dev/zero"))
    assert "is a folder" in refusal(pointing_to("."))
    refusal(pointing_to("LIST"))


def test_a_pair_without_its_other_half(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "a.img")
    (tmp_path / "a.img").rename(tmp_path / "b.img")
    for name, absent in (("a.hdr", "a.img"), ("b.img", "b.hdr")):
        with pytest.raises(InputError, match=f"{absent} does not exist"):
            read_volume(tmp_path / name)


def test_names_that_deny_what_is_inside(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "a.img")
    (tmp_path / "a.hdr").rename(tmp_path / "a.nii")
    assert "rename it to end in .hdr" in refusal(tmp_path / "a.nii")
    nifti(tmp_path / "b.nii").rename(tmp_path / "b.hdr")
    (tmp_path / "b.img").write_bytes(RAW)
    assert "rename it to end in .nii" in refusal(tmp_path / "b.hdr")
    (tmp_path / "c.hdr").write_text("ENVI\ndescription = {...}\n" * 50)
    (tmp_path / "c.img").write_bytes(RAW)
    assert "not the header of a NIfTI or Analyze pair" in refusal(tmp_path / "c.hdr")
    for name in ("a.nrrd", "a.nhdr"):
        (tmp_path / name).write_bytes(RAW)
        assert "not an NRRD file" in refusal(tmp_path / name)
    for name in ("a.mha", "a.mhd"):
        (tmp_path / name).write_bytes(RAW)
        assert "not a MetaImage file" in refusal(tmp_path / name)
    (tmp_path / "a.mgh").write_bytes(RAW * 2)
    assert "not an MGH file" in refusal(tmp_path / "a.mgh")
    mgh(tmp_path / "z.mgh", 4, 4, form=">i").rename(tmp_path / "b.mgz")
    assert "not compressed by gzip as its name says" in refusal(tmp_path / "b.mgz")
    mgh(tmp_path / "z.mgz", 4, 4, form=">i").rename(tmp_path / "b.mgh")
    assert "rename it to end in .mgz" in refusal(tmp_path / "b.mgh")


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.mgz", "a.mgh", "a.hdr"])
def test_empty_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "a.img").touch()
    assert "is empty" in refusal(tmp_path / name)


def test_a_text_header_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0005\n" + b"key:=value\n" * 200_000)
    assert "header cannot be read" in refusal(tmp_path / "a.nrrd")
    (tmp_path / "a.mha").write_bytes(b"ObjectType = Image\n" + b"Comment = x\n" * 200_000)
    assert "ElementDataFile" in refusal(tmp_path / "a.mha")


def test_an_unknown_ending_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.mnc").write_bytes(RAW)
    words = refusal(tmp_path / "a.mnc")
    for ending in (".nii.gz", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".tif", ".png", ".h5"):
        assert ending in words
