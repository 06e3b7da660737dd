"""From volumes as read to what the network sees."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.volumes.preprocessing import Prepared, prepare
from msseg.volumes.volume import Volume

SHAPE = (8, 9, 10)
DEFAULT = PreprocessingConfig()


def brain(seed: int = 0, box: tuple[slice, slice, slice] = (slice(2, 6), slice(1, 8), slice(3, 9))) -> np.ndarray:
    """Intensities of both signs inside a box (as images have that were resampled), zero outside."""
    data = np.zeros(SHAPE, np.float32)
    data[box] = np.random.default_rng(seed).normal(300, 200, data[box].shape)
    return data


def volume(data: np.ndarray, name: str = "image.nii", affine: np.ndarray | None = None) -> Volume:
    return Volume(data, np.eye(4) if affine is None else affine, path=Path(name))


def prepared(*channels: np.ndarray, label: np.ndarray | None = None, **changes: str) -> Prepared:
    images = [volume(data, f"image{number}.nii") for number, data in enumerate(channels)]
    chosen = DEFAULT.model_copy(update=changes)
    return prepare(images, chosen, None if label is None else volume(label, "label.nii"))


# ----------------------------------------------------------------------------------------- normalisation


def test_the_subject_has_mean_0_and_standard_deviation_1_and_the_background_is_0() -> None:
    data = brain()
    assert data.min() < 0 < data.max()
    normalised = prepared(data, crop="none").data[0]
    subject = data != 0
    assert np.all(normalised[~subject] == 0)
    np.testing.assert_allclose(normalised[subject].mean(dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(normalised[subject].std(dtype=np.float64), 1, rtol=1e-6)
    expected = (data[subject].astype(np.float64) - data[subject].mean(dtype=np.float64)) / data[subject].std(
        dtype=np.float64
    )
    np.testing.assert_allclose(normalised[subject], expected, atol=1e-5)


def test_each_channel_is_normalised_by_itself() -> None:
    both = prepared(brain(0), brain(1) * 50 + 7 * (brain(1) != 0)).data
    for channel in both:
        np.testing.assert_allclose(channel[channel != 0].std(dtype=np.float64), 1, rtol=1e-5)


def test_a_small_spread_on_a_large_offset_keeps_its_digits() -> None:
    data = np.zeros((32, 30, 30), np.float32)
    data[1:-1] = np.random.default_rng(0).normal(1e5, 1, (30, 30, 30))
    np.testing.assert_allclose(prepared(data).data[0].std(dtype=np.float64), 1, rtol=2e-6)


def test_normalisation_over_all_voxels_moves_the_background_too() -> None:
    normalised = prepared(brain(), crop="none", normalise="z_score").data[0]
    np.testing.assert_allclose(normalised.mean(dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(normalised.std(dtype=np.float64), 1, rtol=1e-6)
    assert np.all(normalised[brain() == 0] < 0)


def test_without_normalisation_the_file_s_values_stay() -> None:
    np.testing.assert_array_equal(prepared(brain(), crop="none", normalise="none").data[0], brain())


@given(st.floats(0.01, 1000), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_the_scanner_s_gain_does_not_matter(gain: float, seed: int) -> None:
    np.testing.assert_allclose(
        prepared(brain(seed) * np.float32(gain)).data, prepared(brain(seed)).data, rtol=1e-4, atol=1e-4
    )


# ---------------------------------------------------------------------------------------------------- crop


def test_the_crop_is_the_bounding_box_of_all_channels_together() -> None:
    first, second = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    first[2, 3, 4], first[3, 3, 4] = 1, 2
    second[5, 1, 6], second[5, 1, 7] = -1, -2
    result = prepared(first, second, normalise="none")
    assert result.grid.box == ((2, 6), (1, 4), (4, 8))
    np.testing.assert_array_equal(result.data[0], first[2:6, 1:4, 4:8])
    np.testing.assert_array_equal(result.data[1], second[2:6, 1:4, 4:8])
    assert result.data.dtype == np.float32
    assert result.data.flags["C_CONTIGUOUS"]


def test_traces_of_interpolation_outside_the_head_are_background() -> None:
    """Resampling with splines leaves values of a ten-millionth of the brain's there."""
    clean, traced = brain(), brain()
    traced[0, 0, 0], traced[7, 8, 9] = np.abs(clean).max() * 1e-7, -np.abs(clean).max() * 1e-7
    np.testing.assert_array_equal(prepared(traced).data, prepared(clean).data)
    assert prepared(traced).grid.box == prepared(clean).grid.box
    uncropped = prepared(traced, crop="none").data[0]
    assert uncropped[0, 0, 0] == uncropped[7, 8, 9] == 0


def test_faint_voxels_that_are_no_traces_belong_to_the_subject() -> None:
    data = brain()
    data[0, 0, 0] = np.abs(data).max() * 1e-4
    assert prepared(data).grid.box[0] == (0, 6)


# --------------------------------------------------------------------------------------------------- label


def test_the_label_goes_the_same_way_as_the_image() -> None:
    data, label = brain(), np.zeros(SHAPE, bool)
    label[3, 2, 4] = label[4, 5, 6] = True
    result = prepared(data, label=label)
    assert result.label is not None
    assert result.label.dtype == bool
    assert result.label.shape == result.data.shape[1:]
    np.testing.assert_array_equal(result.grid.to_source(result.label), label)
    assert prepared(data).label is None


def test_lesion_outside_the_crop_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    label = np.zeros(SHAPE, bool)
    label[3, 2, 4] = label[0, 0, 0] = label[7, 0, 0] = True
    result = prepared(brain(), label=label)
    assert result.label is not None
    assert result.label.sum() == 1
    (message,) = caplog.messages
    assert message.startswith("label.nii: 2 of 3 lesion voxels lie outside the images' non-zero voxels")
    caplog.clear()
    prepared(brain(), label=label, crop="none")
    assert caplog.messages == []


# ------------------------------------------------------------------------------------------------- refusals


def test_a_label_on_another_grid_is_refused_with_both_grids() -> None:
    label = volume(np.zeros((8, 9, 11), bool), "label.nii", np.diag([-1, 1, 0.5, 1]))
    with pytest.raises(InputError) as caught:
        prepare([volume(brain())], DEFAULT, label)
    message = str(caught.value)
    assert message.startswith("label.nii does not lie on the grid of image.nii: ")
    assert "8 x 9 x 11 voxels of 1 x 1 x 0.5 mm, LAS" in message
    assert "8 x 9 x 10 voxels of 1 x 1 x 1 mm, RAS" in message


def test_channels_on_different_grids_are_refused() -> None:
    with pytest.raises(InputError, match=r"t1\.nii does not lie on the grid of flair\.nii"):
        prepare([volume(brain(), "flair.nii"), volume(brain(), "t1.nii", np.diag([1, 1, 2, 1]))], DEFAULT)


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("normalise", ["z_score_nonzero", "z_score", "none"])
def test_a_constant_image_is_refused(value: float, normalise: str) -> None:
    with pytest.raises(InputError, match=rf"image1\.nii is constant \(every voxel is {value}\)"):
        prepared(brain(), np.full(SHAPE, value, np.float32), normalise=normalise)


def test_a_mask_given_as_an_image_is_refused() -> None:
    with pytest.raises(InputError, match=r"image0\.nii holds one value \(3\) and background alone"):
        prepared((brain() != 0).astype(np.float32) * 3)
    assert prepared((brain() != 0).astype(np.float32), normalise="none").data.max() == 1


# ---------------------------------------------------------------------------------------------- orientation


@given(st.permutations(range(3)), st.tuples(*[st.sampled_from([1, -1])] * 3), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_the_file_s_orientation_does_not_matter(order: list[int], flips: tuple[int, int, int], seed: int) -> None:
    affine = np.diag([1, 2, 3, 1.0])
    label = brain(seed) > 400
    turn = np.column_stack([order, flips])
    images = [nib.Nifti1Image(data.astype(np.float32), affine) for data in (brain(seed), label)]
    turned = [image.as_reoriented(turn) for image in images]
    straight, other = (
        prepare([Volume(image.get_fdata(), image.affine)], DEFAULT, Volume(mask.get_fdata(), mask.affine))
        for image, mask in (images, turned)
    )
    np.testing.assert_array_equal(other.data, straight.data)
    np.testing.assert_array_equal(other.label, straight.label)
    np.testing.assert_allclose(other.spacing, (1, 2, 3))
