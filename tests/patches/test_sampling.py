"""Where patches are drawn, and what is in them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.config.patches import PatchesConfig
from msseg.patches.sampling import cut, draw_patch, draw_start

NO_LESION = np.empty((0, 3), dtype=np.int32)

shapes = st.tuples(*[st.integers(1, 12)] * 3)


@given(shape=shapes, size=shapes, share=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 10**6), data=st.data())
def test_patch_lies_inside_and_holds_the_lesion(
    shape: tuple[int, int, int], size: tuple[int, int, int], share: float, seed: int, data: st.DataObject
) -> None:
    voxel = np.array([[data.draw(st.integers(0, length - 1)) for length in shape]])
    start = draw_start(shape, size, share, voxel, np.random.default_rng(seed))
    for first, length, extent in zip(start, size, shape, strict=True):
        if extent >= length:
            assert 0 <= first <= extent - length
        else:  # the volume is in the middle of the patch
            assert first == -((length - extent) // 2)
    if share == 1:
        assert all(first <= place < first + length for first, place, length in zip(start, voxel[0], size, strict=True))


def starts(share: float, lesion: np.ndarray, draws: int = 4000) -> Counter[tuple[int, int, int]]:
    """How often each of the 27 places of a 2^3 patch in a 4^3 volume is drawn."""
    random = np.random.default_rng(0)
    return Counter(draw_start((4, 4, 4), (2, 2, 2), share, lesion, random) for _ in range(draws))


@pytest.mark.parametrize(("share", "lesion"), [(0.0, np.array([[0, 0, 0]])), (1.0, NO_LESION)])
def test_other_patches_are_uniform(share: float, lesion: np.ndarray) -> None:
    counts = starts(share, lesion)
    assert len(counts) == 27
    expected = 4000 / 27
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 54.1  # 26 degrees of freedom: one seed in a thousand is above


def test_the_lesion_is_anywhere_in_the_patch() -> None:
    counts = starts(1.0, np.array([[2, 2, 2]]))
    assert set(counts) == {(x, y, z) for x in (1, 2) for y in (1, 2) for z in (1, 2)}
    assert min(counts.values()) > 0.8 * 4000 / 8


def test_lesion_share_is_the_share_of_patches_made_to_hold_lesion() -> None:
    """The voxel (0, 0, 0) is in one of 27 places alone, which a uniform patch has by chance as well."""
    counts = starts(0.5, np.array([[0, 0, 0]]))
    assert counts[0, 0, 0] / 4000 == pytest.approx(0.5 + 0.5 / 27, abs=0.03)


@given(shape=shapes, size=shapes, seed=st.integers(0, 10**6))
def test_cut_is_the_padded_volume_sliced(shape: tuple[int, int, int], size: tuple[int, int, int], seed: int) -> None:
    start = draw_start(shape, size, 0.0, NO_LESION, np.random.default_rng(seed))
    volume = np.arange(1, 2 * np.prod(shape) + 1).reshape(2, *shape)
    padded = np.pad(volume, [(0, 0), *[(12, 12)] * 3])
    x, y, z = (slice(12 + first, 12 + first + length) for first, length in zip(start, size, strict=True))
    np.testing.assert_array_equal(cut(volume, start, size), padded[:, x, y, z])


@given(
    shape=shapes, size=shapes, start=st.tuples(*[st.integers(-30, 30)] * 3), beyond=st.sampled_from(("mirror", "edge"))
)
def test_beyond_the_volume_is_the_padded_volume(
    shape: tuple[int, int, int], size: tuple[int, int, int], start: tuple[int, int, int], beyond: str
) -> None:
    """Several volumes' lengths away as well."""
    volume = np.arange(1, 2 * np.prod(shape) + 1).reshape(2, *shape)
    padded = np.pad(volume, [(0, 0), *[(30, 42)] * 3], mode={"mirror": "reflect", "edge": "edge"}[beyond])
    x, y, z = (slice(30 + first, 30 + first + length) for first, length in zip(start, size, strict=True))
    np.testing.assert_array_equal(cut(volume, start, size, beyond), padded[:, x, y, z])


def test_the_margin_lies_around_the_patch_and_does_not_move_it(make_case) -> None:
    label = np.zeros((9, 8, 7), dtype=bool)
    label[4, 5, 6] = True
    case = make_case(label)
    for beyond in ("zero", "mirror"):
        patches = PatchesConfig(size=(4, 4, 1), beyond=beyond)
        for seed in range(10):
            plain = draw_patch(case, patches, np.random.default_rng(seed))
            framed = draw_patch(case, patches, np.random.default_rng(seed), (20, 20, 0))
            for small, large in zip(plain, framed, strict=True):
                assert large.shape == (1, 44, 44, 1)
                np.testing.assert_array_equal(large[:, 20:-20, 20:-20], small)
            assert (framed[0] == 0).any() == (beyond == "zero")


def test_whole_slices(make_case) -> None:
    """A patch of the slice's size is the slice; a larger one is filled up."""
    slice_ = make_case(np.ones((6, 5, 1), dtype=bool))
    whole, _ = draw_patch(slice_, PatchesConfig(size=(6, 5, 1)), np.random.default_rng(0))
    np.testing.assert_array_equal(whole, slice_.data())
    zeros, label = draw_patch(slice_, PatchesConfig(size=(8, 8, 1)), np.random.default_rng(0))
    np.testing.assert_array_equal(zeros[0, ..., 0], np.pad(slice_.data()[0, ..., 0], [(1, 1), (1, 2)]))
    assert label.sum() == 30
    mirrored, label = draw_patch(slice_, PatchesConfig(size=(8, 8, 1), beyond="mirror"), np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored[0, ..., 0], np.pad(slice_.data()[0, ..., 0], [(1, 1), (1, 2)], "reflect"))
    assert label.all()


def test_image_and_label_are_cut_at_one_place(make_case) -> None:
    label = np.zeros((9, 8, 7), dtype=bool)
    label[4, 5, 6] = True
    case = make_case(label)
    image, patch_label = draw_patch(case, PatchesConfig(size=(4, 4, 4)), np.random.default_rng(3))
    assert image.shape == patch_label.shape == (1, 4, 4, 4)
    assert image.dtype == patch_label.dtype == np.float32
    number = np.ravel_multi_index((4, 5, 6), label.shape) + 1
    assert image[patch_label == 1].tolist() == [number]


def test_a_volume_smaller_than_the_patch_is_padded_with_zeros(make_case) -> None:
    label = np.zeros((3, 10, 4), dtype=bool)
    label[1, 8, 2] = True
    image, patch_label = draw_patch(make_case(label), PatchesConfig(size=(8, 6, 4)), np.random.default_rng(0))
    assert image.shape == (1, 8, 6, 4)
    assert patch_label.sum() == 1
    inside = np.flatnonzero(image.any(axis=(0, 2, 3)))
    assert inside.tolist() == [2, 3, 4]
