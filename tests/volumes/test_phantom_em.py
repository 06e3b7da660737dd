"""The drawn stack of serial sections: its files, its truth, and whether it is a fair task."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from msseg.errors import InputError
from msseg.volumes.phantom import em_stack
from msseg.volumes.phantom.em_fields import PLANES_PER_SECTION, drifting_field
from msseg.volumes.phantom.em_neurites import GLIA, depth_inside, draw_neurites
from msseg.volumes.phantom.em_organelles import mitochondrion_depth, stamp_rings
from msseg.volumes.phantom.em_section import cut_section, draw_tissue
from msseg.volumes.phantom.em_stack import EmStack, draw_em_stack, write_em_stack


@pytest.fixture(scope="module", params=(0, 1, 2))
def stack(request: pytest.FixtureRequest) -> EmStack:
    return draw_em_stack(slices=6, size=192, seed=request.param)


def dice(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * (prediction & truth).sum() / (prediction.sum() + truth.sum()))


# ---------------------------------------------------------------------------------------------- files


def test_files_are_those_of_isbi2012(tmp_path: Path) -> None:
    write_em_stack(tmp_path / "data", slices=3, size=48, seed=5, name="stack2")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"stack2-volume.tif", "stack2-labels.tif"}
    drawn = draw_em_stack(slices=3, size=48, seed=5)
    for name, expected in (("volume", drawn.image), ("labels", drawn.label)):
        with tifffile.TiffFile(tmp_path / "data" / f"stack2-{name}.tif") as file:
            assert len(file.pages) == 3
            assert file.pages[0].photometric == tifffile.PHOTOMETRIC.MINISBLACK
            stored = file.asarray()
        assert stored.dtype == np.uint8
        assert stored.shape == (3, 48, 48)
        assert np.array_equal(stored, expected)


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    write_em_stack(tmp_path / "here", slices=2, size=64, seed=3)
    call = (
        "from pathlib import Path; from msseg.volumes.phantom.em_stack import write_em_stack; "
        f"write_em_stack(Path({str(tmp_path / 'there')!r}), slices=2, size=64, seed=3)"
    )
    subprocess.run([sys.executable, "-c", call], check=True)
    for name in ("phantom-volume.tif", "phantom-labels.tif"):
        here, there = ((tmp_path / place / name).read_bytes() for place in ("here", "there"))
        assert hashlib.sha256(here).hexdigest() == hashlib.sha256(there).hexdigest()


def test_another_seed_draws_another_stack() -> None:
    first, second = (draw_em_stack(slices=1, size=64, seed=seed) for seed in (0, 1))
    assert (first.label != second.label).mean() > 0.1
    assert abs(np.corrcoef(first.image.ravel(), second.image.ravel())[0, 1]) < 0.3


def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = tifffile.imwrite

    def fill_the_disk(path: Path, pages: NDArray[np.uint8], **options: object) -> None:
        if "volume" in path.name:
            raise OSError(28, "No space left on device")
        write(path, pages, **options)

    monkeypatch.setattr(em_stack.tifffile, "imwrite", fill_the_disk)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_em_stack(tmp_path, slices=1, size=32)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("slices", "size"), [(0, 64), (3, 31)])
def test_a_stack_too_small_is_refused(slices: int, size: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"phantom of {slices} slices of {size} pixels cannot be drawn"):
        write_em_stack(tmp_path, slices=slices, size=size)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------- truth


def test_label_is_the_inside_of_neurites(stack: EmStack) -> None:
    assert stack.image.shape == stack.label.shape == (6, 192, 192)
    assert stack.image.dtype == stack.label.dtype == np.uint8
    assert set(np.unique(stack.label)) == {0, 255}
    assert np.array_equal(stack.label == 255, stack.neurite > 0)


def test_share_of_membrane_is_about_that_of_the_real_stack(stack: EmStack) -> None:
    assert 0.15 < (stack.label == 0).mean() < 0.30  # 0.22 in ISBI 2012


def test_membrane_lies_between_any_two_neurites(stack: EmStack) -> None:
    for page in stack.neurite:
        profiles, count = ndimage.label(page)
        assert count > 8
        for number, window in enumerate(ndimage.find_objects(profiles), start=1):
            neurites = np.unique(page[window][profiles[window] == number])
            assert len(neurites) == 1
            assert (profiles[window] == number).sum() >= 24


@pytest.mark.parametrize("size", [32, 47, 64])
def test_small_slices_have_membranes_and_neurites_too(size: int) -> None:
    for seed in range(10):
        assert 0.05 < (draw_em_stack(slices=1, size=size, seed=seed).label == 0).mean() < 0.8


def test_profiles_range_from_thin_axons_to_thick_dendrites() -> None:
    pages = draw_em_stack(slices=3, size=256, seed=0).neurite
    areas = np.concatenate([np.bincount(ndimage.label(page)[0].ravel())[1:] for page in pages])
    assert 60 < len(areas) < 180  # 30 to 35 a page of this size in ISBI 2012
    assert np.percentile(areas, 10) < 150
    assert np.percentile(areas, 95) > 3000


def test_neurites_go_on_from_section_to_section(stack: EmStack) -> None:
    for page, following in zip(stack.neurite[:-1], stack.neurite[1:], strict=True):
        both = (page > 0) & (following > 0)
        assert (page == following)[both].mean() > 0.75
        assert (page != following).mean() > 0.08  # yet they move: sections are twelve pixels thick


def test_some_neurites_begin_and_end() -> None:
    pages = draw_em_stack(slices=10, size=192, seed=0).neurite
    inner = pages[:, 32:-32, 32:-32]
    seen = np.array([[(page == number).any() for page in inner] for number in np.unique(inner)])
    assert (~seen[:, 0] & seen[:, -1]).any()
    assert (seen[:, 0] & ~seen[:, -1]).any()


# ---------------------------------------------------------------------------------------------- a fair task


def test_membranes_are_darker(stack: EmStack) -> None:
    for image, label in zip(stack.image, stack.label, strict=True):
        assert image[label == 255].mean() - image[label == 0].mean() > 25


@pytest.mark.parametrize("blur", [0.0, 1.0, 2.0])
def test_no_threshold_on_brightness_solves_it(stack: EmStack, blur: float) -> None:
    smooth = ndimage.gaussian_filter(stack.image.astype(np.float32), (0, blur, blur))
    truth = stack.label == 255
    thresholds = range(10, 250, 5)
    assert max(dice(smooth > threshold, truth) for threshold in thresholds) < 0.93  # 0.91 in ISBI 2012
    assert max(dice(smooth <= threshold, ~truth) for threshold in thresholds) < 0.75  # 0.65 in ISBI 2012


def test_brightness_and_contrast_change_between_sections() -> None:
    image = draw_em_stack(slices=8, size=96, seed=0).image.astype(np.float64)
    assert image.mean(axis=(1, 2)).std() > 3
    assert image.std(axis=(1, 2)).std() > 0.8
    assert 100 < image.mean() < 155
    assert 28 < image.std() < 55
    assert ((image == 0) | (image == 255)).mean() < 0.005


def spectrum(pages: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Power (log10) in rings of spatial frequency from 0.01 to 0.5 cycles a pixel, of slices of variance 1."""
    window = np.hanning(pages.shape[1])[:, None] * np.hanning(pages.shape[2])
    power = np.zeros(window.shape)
    for page in pages.astype(np.float64):
        power += np.abs(np.fft.fft2(window * (page - page.mean()) / page.std())) ** 2 / (window**2).sum() / len(pages)
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(size) for size in window.shape), indexing="ij"))
    rings = np.digitize(frequency, [0.01, 0.04, 0.1, 0.2, 0.35, 0.5])
    return np.log10([power[rings == ring].mean() for ring in range(1, 6)])


@pytest.mark.real
def test_brightness_and_texture_are_those_of_isbi2012(shared_data: Path) -> None:
    real, label = (tifffile.imread(shared_data / "isbi2012" / f"train-{kind}.tif") for kind in ("volume", "labels"))
    stacks = [draw_em_stack(slices=6, size=256, seed=seed) for seed in range(3)]
    image, truth = (np.concatenate(pages) for pages in zip(*((s.image, s.label) for s in stacks), strict=True))
    percentiles = [5, 25, 50, 75, 95]
    assert np.percentile(image, percentiles) == pytest.approx(np.percentile(real, percentiles), abs=15)
    for value in (0, 255):
        assert image[truth == value].mean() == pytest.approx(real[label == value].mean(), abs=12)
    assert spectrum(image) == pytest.approx(spectrum(real[::3, :256, :256]), abs=0.4)


def test_mitochondria_are_dark_but_no_membrane() -> None:
    neurites = draw_neurites(3, 256, np.random.default_rng(0))
    tissue = draw_tissue(neurites, np.random.default_rng(1))
    plane = PLANES_PER_SECTION + PLANES_PER_SECTION // 2
    rows, columns = neurites.coordinates(plane, np.zeros(2))
    section = cut_section(tissue, 1, np.random.default_rng(2))
    inside, matrix = section.neurite > 0, np.zeros((256, 256), dtype=bool)
    depth = depth_inside(neurites.plane(plane, np.zeros(2)))
    for organelle in tissue.contents.mitochondria:
        found = mitochondrion_depth(organelle, neurites, plane, rows, columns)
        own = neurites.plane(plane, np.zeros(2)) == neurites.owner[organelle.process]
        if found is not None:
            matrix |= own & (found[0] > 5) & (depth > 9)
    assert matrix.sum() > 300
    assert inside[matrix].mean() > 0.95
    cytoplasm = inside & ~ndimage.binary_dilation(matrix, iterations=10)
    assert section.image[cytoplasm].mean() - section.image[matrix].mean() > 25


# ---------------------------------------------------------------------------------------------- parts


def test_drifting_field_is_normal_and_smooth_along_the_stack() -> None:
    rng = np.random.default_rng(0)
    fields = [drifting_field(12, 64, 12.0, 3.0, rng) for _ in range(60)]
    pages = np.stack([[field.plane(plane) for plane in (0, 1, 6, 11)] for field in fields])
    assert pages.shape == (60, 4, 64, 64)
    assert abs(pages.mean()) < 0.05
    assert pages.std() == pytest.approx(1, abs=0.06)
    apart = [np.mean(pages[:, 0] * pages[:, other]) for other in (1, 2, 3)]
    assert apart[0] > 0.9 > apart[1] > apart[2]


def test_drifting_field_at_points_is_the_plane() -> None:
    field = drifting_field(3, 40, 20.0, 2.0, np.random.default_rng(1))
    points = np.array([[0.0, 0.0], [7.0, 31.0], [39.0, 12.0]])
    planes = np.stack([field.plane(number)[(0, 7, 39), (0, 31, 12)] for number in range(3)])
    assert field.at(points) == pytest.approx(planes, abs=1e-5)
    assert field.at(np.array([[-50.0, -50.0]])) == pytest.approx(field.at(np.zeros((1, 2))))


def test_depth_is_the_distance_to_another_neurite() -> None:
    neurite = np.zeros((5, 8), dtype=np.int32)
    neurite[:, 3:] = 1
    assert np.array_equal(depth_inside(neurite), np.tile(np.float32([2, 1, 0, 0, 1, 2, 3, 4]), (5, 1)))
    assert (depth_inside(np.ones((4, 6), dtype=np.int32)) == 6).all()


def test_a_plane_shows_numbered_neurites_and_moves_with_its_shift() -> None:
    neurites = draw_neurites(1, 96, np.random.default_rng(4))
    plane = neurites.plane(2, np.zeros(2))
    assert plane.shape == (96, 96)
    assert plane.min() >= GLIA
    assert plane.max() <= neurites.count
    neurites_moved = neurites.plane(2, np.array([2.0, 0.0]))
    assert (neurites_moved[2:] == plane[:-2]).mean() > 0.85
    assert (neurites_moved[2:] == plane[:-2]).mean() > (neurites_moved == plane).mean()


def test_rings_are_dark_on_the_line_and_discs_in_the_middle() -> None:
    chance = np.zeros((31, 31), dtype=np.float32)
    chance[15, 15] = 1.0
    ring, disc = (np.zeros((31, 31), dtype=np.float32) for _ in range(2))
    stamp_rings(ring, chance, (4.0, 4.0), np.random.default_rng(0))
    stamp_rings(disc, chance, (4.0, 4.0), np.random.default_rng(0), hollow=0.0)
    assert ring[15, 15] < 0.1 * ring.max() < 0.1 * ring[15, 18:21].max() * 1.3
    assert disc[15, 15] > 0.5
    assert ring[0].max() == disc[0].max() == 0


def test_no_ring_where_none_can_be() -> None:
    canvas = np.zeros((8, 8), dtype=np.float32)
    stamp_rings(canvas, np.zeros_like(canvas), (2.0, 3.0), np.random.default_rng(0))
    assert not canvas.any()
