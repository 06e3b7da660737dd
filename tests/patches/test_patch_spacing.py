"""Augmentation measures in mm, whatever the lengths of the voxels."""

import numpy as np
import pytest
import torch

from msseg.config.patches import Affine, Augmentation, Blur, Elastic, Flip, Motion, PatchesConfig
from msseg.metrics.overlap import count_overlap
from msseg.patches.augmentation import PatchAugmentation
from msseg.patches.dataset import PatchDataset
from msseg.patches.frame import Frame
from msseg.volumes.cache import CachedCase

SIZE, SPACING = (48, 48, 12), (1.0, 1.0, 4.0)
"""48 mm along each axis."""


def ball(radius: float, size: tuple[int, int, int] = SIZE, spacing: tuple[float, float, float] = SPACING) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * length for n, length in zip(size, spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return (x**2 + y**2 + z**2 < radius**2)[np.newaxis].astype(np.float32)


def augment(image: np.ndarray, *entries: Augmentation, seed: int = 0) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(seed)
    return PatchAugmentation(entries, SIZE, SPACING)(image.copy(), image.copy())


@pytest.mark.parametrize("in_plane", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_ball_stays_a_ball_when_it_is_turned(in_plane: bool, seed: int) -> None:
    """Turned in voxels, it would be an ellipsoid that is turned."""
    turn = Affine(probability=1, scales=(1, 1), degrees=(60, 80), in_plane=in_plane)
    image, label = augment(ball(18), turn, seed=seed)
    assert count_overlap(label[0].numpy() > 0.5, ball(18)[0] > 0).dsc > 0.94
    assert count_overlap(image[0].numpy() > 0.5, ball(18)[0] > 0).dsc > 0.94


def test_a_shift_is_in_mm_along_thick_slices() -> None:
    shift = Affine(probability=1, scales=(1, 1), degrees=(0, 0), translation=(8, 8))
    image, _ = augment(ball(12), shift)
    places = np.argwhere(image[0].numpy() > 0.5).mean(axis=0) - (np.array(SIZE) - 1) / 2
    np.testing.assert_allclose(np.abs(places) * SPACING, 8, atol=0.2)


def test_blur_is_as_wide_in_mm_along_every_axis() -> None:
    point = np.zeros((1, *SIZE), np.float32)
    point[0, 24, 24, 6] = 1
    image, _ = augment(point, Blur(probability=1, std=(4, 4)))
    density = image[0].numpy().astype(np.float64)
    for axis, length in enumerate(SPACING):
        profile = density.sum(axis=tuple(other for other in range(3) if other != axis))
        place = (np.arange(len(profile)) - (24, 24, 6)[axis]) * length
        assert (place**2 * profile).sum() / profile.sum() == pytest.approx(16, rel=0.15)


def test_elastic_moves_no_farther_than_a_fold_allows_in_mm() -> None:
    frame = Frame(SIZE, (0.5, 0.5, 4.0))
    limits = frame.displacement(Elastic(max_displacement=100, control_points=7))
    np.testing.assert_allclose(limits, np.array([24, 24, 48]) * 0.99 / 6 / 2)


@pytest.mark.parametrize("entry", [Motion(probability=1), Elastic(probability=1), Flip(probability=1, per_axis=1)])
def test_flat_patches_go_through_everything(entry: Augmentation) -> None:
    random = np.random.default_rng(0).normal(size=(1, *SIZE)).astype(np.float32)
    image, label = augment(random, entry)
    assert image.shape == (1, *SIZE)
    assert torch.isfinite(image).all()
    assert label.shape == (1, *SIZE)


def test_the_dataset_gives_augmentation_the_case_s_spacing(thick_case: CachedCase) -> None:
    patches = PatchesConfig(size=(16, 16, 6), per_volume=2)
    dataset = PatchDataset([thick_case], patches, [Affine(probability=1)], seed=0)
    np.testing.assert_allclose(np.diag(dataset.engines[0].augment.affine), (1, 1, 3, 1))
    patch = dataset[0]
    assert isinstance(patch["image"], torch.Tensor)
    assert patch["image"].shape == (1, 16, 16, 6)
