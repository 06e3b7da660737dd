"""Stacks of slices: TIFF, PNG and HDF5 in, TIFF out."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from msseg.errors import InputError
from msseg.volumes.files import output_suffix, read_volume, volume_stem, volume_suffix, write_volume
from msseg.volumes.tiff import load_tiff
from msseg.volumes.volume import Volume

h5py = pytest.importorskip("h5py")

PAGES = np.arange(4 * 6 * 5).reshape(4, 6, 5).astype(np.uint8)
"""Four slices of six rows and five columns."""


def as_volume(pages):
    return np.moveaxis(pages, 0, -1)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_tiffs_of_any_kind_are_read(tmp_path, compression, kind):
    tifffile.imwrite(tmp_path / "a.tif", PAGES.astype(kind), photometric="minisblack", compression=compression)
    read = read_volume(tmp_path / "a.tif")
    assert read.data.dtype == np.float32
    np.testing.assert_array_equal(read.data, as_volume(PAGES))
    np.testing.assert_array_equal(read.affine, np.eye(4))


def test_chosen_pages_are_read_in_the_order_asked_for(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif", pages=(3, 1)).data, as_volume(PAGES[[3, 1]]))


@pytest.mark.parametrize(
    "options",
    [{"imagej": True, "metadata": {"axes": "ZYX"}}, {"ome": True, "metadata": {"axes": "ZYX"}}, {"bigtiff": True}],
)
def test_other_programs_stacks_are_read(tmp_path, options):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").data, as_volume(PAGES))
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif", pages=[2]).data, as_volume(PAGES[[2]]))


def test_a_single_slice_is_a_volume_of_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tiff", PAGES[0])
    Image.fromarray(PAGES[0]).save(tmp_path / "a.png")
    for name in ("a.tiff", "a.png"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).data, PAGES[0][:, :, None])


def test_png_of_sixteen_bits(tmp_path):
    values = PAGES[0].astype(np.uint16) * 500
    Image.fromarray(values).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.png").data[:, :, 0], values)


def test_hdf5_data_sets(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["main"] = PAGES
        file["volumes/raw"] = PAGES[:2]
        file["flat"] = PAGES[0]
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5").data, as_volume(PAGES))
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5", pages=[2, 0]).data, as_volume(PAGES[[2, 0]]))
    np.testing.assert_array_equal(read_volume(tmp_path / "a.h5/volumes/raw").data, as_volume(PAGES[:2]))
    assert read_volume(tmp_path / "a.h5/flat").shape == (6, 5, 1)


def test_an_unnamed_data_set_is_asked_for(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["volumes/raw"] = PAGES
    with pytest.raises(InputError, match=r"no data set main; name one of its data sets: .*a.h5/volumes/raw"):
        read_volume(tmp_path / "a.h5")


def test_shapes_of_data_sets_that_are_no_stacks(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["main"] = np.zeros((2, 3, 4, 5))
        file["text"] = "hello"
    with pytest.raises(InputError, match="2 x 3 x 4 x 5; slices x rows x columns"):
        read_volume(tmp_path / "a.h5")
    with pytest.raises(InputError, match="grey values"):
        read_volume(tmp_path / "a.h5/text")


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.h5"])
def test_garbage_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"An introduction to microscopy." * 10)
    with pytest.raises(InputError, match=name):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.h5"])
def test_missing_files_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=f"{name}.*(No such file|not exist|cannot be read)"):
        read_volume(tmp_path / name)


def test_colours_are_refused_unless_asked_for(tmp_path):
    colours = np.zeros((6, 5, 3), np.uint8)
    colours[..., 1] = 100
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
    Image.fromarray(colours).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        with pytest.raises(InputError, match=r"RGB.*--colour grey"):
            read_volume(tmp_path / name)
        grey = read_volume(tmp_path / name, colour="grey")
        assert grey.shape == (6, 5, 1)
        np.testing.assert_allclose(grey.data, 58.7, atol=0.5)


def test_three_slices_saved_as_the_planes_of_one_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[:3], photometric="rgb", planarconfig="separate")
    with pytest.raises(InputError, match=r"if its planes are slices.*minisblack"):
        read_volume(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", PAGES[:3], photometric="minisblack")
    assert read_volume(tmp_path / "b.tif").shape == (6, 5, 3)


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(PAGES[0])
        writer.write(PAGES[0, :3])
    with pytest.raises(InputError, match=r"different sizes or types \(6 x 5, 3 x 5\)"):
        read_volume(tmp_path / "a.tif")


def test_channels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[:2], imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(InputError, match=r"axes .*one axis of slices"):
        read_volume(tmp_path / "a.tif")


def test_an_unknown_compression_is_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(34712)
    with pytest.raises(InputError, match=r"34712.*LZW or zlib"):
        read_volume(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, compression):
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 64), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", noise, photometric="minisblack", compression=compression)
    whole = (tmp_path / "a.tif").read_bytes()
    for kept in (0.3, 0.5, 0.9, 0.99):
        (tmp_path / "b.tif").write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(InputError, match=r"b\.tif"):
            read_volume(tmp_path / "b.tif")


def test_zeros_that_are_white_are_inverted(tmp_path, caplog):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="miniswhite")
    np.testing.assert_array_equal(read_volume(tmp_path / "a.tif").data, 255 - as_volume(PAGES))
    assert "zeros are white" in caplog.text


def test_a_slice_beyond_the_stack(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, photometric="minisblack")
    with pytest.raises(InputError, match="4 slices; slice 8"):
        read_volume(tmp_path / "a.tif", pages=[7])


@given(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)), st.sampled_from(["u1", "u2", "f4", "?"]))
def test_what_is_written_is_read(tmp_path_factory, shape, kind):
    path = tmp_path_factory.mktemp("tif") / "a.tif"
    data = np.random.default_rng(1).integers(0, 2, shape).astype(kind)
    write_volume(path, data, Volume(data, np.eye(4)))
    back = load_tiff(path)
    assert back.dtype == (np.uint8 if kind == "?" else data.dtype)
    np.testing.assert_array_equal(back, data * np.uint8(255) if kind == "?" else data)


def test_three_slices_are_written_as_three_grey_pages(tmp_path):
    data = np.zeros((6, 5, 3), np.float32)
    write_volume(tmp_path / "a.tif", data, Volume(data, np.eye(4)))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 3
        assert all(page.photometric == tifffile.PHOTOMETRIC.MINISBLACK for page in file.pages)
        assert file.pages[0].dtype == np.float32


@pytest.mark.parametrize(
    ("name", "suffix", "stem", "output"),
    [
        ("a/X.nii.gz", ".nii.gz", "X", ".nii.gz"),
        ("X.TIF", ".TIF", "X", ".TIF"),
        ("X.png", ".png", "X", ".tif"),
        ("X.h5", ".h5", "X", ".tif"),
        ("X.h5/volumes/raw", ".h5", "X", ".tif"),
        ("X.txt", None, "X", ".nii.gz"),
    ],
)
def test_names(tmp_path, name, suffix, stem, output):
    path = tmp_path / name
    assert (volume_suffix(path), volume_stem(path), output_suffix(path)) == (suffix, stem, output)
