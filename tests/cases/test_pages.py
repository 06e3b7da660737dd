from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from msseg.cases.containers import split_container
from msseg.cases.pages import count_pages, is_stack_file
from msseg.errors import InputError

WriteStack = Callable[..., Path]


def complaint(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        count_pages(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "file", "dataset"),
    [
        ("a/s.h5", "a/s.h5", "main"),
        ("a/s.h5/main", "a/s.h5", "main"),
        ("a/s.HDF5/volumes/raw", "a/s.HDF5", "volumes/raw"),
        ("a/s.tif", "a/s.tif", None),
        ("a.h5.d/s.nii.gz", "a.h5.d/s.nii.gz", None),
    ],
)
def test_the_file_and_the_data_set_of_a_path(path: str, file: str, dataset: str | None) -> None:
    assert split_container(Path(path)) == (Path(file), dataset)


def test_a_folder_may_be_called_like_an_hdf5_file(tmp_path: Path) -> None:
    (tmp_path / "run.h5").mkdir()
    path = tmp_path / "run.h5" / "s.tif"
    assert split_container(path) == (path, None)
    assert split_container(tmp_path / "run.h5" / "s.h5" / "raw") == (tmp_path / "run.h5" / "s.h5", "raw")


@pytest.mark.parametrize(("name", "slices"), [("s.tif", 7), ("s.TIFF", 3), ("s.h5", 4), ("s.h5/a/b", 5), ("s.png", 1)])
def test_pages_are_counted(tmp_path: Path, write_stack: WriteStack, name: str, slices: int) -> None:
    write_stack(tmp_path / name, slices)
    assert count_pages(tmp_path / name) == slices
    assert is_stack_file(tmp_path / name) == (slices > 1)


@pytest.mark.parametrize("compression", ["lzw", "zlib"])
def test_pages_of_compressed_files(tmp_path: Path, compression: str) -> None:
    voxels = np.zeros((6, 16, 16), np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", voxels, photometric="minisblack", compression=compression)
    assert count_pages(tmp_path / "s.tif") == 6


def test_a_stack_that_imagej_writes_with_one_directory(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((9, 8, 8), np.uint8), imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(tmp_path / "s.tif") as file:
        assert len(file.series[0].shape) == 3
    assert count_pages(tmp_path / "s.tif") == 9


def test_colours_are_no_pages(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "p.tif", np.zeros((3, 8, 9), np.uint8), photometric="rgb", planarconfig="separate")
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((3, 8, 9), np.uint8), photometric="minisblack")
    assert [count_pages(tmp_path / f"{name}.tif") for name in "cpm"] == [1, 1, 3]


def test_a_single_slice_of_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["main"], file["deep"] = np.zeros((4, 5)), np.zeros((1, 2, 3, 4))
    assert count_pages(tmp_path / "s.h5") == 1
    message = complaint(tmp_path / "s.h5" / "deep")
    assert "/deep of" in message
    assert "has the shape 1 x 2 x 3 x 4; slices x rows x columns are needed" in message


def test_a_data_set_that_is_not_there(tmp_path: Path, write_stack: WriteStack) -> None:
    write_stack(tmp_path / "s.h5" / "volumes" / "raw", 2)
    write_stack(tmp_path / "s.h5" / "labels", 2)
    for path, name in ((tmp_path / "s.h5", "main"), (tmp_path / "s.h5" / "volumes", "volumes")):
        message = complaint(path)
        assert f"has no data set /{name}; it has /labels and /volumes/raw: name one" in message
        assert "as in s.h5/labels" in message
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert "has no data set /main, nor any other" in complaint(tmp_path / "empty.h5")


@pytest.mark.parametrize("content", [b"", b"no image", b"II*\x00\xff\xff\xff\x7f", b"MM\x00*\x00\x00\x00\x08\x00\x01"])
@pytest.mark.parametrize("suffix", [".tif", ".h5", ".png"])
def test_what_is_no_image_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"s{suffix}"
    path.write_bytes(content)
    kind = {".tif": "TIFF", ".h5": "HDF5", ".png": "PNG"}[suffix]
    message = complaint(path)
    assert str(path) in message
    assert kind in message
    assert "\n" not in message


def test_a_file_that_was_cut_off(tmp_path: Path, write_stack: WriteStack) -> None:
    path = write_stack(tmp_path / "s.tif", 5)
    path.write_bytes(path.read_bytes()[:40])
    assert "s.tif" in complaint(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    assert "does not exist" in complaint(tmp_path / "none.tif")
    assert "does not exist" in complaint(tmp_path / "none.h5")
    assert "cannot be opened into slices; stacks are TIFF" in complaint(tmp_path / "v.nii.gz")
    assert "cannot be read as an image file: Is a directory" in complaint(_folder(tmp_path / "d.tif"))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
