"""Consensus of raters: SimpleITK's STAPLE, and votes by hand."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from msseg.metrics.consensus import consensus_mask, staple_probability


def readings(raters: int, seed: int = 0) -> list[np.ndarray]:
    """The masks of raters who see the same lesions and draw them differently."""
    rng = np.random.default_rng(seed)
    base = ndimage.gaussian_filter(rng.normal(size=(24, 22, 20)), 1.5)
    base /= base.std()
    noise = [ndimage.gaussian_filter(rng.normal(size=base.shape), 1) for _ in range(raters)]
    return [base + 1.5 * own > 1.8 + 0.1 * rater for rater, own in enumerate(noise)]


@pytest.mark.parametrize("raters", [3, 5, 7])
def test_staple_is_simpleitks(raters: int) -> None:
    masks = readings(raters)
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
    expected = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0, 1))
    found = staple_probability(masks)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert 0 < consensus_mask(masks, "staple").sum() < np.logical_or.reduce(masks).sum()


def test_staple_of_two_raters_is_simpleitks_up_to_where_it_stops() -> None:
    masks = readings(2)
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in masks]
    np.testing.assert_allclose(
        staple_probability(masks), sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0, 1)), atol=0.05
    )


def test_staple_trusts_those_who_agree_with_the_others() -> None:
    a, b, c = readings(3, seed=1)
    careless = np.random.default_rng(0).random(a.shape) < 0.5
    together = consensus_mask([a, b, c, careless], "staple")
    assert np.mean(together == consensus_mask([a, b, c], "majority")) > 0.98


def test_votes() -> None:
    masks = [np.array([[[bool(number >> bit & 1)]] for number in range(8)]) for bit in range(3)]
    votes = [bin(number).count("1") for number in range(8)]
    for how, needed in (("union", 1), ("majority", 2), ("intersection", 3)):
        assert consensus_mask(masks, how).ravel().tolist() == [count >= needed for count in votes]
    two = masks[:2]
    np.testing.assert_array_equal(consensus_mask(two, "majority"), consensus_mask(two, "intersection"))


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.parametrize("how", ["staple", "union", "intersection", "majority"])
def test_raters_of_one_mind(how: str, value: bool) -> None:
    masks = [np.full((3, 4, 5), value)] * 3
    assert (consensus_mask(masks, how) == value).all()


def test_identical_raters_are_their_own_consensus() -> None:
    mask = readings(1)[0]
    for how in ("staple", "union", "intersection", "majority"):
        np.testing.assert_array_equal(consensus_mask([mask, mask], how), mask)
