"""Augmentation in the plane: slices stay apart, TorchIO would move them the same way, and corners are not empty."""

from collections import Counter

import numpy as np
import pytest
import torch
import torchio as tio
from scipy.ndimage import gaussian_filter
from torch import Tensor

from msseg.config.patches import (
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
from msseg.patches.frame import Frame, Shape, Spacing
from msseg.patches.movements import draw_movement, sample, spline_field

EVERY = (Motion, BiasField, Noise, Gamma, Contrast, Blur, Flip, Rotate90, Affine, Elastic)
TURN = Affine(probability=1, degrees=(-180, 180), scales=(0.8, 1.2), translation=(-3, 3), in_plane=True)
BEND = Elastic(probability=1, max_displacement=4, in_plane=True)
IN_PLANE: tuple[Augmentation, ...] = (
    Rotate90(),
    Flip(probability=1, axes=(0, 1)),
    TURN,
    BEND,
    Blur(probability=1, std=(1, 1), in_plane=True),
)
UNIT = (1.0, 1.0, 1.0)


def texture(*shape: int, seed: int = 0, sigma: float = 2.0) -> np.ndarray:
    """A smooth random image (1, *shape) with standard deviation 1, smooth along each axis of more than one voxel."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = gaussian_filter(noise, [sigma if length > 1 else 0 for length in shape])
    return (smooth / smooth.std())[np.newaxis].astype(np.float32)


def augment(
    image: np.ndarray,
    *entries: Augmentation,
    label: np.ndarray | None = None,
    seed: int = 0,
    spacing: Spacing = UNIT,
    **options: object,
) -> tuple[Tensor, ...]:
    torch.manual_seed(seed)
    size: Shape = image.shape[1:]
    margin = options.get("margin", 0)
    patch = tuple(length - 2 * margin if length > 1 else 1 for length in size)
    label = np.zeros((1, *size), dtype=np.float32) if label is None else label
    return PatchAugmentation(entries, patch, spacing, **options)(image.copy(), label.copy())


@pytest.mark.parametrize("entry", IN_PLANE, ids=lambda entry: entry.name)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_leaks_from_one_slice_to_another(entry: Augmentation, seed: int) -> None:
    """One slice holds something; its neighbours stay exactly empty, in the image and in the label."""
    image, label = np.zeros((2, 24, 24, 5), dtype=np.float32), np.zeros((1, 24, 24, 5), dtype=np.float32)
    image[..., 2], label[..., 2] = 1 + texture(24, 24), 1
    moved, moved_label = augment(image, entry, label=label, seed=seed)
    for result in (moved, moved_label):
        assert result[..., 2].any()
        assert not result[..., [0, 1, 3, 4]].any()


@pytest.mark.parametrize("seed", range(3))
def test_a_slice_of_a_stack_moves_as_it_would_alone(seed: int) -> None:
    stack = texture(32, 32, 4)
    label = (stack > 0).astype(np.float32)
    together, labels = augment(stack, *IN_PLANE, label=label, seed=seed)
    for z in range(4):
        alone, label_alone = augment(stack[..., z : z + 1], *IN_PLANE, label=label[..., z : z + 1], seed=seed)
        torch.testing.assert_close(together[..., z : z + 1], alone, atol=1e-5, rtol=0)
        assert torch.equal(labels[..., z : z + 1], label_alone)


def test_without_in_plane_a_stack_is_moved_in_3d() -> None:
    """The test above can fail: the same movements, allowed to leave the plane, do leak."""
    image = np.zeros((1, 24, 24, 5), dtype=np.float32)
    image[..., 2] = 1
    for entry in (TURN, BEND, Blur(probability=1, std=(1, 1))):
        moved, _ = augment(image, entry.model_copy(update={"in_plane": False}))
        assert moved[..., 1].any(), entry.name


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("kind", EVERY)
def test_an_axis_of_one_voxel_is_left_alone(kind: type[Augmentation], axis: int) -> None:
    """With the defaults; the result is a slice again, with image and label in place of each other."""
    entry = kind(probability=1) if kind is not Flip else Flip(probability=1, per_axis=1)
    shape = [33, 33, 33]
    shape[axis] = 1
    grid = np.indices(shape) - 16 * (np.array(shape) > 1)[:, None, None, None]
    grid[(axis + 1) % 3] -= 3
    disc = (np.linalg.norm(grid, axis=0) < 9)[np.newaxis].astype(np.float32)
    image, label = augment(disc, entry, label=disc)
    assert image.shape == label.shape == (1, *shape)
    assert kind in (Gamma, Rotate90) or not torch.equal(image, torch.from_numpy(disc))
    assert set(label.unique().tolist()) == {0.0, 1.0}
    if kind is Contrast or kind is BiasField:
        image = (image != 0).float()
    assert count_overlap((image > 0.5).numpy(), (label > 0.5).numpy()).dsc > 0.9


def test_flip_along_one_voxel_changes_nothing() -> None:
    image = texture(8, 8, 1)
    moved, _ = augment(image, Flip(probability=1, per_axis=1, axes=(2,)))
    np.testing.assert_array_equal(moved, image)


def test_a_row_of_voxels_survives() -> None:
    row = np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1)
    image, _ = augment(row, *(kind(probability=1) for kind in EVERY))
    assert image.shape == (1, 16, 1, 1)
    assert torch.isfinite(image).all()


@pytest.mark.parametrize("spacing", [UNIT, (1.0, 1.5, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_affine_moves_a_slice_as_torchio_does(spacing: Spacing, seed: int) -> None:
    image = texture(40, 48, 1)
    torch.manual_seed(seed)
    movement = draw_movement(TURN, (0, 1), Frame((40, 48, 1), spacing))
    torch.manual_seed(seed)
    scales, degrees, translation = tio.RandomAffine.get_params(
        TURN.scales * 3, TURN.degrees * 3, TURN.translation * 3, isotropic=False
    )
    reference = tio.Affine(tuple(scales.tolist()), tuple(degrees.tolist()), (*translation[:2].tolist(), 0.0))
    expected = reference(tio.ScalarImage(tensor=torch.from_numpy(image), affine=np.diag([*spacing, 1.0]))).data
    coordinates = torch.stack(torch.meshgrid(torch.arange(40.0), torch.arange(48.0), indexing="ij"))
    places = movement(coordinates)
    within = ((places >= 0) & (places <= torch.tensor([39.0, 47.0]).view(2, 1, 1))).all(dim=0)
    moved = sample(torch.from_numpy(image[..., 0]), places, "bilinear", "zero")
    assert within.float().mean() > 0.4
    torch.testing.assert_close(moved[0][within], expected[0, ..., 0][within], atol=1e-3, rtol=0)


def test_the_spline_is_torchios() -> None:
    """TorchIO turns its control points round: ITK's axes point left and back, and so do its displacements."""
    image, spacing = texture(60, 44, 1, sigma=3), (1.0, 1.5, 3.0)
    points = np.random.default_rng(0).uniform(-3, 3, (7, 7, 2))
    cube = np.zeros((7, 7, 7, 3))
    cube[..., :2] = points[:, :, np.newaxis]
    subject = tio.ScalarImage(tensor=torch.from_numpy(image), affine=np.diag([*spacing, 1.0]))
    expected = tio.ElasticDeformation(cube, (3, 3, 0.01))(subject).data[0, 4:-4, 4:-4, 0]
    field = spline_field(-points[::-1, ::-1], (60, 44)) / torch.tensor(spacing[:2]).view(2, 1, 1)
    coordinates = torch.stack(torch.meshgrid(torch.arange(60.0), torch.arange(44.0), indexing="ij"))
    moved = sample(torch.from_numpy(image[..., 0]), coordinates + field, "bilinear", "zero")[0, 4:-4, 4:-4]
    assert (torch.from_numpy(image)[0, 4:-4, 4:-4, 0] - expected).abs().max() > 0.5
    torch.testing.assert_close(moved, expected, atol=0.02, rtol=0)  # ITK's grid is a little larger than the image


def test_elastic_moves_by_the_displacement_asked_for_and_never_folds() -> None:
    size = (96, 96, 1)
    coordinates = torch.stack(torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij"))
    largest = []
    for seed in range(20):
        for displacement, points in ((6, 7), (1000, 7), (1000, 15)):
            torch.manual_seed(seed)
            entry = Elastic(probability=1, max_displacement=displacement, control_points=points)
            moved = draw_movement(entry, (0, 1), Frame(size, UNIT))(coordinates)
            (xx, xy), (yx, yy) = (torch.gradient(part) for part in moved)
            assert (xx * yy - xy * yx).min() > 0
            if displacement == 6:
                largest.append((moved - coordinates).abs().max().item())
    assert 2 < np.mean(largest) < max(largest) <= 6


def test_elastic_moves_half_as_many_voxels_where_they_are_twice_as_large() -> None:
    coordinates = torch.stack(torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij"))
    shifts = []
    for length in (1.0, 2.0):
        torch.manual_seed(0)
        shifts.append(draw_movement(BEND, (0, 1), Frame((64, 64, 1), (length, length, 1)))(coordinates) - coordinates)
    torch.testing.assert_close(shifts[0], 2 * shifts[1], atol=1e-4, rtol=0)


def test_movements_are_joined_in_their_order() -> None:
    """A shift by 4, then a quarter turn, on the voxel grid: the same as two passes, and not as the other order."""
    shift = Affine(probability=1, scales=(1, 1), degrees=(0, 0), translation=(4, 4))
    turn = Affine(probability=1, scales=(1, 1), degrees=(90, 90))
    image = np.zeros((1, 24, 24, 1), dtype=np.float32)
    image[0, 8:14, 6:10] = texture(6, 4, 1)[0]
    joined, _ = augment(image, shift, turn)
    first, _ = augment(image, shift)
    second, _ = augment(first.numpy(), turn)
    other, _ = augment(augment(image, turn)[0].numpy(), shift)
    torch.testing.assert_close(joined, second, atol=1e-4, rtol=0)
    assert (joined - other).abs().max() > 0.5
    np.testing.assert_allclose(first, np.roll(image, (4, 4), (1, 2)), atol=1e-5)


def test_joined_movements_interpolate_once() -> None:
    """Of white noise, linear interpolation keeps (2/3)^2 of the variance; a second time would cost as much again."""
    noise = np.random.default_rng(0).normal(size=(1, 128, 128, 1)).astype(np.float32)
    turn = Affine(probability=1, scales=(1, 1), degrees=(20, 40))
    bend = Elastic(probability=1, max_displacement=8)
    options = {"margin": 32, "beyond": "mirror"}
    once = [augment(noise, turn, seed=seed, **options)[0].var().item() for seed in range(4)]
    both = [augment(noise, turn, bend, seed=seed, **options)[0].var().item() for seed in range(4)]
    assert np.mean(once) == pytest.approx(4 / 9, abs=0.03)
    assert np.mean(both) == pytest.approx(4 / 9, abs=0.03)


def test_rotate90_draws_all_eight_alike() -> None:
    image = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    turned = [np.rot90(image, turns, (1, 2)) for turns in range(4)]
    eight = {array.tobytes() for plain in turned for array in (plain, plain[:, ::-1])}
    augmentation = PatchAugmentation([Rotate90()], (3, 3, 1), UNIT)
    torch.manual_seed(0)
    drawn: Counter[bytes] = Counter()
    for _ in range(1600):
        moved, label = augmentation(image.copy(), image.copy())
        assert torch.equal(moved, label)
        drawn[moved.numpy().tobytes()] += 1
    assert len(eight) == 8
    assert drawn.keys() == eight
    assert sum((count - 200) ** 2 / 200 for count in drawn.values()) < 24.3  # 7 degrees of freedom: one seed in 1000


@pytest.mark.parametrize(("shape", "spacing"), [((3, 4, 2), UNIT), ((3, 3, 2), (1.0, 2.0, 1.0))])
def test_rotate90_keeps_the_shape_where_it_is_not_square(shape: Shape, spacing: Spacing) -> None:
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    four = {image[:, ::x, ::y].tobytes() for x in (1, -1) for y in (1, -1)}
    drawn = {augment(image, Rotate90(), seed=seed, spacing=spacing)[0].numpy().tobytes() for seed in range(40)}
    assert drawn == four


def test_motion_leaves_a_slice_on_its_label() -> None:
    """TorchIO alone shifts a slice as a whole, by 8 mm here; mixed in k-space, the head stays where it is."""
    motion = Motion(probability=1, degrees=(0, 0), translation=(8, 8))
    image = texture(64, 64, 1)
    for seed in range(5):
        moved, _ = augment(image, motion, seed=seed)
        stays = np.corrcoef(moved.numpy().ravel(), image.ravel())[0, 1]
        assert 0.7 < stays < 0.9999
