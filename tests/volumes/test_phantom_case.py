"""Small heads: what every drawn case promises, whatever the seed and the shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msseg.volumes.phantom import small_case
from msseg.volumes.phantom.anatomy import ellipsoid_anatomy
from msseg.volumes.phantom.fields import smooth_field
from msseg.volumes.phantom.lesions import Lesion, render_lesions
from msseg.volumes.phantom.scan import draw_patient, draw_scan
from msseg.volumes.phantom.signal import CHANNELS


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(*[st.integers(14, 32)] * 3),
)
def test_every_case_has_a_brain_and_a_lesion_in_it(seed: int, shape: tuple[int, int, int]) -> None:
    images, label = small_case(shape, seed)
    assert tuple(images) == CHANNELS
    assert label.any()
    brains = [image != 0 for image in images.values()]
    for image, brain in zip(images.values(), brains, strict=True):
        assert image.shape == label.shape == shape
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert image.min() == 0
        assert np.array_equal(brain, brains[0])
        assert brain[label].all()


def test_same_seed_same_case_other_seed_other_case() -> None:
    images, label = small_case(seed=3)
    again, label_again = small_case(seed=3)
    other, _ = small_case(seed=4)
    assert np.array_equal(label, label_again)
    for channel, image in images.items():
        assert np.array_equal(image, again[channel])
        assert not np.array_equal(image, other[channel])


def test_a_channel_does_not_depend_on_the_others() -> None:
    every, label = small_case(seed=5)
    one, label_of_one = small_case(seed=5, channels=("T2W",))
    assert list(one) == ["T2W"]
    assert np.array_equal(one["T2W"], every["T2W"])
    assert np.array_equal(label, label_of_one)


def test_a_head_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 voxels"):
        small_case((24, 7, 20))


def test_shares_of_a_voxel_add_up_to_one_inside_the_head() -> None:
    anatomy = ellipsoid_anatomy((30, 34, 26))
    total = anatomy.white + anatomy.grey + anatomy.fluid
    assert total.max() == pytest.approx(1, abs=1e-5)
    assert np.isclose(total[10:20, 10:24, 10:16], 1, atol=1e-5).all()
    assert (anatomy.ventricles <= anatomy.fluid + 1e-6).all()
    patient = draw_patient(anatomy, 0).anatomy
    assert (patient.white + patient.grey + patient.fluid).max() < 1 + 1e-4
    assert (patient.ventricles <= patient.fluid + 1e-5).all()


def test_sessions_share_the_head_and_not_the_noise() -> None:
    patient = draw_patient(ellipsoid_anatomy((24, 28, 20)), 1)
    first, second = draw_scan(patient, 0), draw_scan(patient, 1)
    both = (first.images["T2W"] > 0) & (second.images["T2W"] > 0)
    either = (first.images["T2W"] > 0) | (second.images["T2W"] > 0)
    assert both.sum() > 0.9 * either.sum()
    assert np.corrcoef(first.images["T2W"][both], second.images["T2W"][both])[0, 1] > 0.8
    stranger = draw_scan(draw_patient(ellipsoid_anatomy((24, 28, 20)), 2), 0)
    both &= stranger.images["T2W"] > 0
    own = np.corrcoef(first.images["T2W"][both], second.images["T2W"][both])[0, 1]
    assert own > np.corrcoef(first.images["T2W"][both], stranger.images["T2W"][both])[0, 1]


def test_second_rater_agrees_but_not_exactly() -> None:
    both = first = second = 0
    for seed in range(12):
        scan = draw_scan(draw_patient(ellipsoid_anatomy((24, 28, 20)), seed), 0, ())
        both += int((scan.label & scan.second_label).sum())
        first, second = first + int(scan.label.sum()), second + int(scan.second_label.sum())
    assert 0.6 < 2 * both / (first + second) < 0.97


def ball(radius_mm: float, elongation: float = 1.0, onset: int = 0, growth: float = 0.0) -> Lesion:
    axis = np.array([0.0, 1.0, 0.0])
    return Lesion(np.array([29.0, 29.0, 29.0]), axis, radius_mm, elongation, 0.8, 0.4, onset, growth)


def extent_of(lesion: Lesion, session: int = 0, seed: int = 0) -> np.ndarray:
    anatomy = ellipsoid_anatomy((59, 59, 59), spacing_mm=1.0)
    maps = render_lesions((lesion,), anatomy, session, np.random.default_rng(seed))
    assert np.array_equal(maps.extent > 0, maps.water > 0)
    return maps.extent


def test_a_lesion_has_the_volume_of_its_ovoid() -> None:
    # Each border is irregular in its own way: the median over many has the ovoid's volume.
    for lesion, volume_mm3 in ((ball(6.0), 4 / 3 * np.pi * 6**3), (ball(5.0, 2.0), 4 / 3 * np.pi * 5**3 * 2)):
        volumes_mm3 = [(extent_of(lesion, seed=seed) > 0.5).sum() for seed in range(25)]
        assert np.median(volumes_mm3) == pytest.approx(volume_mm3, rel=0.25)


def test_a_lesion_stretches_along_its_axis() -> None:
    extents = [extent_of(ball(5.0, elongation=2.0), seed=seed) > 0.5 for seed in range(25)]
    lengths = np.median([[np.ptp(positions) for positions in np.nonzero(extent)] for extent in extents], axis=0)
    assert lengths[1] > 1.6 * max(lengths[0], lengths[2])


def test_a_lesion_appears_and_grows() -> None:
    lesion = ball(5.0, onset=1, growth=0.1)
    volumes = [extent_of(lesion, session).sum() for session in range(4)]
    assert volumes[0] == 0
    assert 0 < volumes[1] < volumes[2] < volumes[3]


@pytest.mark.parametrize("scale_mm", [3.0, 12.0, 60.0])
def test_fields_have_unit_variance_at_every_scale(scale_mm: float) -> None:
    rng = np.random.default_rng(0)
    values = np.stack([smooth_field((12, 10, 8), 2.0, scale_mm, rng) for _ in range(400)])
    assert np.abs(values.mean(axis=0)).max() < 0.3
    assert values.std(axis=0) == pytest.approx(1, abs=0.2)


def test_fields_are_smooth_on_their_scale() -> None:
    rng = np.random.default_rng(0)
    steps = [np.diff(smooth_field((40, 40, 40), 1.0, scale, rng), axis=0).std() for scale in (2.0, 8.0, 32.0)]
    assert steps[0] > 2 * steps[1] > 4 * steps[2]
