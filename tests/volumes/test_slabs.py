"""Slices with their neighbours: what is read, and in which channel it ends up."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from msseg.cases.case import Case
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.cache import Truth, cache_case
from msseg.volumes.preprocessing import prepare
from msseg.volumes.slabs import neighbourhood, read_slices

PLAIN = PreprocessingConfig(orientation="keep", crop="none", normalise="none", context=1)


@pytest.fixture
def stack(tmp_path):
    pages = np.random.default_rng(0).integers(0, 255, (5, 20, 18), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s-volume.tif", pages, photometric="minisblack")
    tifffile.imwrite(tmp_path / "s-labels.tif", (pages > 99).astype(np.uint8) * 255, photometric="minisblack")
    return pages


@given(st.lists(st.integers(0, 9), min_size=1, unique=True), st.integers(0, 3))
def test_neighbours_are_on_the_pages_that_are_read(slices, context):
    pages, places = neighbourhood(slices, 10, context)
    assert pages == sorted(set(pages))
    for row, slice_ in zip(places, slices, strict=True):
        expected = [min(max(slice_ + offset, 0), 9) for offset in range(-context, context + 1)]
        assert [pages[place] for place in row] == expected


def test_only_what_is_needed_is_read():
    assert neighbourhood([7], 1000, 1)[0] == [6, 7, 8]


def test_a_whole_stack_and_its_slices_agree(stack, tmp_path):
    path = tmp_path / "s-volume.tif"
    whole, places = read_slices(path, PLAIN)
    assert places is None
    together = prepare([whole], PLAIN).data
    assert together.shape == (3, 20, 18, 5)
    for index in range(5):
        volume, places = read_slices(path, PLAIN, (index,))
        alone = prepare([volume], PLAIN, places=places).data
        np.testing.assert_array_equal(alone[..., 0], together[..., index])
        np.testing.assert_array_equal(alone[1, :, :, 0], stack[index])
        np.testing.assert_array_equal(alone[2, :, :, 0], stack[min(index + 1, 4)])


def test_slices_in_files_of_their_own_see_their_neighbours(stack, tmp_path):
    files = []
    for index, page in enumerate(stack):
        files.append(tmp_path / f"t{index:03d}.tif")
        tifffile.imwrite(files[-1], page)
    volume, places = read_slices(files[2], PLAIN, (2,), files)
    data = prepare([volume], PLAIN, places=places).data
    np.testing.assert_array_equal(data[..., 0], stack[1:4])


def test_slices_are_normalised_one_by_one(stack, tmp_path):
    settings = PreprocessingConfig(orientation="keep", crop="none", normalise="z_score_slice")
    data = prepare([read_slices(tmp_path / "s-volume.tif", settings)[0]], settings).data[0]
    np.testing.assert_allclose(data.mean(axis=(0, 1)), 0, atol=1e-6)
    np.testing.assert_allclose(data.std(axis=(0, 1)), 1, atol=1e-6)


def test_a_lost_section_becomes_zero(stack, tmp_path):
    stack[3] = 7
    tifffile.imwrite(tmp_path / "s-volume.tif", stack, photometric="minisblack")
    settings = PreprocessingConfig(orientation="keep", crop="none", normalise="z_score_slice")
    data = prepare([read_slices(tmp_path / "s-volume.tif", settings)[0]], settings).data[0]
    assert not data[:, :, 3].any()
    assert data[:, :, 2].any()


@pytest.mark.parametrize("size", [(16, 40), (32, 32), (20, 18)])
def test_slices_are_resized_and_back(stack, tmp_path, size):
    settings = PreprocessingConfig(orientation="keep", crop="none", normalise="none", resize=size)
    volume, _ = read_slices(tmp_path / "s-volume.tif", settings)
    label = type(volume)(volume.data > 99, volume.affine)
    prepared = prepare([volume], settings, label)
    assert prepared.data.shape == (1, *size, 5)
    assert prepared.label.shape == (*size, 5)
    assert prepared.label.dtype == bool
    assert prepared.grid.to_source(prepared.data[0]).shape == (20, 18, 5)
    assert abs(prepared.label.mean() - label.data.mean()) < 0.05


def test_resizing_a_smooth_image_and_back_is_nearly_the_identity():
    from dataclasses import replace

    from msseg.volumes.geometry import whole_grid

    x, y = np.meshgrid(np.linspace(0, 3, 64), np.linspace(0, 3, 48), indexing="ij")
    image = (np.sin(x) + np.cos(y))[..., None].astype(np.float32)
    grid = replace(whole_grid((64, 48, 1), np.eye(4), "keep"), resized=(80, 60))
    np.testing.assert_allclose(grid.to_source(grid.to_network(image)), image, atol=0.02)


def test_a_page_is_cached_with_its_own_label(stack, tmp_path):
    case = Case("s_003", "s", "s", {"EM": tmp_path / "s-volume.tif"}, tmp_path / "s-labels.tif", 2, 3)
    cached = cache_case(case, ("EM",), PLAIN, tmp_path / "cache", Truth("inside"), maps=("signed_distance",))
    np.testing.assert_array_equal(cached.data()[1, :, :, 0], stack[2])
    np.testing.assert_array_equal(cached.label()[:, :, 0], stack[2] > 99)
    assert cached.map("signed_distance").shape == (20, 18, 1)
    other = cache_case(case, ("EM",), PLAIN, tmp_path / "cache", Truth("membrane"))
    np.testing.assert_array_equal(other.label(), ~cached.label())


def test_stack_and_labels_of_different_shape(stack, tmp_path):
    tifffile.imwrite(tmp_path / "s-labels.tif", np.zeros((5, 20, 17), np.uint8), photometric="minisblack")
    case = Case("s_003", "s", "s", {"EM": tmp_path / "s-volume.tif"}, tmp_path / "s-labels.tif", 2, 3)
    with pytest.raises(InputError, match=r"labels.tif has 1 slice of 20 x 17 pixels, but .*volume.tif has .* 20 x 18"):
        cache_case(case, ("EM",), PLAIN, tmp_path / "cache", Truth("inside"))
