"""Augmentation: image and label stay together, masks stay masks, and nothing happens unasked."""

import numpy as np
import pytest
import torch
import torchio as tio
from torch import Tensor

from msseg.config.experiment import ExperimentConfig
from msseg.config.patches import (
    PAPER_ORDER,
    Affine,
    Augmentation,
    BiasField,
    Blur,
    Contrast,
    Elastic,
    Flip,
    Gamma,
    Motion,
    Noise,
    Rotate90,
)
from msseg.metrics.overlap import count_overlap
from msseg.patches.augmentation import PatchAugmentation

Patch = tuple[np.ndarray, np.ndarray]

INTENSITY = (Motion, BiasField, Noise, Gamma, Contrast, Blur)
SPATIAL = (Flip, Affine, Elastic)
EVERY = (*INTENSITY, *SPATIAL, Rotate90)
SIZE, SPACING = (16, 16, 16), (1.0, 1.0, 1.0)


def augment(patch: Patch, *entries: Augmentation, seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    image, label = patch
    return PatchAugmentation(entries, SIZE, SPACING)(image.copy(), label.copy())


def by_hand(entry: Augmentation, size: tuple[int, int, int]) -> tio.Transform:
    """TorchIO's transform of an entry of the paper's list, written out."""
    p = entry.probability
    match entry:
        case Motion():
            return tio.RandomMotion(entry.degrees, entry.translation, entry.movements, p=p)
        case BiasField():
            return tio.RandomBiasField(entry.coefficients, entry.order, p=p)
        case Noise():
            return tio.RandomNoise(entry.mean, entry.std, p=p)
        case Flip():
            return tio.RandomFlip(entry.axes, flip_probability=entry.per_axis, p=p)
        case Affine():
            return tio.RandomAffine(entry.scales, entry.degrees, entry.translation, default_pad_value=0, p=p)
        case Elastic():
            bounds = tuple(min(entry.max_displacement, 0.99 * n / (entry.control_points - 1) / 2) for n in size)
            return tio.RandomElasticDeformation(entry.control_points, bounds, entry.locked_borders, p=p)
    raise AssertionError(entry.name)


def certain(kind: type[Augmentation]) -> Augmentation:
    """The augmentation for every patch; a flip along all of its axes."""
    return Flip(probability=1, per_axis=1) if kind is Flip else kind(probability=1)


@pytest.mark.parametrize("kind", EVERY)
def test_probability_0_changes_nothing(kind: type[Augmentation], head_patch: Patch) -> None:
    image, label = augment(head_patch, kind(probability=0))
    np.testing.assert_array_equal(image, head_patch[0])
    np.testing.assert_array_equal(label, head_patch[1])


@pytest.mark.parametrize("kind", INTENSITY + SPATIAL)
def test_probability_1_changes_the_image_reproducibly(kind: type[Augmentation], head_patch: Patch) -> None:
    image, _ = augment(head_patch, certain(kind), seed=1)
    again, _ = augment(head_patch, certain(kind), seed=1)
    other, _ = augment(head_patch, certain(kind), seed=2)
    assert image.dtype == torch.float32
    assert image.shape == (1, *SIZE)
    assert torch.isfinite(image).all()
    assert not torch.equal(image, torch.from_numpy(head_patch[0]))
    assert torch.equal(image, again)
    if kind is not Flip:  # which is sure to mirror all axes here
        assert not torch.equal(image, other)


@pytest.mark.parametrize("kind", INTENSITY)
def test_intensity_leaves_the_label_alone(kind: type[Augmentation], head_patch: Patch) -> None:
    _, label = augment(head_patch, certain(kind))
    np.testing.assert_array_equal(label, head_patch[1])


def test_probability_is_the_share_of_patches(head_patch: Patch) -> None:
    augmentation = PatchAugmentation([Contrast(probability=0.3)], SIZE, SPACING)
    torch.manual_seed(0)
    changed = sum(not np.array_equal(augmentation(*map(np.copy, head_patch))[0], head_patch[0]) for _ in range(400))
    assert changed / 400 == pytest.approx(0.3, abs=0.07)


@pytest.mark.parametrize("kind", SPATIAL)
@pytest.mark.parametrize("seed", range(3))
def test_image_and_label_move_together(kind: type[Augmentation], seed: int) -> None:
    """A ball as image and as label: thresholded halfway, the moved image is the moved label."""
    grid = np.indices(SIZE) - np.array([6.0, 8.0, 9.0])[:, None, None, None]
    ball = (np.linalg.norm(grid, axis=0) < 5)[np.newaxis].astype(np.float32)
    image, label = augment((ball, ball), certain(kind), seed=seed)
    assert not torch.equal(label, torch.from_numpy(ball))
    assert set(label.unique().tolist()) == {0.0, 1.0}
    assert count_overlap((image > 0.5).numpy(), (label > 0.5).numpy()).dsc > 0.93


def test_flip_mirrors_the_axes_it_names() -> None:
    volume = np.arange(16**3, dtype=np.float32).reshape(1, *SIZE)
    image, _ = augment((volume, volume), Flip(probability=1, per_axis=1, axes=(0, 2)))
    np.testing.assert_array_equal(image, volume[:, ::-1, :, ::-1])


def test_gamma_keeps_the_range_and_the_order_of_intensities(head_patch: Patch) -> None:
    image, _ = augment(head_patch, Gamma(probability=1, log_gamma=(0.3, 0.3)))
    before, after = head_patch[0].ravel(), image.numpy().ravel()
    low, high = before.min(), before.max()
    expected = ((before - low) / (high - low)) ** np.exp(0.3) * (high - low) + low
    np.testing.assert_allclose(after, expected, atol=1e-4)


def test_contrast_is_linear_and_leaves_the_background_at_0(head_patch: Patch) -> None:
    image, label = head_patch
    image = np.where(np.arange(16) < 4, 0, image).astype(np.float32)
    changed, _ = augment((image, label), Contrast(probability=1, scale=(2, 2), shift=(0.5, 0.5)))
    np.testing.assert_allclose(changed, np.where(image != 0, 2 * image + 0.5, 0), rtol=1e-5)


def test_contrast_changes_every_pixel_of_a_micrograph() -> None:
    """Normalised, it has no pixel of exactly 0, which would count as background."""
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 1)).astype(np.float32)
    entry = Contrast(probability=1, scale=(1.2, 1.2), shift=(0.2, 0.2))
    changed, _ = PatchAugmentation([entry], (32, 32, 1), SPACING)(image.copy(), np.zeros_like(image))
    np.testing.assert_allclose(changed, 1.2 * image + 0.2, atol=1e-5)


def test_channels_get_contrasts_of_their_own(head_patch: Patch) -> None:
    image = np.concatenate([head_patch[0], head_patch[0]])
    for kind in (Gamma, Contrast):
        changed, _ = augment((image, head_patch[1]), certain(kind))
        assert not torch.equal(changed[0], changed[1])


@pytest.mark.parametrize("kind", EVERY)
def test_a_constant_patch_survives(kind: type[Augmentation]) -> None:
    """Background alone: gamma must not divide by a range of 0."""
    empty = np.zeros((1, *SIZE), dtype=np.float32)
    image, label = augment((empty, empty), certain(kind))
    assert torch.isfinite(image).all()
    assert not label.any()


@pytest.mark.parametrize("size", [(16, 16, 16), (8, 24, 16)])
def test_elastic_does_not_fold_small_patches(size: tuple[int, int, int]) -> None:
    """Any displacement may be asked for; TorchIO warns of a field that may fold, and warnings are errors here."""
    slope = np.broadcast_to(np.arange(size[1], dtype=np.float32)[:, None], size)[np.newaxis].copy()
    augmentation = PatchAugmentation([Elastic(probability=1, max_displacement=50)], size, SPACING)
    for seed in range(3):
        torch.manual_seed(seed)
        image, _ = augmentation(slope.copy(), slope.copy())
        inner = image[0, 2:-2, 3:-3, 2:-2]  # beyond the border there are zeros
        assert (inner.diff(dim=1) > 0).all()  # a fold would turn the slope round


def test_spacing_counts_for_displacements(head_patch: Patch) -> None:
    """The same shift in mm is fewer voxels where voxels are larger."""
    entry = Affine(probability=1, scales=(1, 1), degrees=(0, 0), translation=(4, 4))
    images = {}
    for length in (1.0, 4.0):
        torch.manual_seed(0)
        spacing = (length, length, length)
        images[length], _ = PatchAugmentation([entry], SIZE, spacing)(*map(np.copy, head_patch))
    for length, image in images.items():
        shift = int(4 / length)
        moved = [
            np.roll(head_patch[0], signs, axis=(1, 2, 3))
            for signs in np.array(np.meshgrid(*[[-shift, shift]] * 3)).reshape(3, -1).T
        ]
        inner = (slice(None), *[slice(5, -5)] * 3)
        assert any(np.allclose(image[inner], candidate[inner], atol=1e-3) for candidate in moved)


def test_entries_are_applied_in_the_order_of_the_list(head_patch: Patch) -> None:
    """Scaling before the shift is not the shift before scaling."""
    double = Contrast(probability=1, scale=(2, 2), shift=(0, 0))
    lift = Contrast(probability=1, scale=(1, 1), shift=(3, 3))
    image = np.abs(head_patch[0]) + 1
    first, _ = augment((image, head_patch[1]), double, lift)
    second, _ = augment((image, head_patch[1]), lift, double)
    np.testing.assert_allclose(first, 2 * image + 3, rtol=1e-5)
    np.testing.assert_allclose(second, 2 * (image + 3), rtol=1e-5)


def test_the_papers_list_is_the_default_in_its_order() -> None:
    assert ExperimentConfig().augmentation == PAPER_ORDER
    assert [entry.name for entry in PAPER_ORDER] == ["motion", "bias_field", "noise", "flip", "affine", "elastic"]


def test_the_papers_list_works_on_small_patches(head_patch: Patch) -> None:
    entries = [entry.model_copy(update={"probability": 1.0}) for entry in PAPER_ORDER]
    for seed in range(3):
        image, label = augment(head_patch, *entries, seed=seed)
        assert torch.isfinite(image).all()
        assert set(label.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("seed", range(4))
def test_the_papers_list_is_what_torchio_makes_of_it(head_patch: Patch, seed: int) -> None:
    """To the bit, so that runs of an older version can be repeated."""
    entries = [entry.model_copy(update={"probability": 0.7}) for entry in PAPER_ORDER]
    image, label = augment(head_patch, *entries, seed=seed)
    torch.manual_seed(seed)
    subject = tio.Subject(
        image=tio.ScalarImage(tensor=torch.from_numpy(head_patch[0])),
        label=tio.LabelMap(tensor=torch.from_numpy(head_patch[1])),
    )
    expected = tio.Compose([by_hand(entry, SIZE) for entry in entries])(subject)
    assert torch.equal(image, expected.image.data)
    assert torch.equal(label, expected.label.data)
