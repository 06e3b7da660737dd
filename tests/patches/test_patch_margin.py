"""The margin around a patch: what moves into it, where it is drawn, and that nothing of it is left."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from msseg.config.patches import Affine, Augmentation, Beyond, Elastic, Flip, Gamma, Noise, Rotate90
from msseg.patches.augmentation import PatchAugmentation
from msseg.patches.frame import Shape

UNIT = (1.0, 1.0, 1.0)


def texture(*shape: int) -> np.ndarray:
    """A smooth random image (1, *shape) with standard deviation 1."""
    noise = np.random.default_rng(0).normal(size=shape)
    smooth = gaussian_filter(noise, [2 if length > 1 else 0 for length in shape])
    return (smooth / smooth.std())[np.newaxis].astype(np.float32)


def augment(
    drawn: np.ndarray, *entries: Augmentation, margin: int = 0, beyond: Beyond = "zero", seed: int = 0
) -> tuple[Tensor, ...]:
    """Augment a patch drawn with a margin; it is its own label."""
    torch.manual_seed(seed)
    x, y, z = (length - 2 * margin if length > 1 else 1 for length in drawn.shape[1:])
    return PatchAugmentation(entries, (x, y, z), UNIT, margin, beyond)(drawn.copy(), drawn.copy())


@pytest.mark.parametrize("beyond", ["zero", "mirror"])
def test_the_margin_is_where_corners_come_from(beyond: str) -> None:
    """A bright field turned by 45 degrees: empty corners without margin and mirror, none with either."""
    turn = Affine(probability=1, scales=(1, 1), degrees=(45, 45))
    bright = np.ones((1, 40, 40, 1), dtype=np.float32)
    bare, label = augment(bright, turn, beyond=beyond)
    assert bool((bare == 0).any()) == bool((label == 0).any()) == (beyond == "zero")
    framed, label = augment(bright, turn, beyond=beyond, margin=9)
    assert framed.shape == (1, 22, 22, 1)
    np.testing.assert_allclose(framed, 1, rtol=1e-5)
    assert label.all()


def test_the_margin_is_cut_off_and_changes_nothing_else() -> None:
    """Turned, then cut, is the middle of the large patch turned; not moved, it is the middle of the large patch."""
    image, turn = texture(48, 48, 1), Affine(probability=1, degrees=(-180, 180))
    whole, _ = augment(image, turn, seed=3)
    cut, _ = augment(image, turn, seed=3, margin=8)
    torch.testing.assert_close(cut, whole[:, 8:-8, 8:-8])
    still, _ = augment(image, Affine(probability=0), margin=8)
    np.testing.assert_array_equal(still, image[:, 8:-8, 8:-8])


def test_the_margin_in_3d() -> None:
    image, turn = texture(20, 22, 24), Affine(probability=1)
    whole, _ = augment(image, turn, Flip(probability=1), seed=3)
    cut, _ = augment(image, turn, Flip(probability=1), seed=3, margin=4)
    assert cut.shape == (1, 12, 14, 16)
    torch.testing.assert_close(cut, whole[:, 4:-4, 4:-4, 4:-4])


def test_a_margin_is_drawn_where_something_moves() -> None:
    def margins(size: Shape, *entries: Augmentation) -> Shape:
        return PatchAugmentation(entries, size, UNIT, margin=5).margin

    assert margins((16, 16, 1), Rotate90(), Flip(), Noise()) == (0, 0, 0)
    assert margins((16, 16, 1), Affine()) == (5, 5, 0)
    assert margins((1, 16, 16), Elastic()) == (0, 5, 5)
    assert margins((16, 16, 8), Affine(in_plane=True), Elastic(in_plane=True)) == (5, 5, 0)
    assert margins((16, 16, 8), Affine(in_plane=True), Elastic()) == (5, 5, 5)


def test_intensity_after_the_movements_sees_the_patch_alone() -> None:
    """Gamma scales by the patch's own range, which a bright margin would stretch."""
    image = np.full((1, 32, 32, 1), 100.0, dtype=np.float32)
    image[:, 8:-8, 8:-8] = texture(16, 16, 1)
    patch = image[:, 8:-8, 8:-8]
    gamma = Gamma(probability=1, log_gamma=(0.3, 0.3))
    still = Affine(probability=0)
    after, _ = augment(image, still, gamma, margin=8)
    expected = ((patch - patch.min()) / np.ptp(patch)) ** np.exp(0.3) * np.ptp(patch) + patch.min()
    np.testing.assert_allclose(after, expected, atol=1e-4)
    before, _ = augment(image, gamma, still, margin=8)
    assert (before - after).abs().max() > 0.1
