"""Maps of the label go with the patch: linearly, untouched by intensity, and far from any border beyond the volume."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.utils.data import default_collate

from msseg.config.experiment import ExperimentConfig
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
    PatchesConfig,
    Rotate90,
)
from msseg.config.training import TrainingConfig
from msseg.patches.augmentation import PatchAugmentation
from msseg.patches.datamodule import PatchDataModule
from msseg.patches.dataset import PatchDataset, VolumeDataset

INTENSITY = (Motion, BiasField, Noise, Gamma, Contrast, Blur)
SPATIAL = (Flip, Rotate90, Affine, Elastic)
SIZES = ((32, 32, 1), (20, 20, 20))


def distance(mask: np.ndarray) -> np.ndarray:
    """Signed distance to a mask's border (X, Y, Z), negative inside."""
    return (distance_transform_edt(~mask) - distance_transform_edt(mask)).astype(np.float32)


def ball(size: tuple[int, int, int], radius: float) -> np.ndarray:
    middle = (np.array(size) - 1) / 2
    return np.linalg.norm(np.indices(size) - middle[:, None, None, None], axis=0) < radius


def augment(size: tuple[int, int, int], *entries: Augmentation, seed: int = 0) -> tuple[Tensor, ...]:
    """A ball as image and label, its distance and a ramp as maps."""
    mask = ball(size, 7)
    ramp = np.arange(mask.size, dtype=np.float32).reshape(1, *size) / mask.size
    arrays = mask[None].astype(np.float32), mask[None].astype(np.float32), distance(mask)[None], ramp
    torch.manual_seed(seed)
    return PatchAugmentation(entries, size, (1.0, 1.0, 1.0), maps=("distance", "ramp"))(*arrays)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", INTENSITY)
def test_intensity_leaves_maps_alone(kind: type[Augmentation], size: tuple[int, int, int]) -> None:
    _, label, *maps = augment(size, kind(probability=1))
    _, still_label, *still = augment(size)
    assert torch.equal(label, still_label)
    assert all(map(torch.equal, maps, still))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", INTENSITY + SPATIAL)
def test_maps_do_not_change_what_happens_to_the_image(kind: type[Augmentation], size: tuple[int, int, int]) -> None:
    image, label, *_ = augment(size, kind(probability=1), Noise(probability=1), seed=2)
    torch.manual_seed(2)
    mask = ball(size, 7)[None].astype(np.float32)
    alone = PatchAugmentation([kind(probability=1), Noise(probability=1)], size, (1.0, 1.0, 1.0))(mask, mask.copy())
    assert torch.equal(image, alone[0])
    assert torch.equal(label, alone[1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SPATIAL)
@pytest.mark.parametrize("seed", range(3))
def test_maps_move_with_the_label(kind: type[Augmentation], size: tuple[int, int, int], seed: int) -> None:
    """Where the moved distance is clearly negative there is the ball, where it is clearly positive there is none."""
    _, label, moved, _ = augment(size, kind(probability=1), seed=seed)
    assert label[moved < -0.8].all()
    assert not label[moved > 0.8].any()
    assert ((moved > -0.8) & (moved < 0.8)).float().mean() < 0.15
    if kind in (Affine, Elastic):
        assert len(moved.unique()) > 2 * len(np.unique(distance(ball(size, 7))))  # interpolated, not the nearest


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("entry", [Affine(probability=1, translation=(6, 6)), Elastic(probability=1, locked_borders=0)])
def test_beyond_the_patch_maps_are_far_from_a_border(entry: Augmentation, size: tuple[int, int, int]) -> None:
    """Neither 0, which is a border, nor the minimum, the deepest inside, is drawn in."""
    border = np.ones((1, *size), dtype=np.float32)
    border[:, size[0] // 2] = -5
    torch.manual_seed(0)
    augmentation = PatchAugmentation([entry], size, (1.0, 1.0, 1.0), maps=("distance",))
    bright, _, moved = augmentation(np.ones((1, *size), dtype=np.float32), (border < 0).astype(np.float32), border)
    drawn_in = bright[:, [0, -1]] < 0.01
    assert entry.name == "elastic" or drawn_in.any()
    torch.testing.assert_close(moved[:, [0, -1]][drawn_in], torch.ones(int(drawn_in.sum())))
    edges = torch.cat([moved[:, 0], moved[:, -1]])
    torch.testing.assert_close(edges, torch.ones_like(edges))


def test_a_map_without_augmentation_is_the_stored_one_to_the_bit(case_with_maps) -> None:
    case = stored(case_with_maps)
    patch = PatchDataset([case], PatchesConfig(size=(24, 20, 1)), [], 0, ("distance",))[0]
    np.testing.assert_array_equal(patch["maps"]["distance"][0], case.map("distance"))


def stored(case_with_maps, name: str = "slice"):
    mask = ball((24, 20, 1), 6)
    image = np.random.default_rng(0).normal(size=(2, 24, 20, 1)).astype(np.float32)
    return case_with_maps(name, image, mask, {"distance": distance(mask), "ones": np.ones(mask.shape, np.float32)})


def test_patches_and_volumes_carry_the_maps_that_are_asked_for(case_with_maps) -> None:
    case = stored(case_with_maps)
    patches = PatchesConfig(size=(12, 12, 1), per_volume=4, margin=6, beyond="mirror")
    entries = [Rotate90(), Affine(probability=1, degrees=(-180, 180)), Elastic(probability=1), Contrast(probability=1)]
    dataset = PatchDataset([case], patches, entries, 3, ("ones", "distance"))
    batch = default_collate([dataset[index] for index in range(4)])
    assert batch["image"].shape == (4, 2, 12, 12, 1)
    assert list(batch["maps"]) == ["ones", "distance"]
    for values in batch["maps"].values():
        assert values.shape == (4, 1, 12, 12, 1)
        assert values.dtype == torch.float32
    torch.testing.assert_close(batch["maps"]["ones"], torch.ones(4, 1, 12, 12, 1))
    assert batch["label"][batch["maps"]["distance"] < -0.8].all()
    assert not batch["label"][batch["maps"]["distance"] > 0.8].any()
    assert PatchDataset([case], patches, entries, 3)[0]["maps"] == {}
    volume = VolumeDataset([case], ("distance",))[0]
    np.testing.assert_array_equal(volume["maps"]["distance"], case.map("distance")[np.newaxis])
    assert VolumeDataset([case])[0]["maps"] == {}


def test_maps_beyond_the_volume_keep_its_edge(case_with_maps) -> None:
    case = stored(case_with_maps)
    dataset = PatchDataset([case], PatchesConfig(size=(40, 20, 1)), [], 0, ("distance",))
    patch = dataset[0]
    assert not patch["image"][:, :8].any()
    assert not patch["label"][:, :8].any()
    expected = np.broadcast_to(case.map("distance")[:1], (8, 20, 1))
    np.testing.assert_array_equal(patch["maps"]["distance"][0, :8], expected)


def test_the_data_module_asks_for_them(case_with_maps) -> None:
    patches = PatchesConfig(size=(8, 8, 1), per_volume=2, batch_size=2)
    config = ExperimentConfig(patches=patches, training=TrainingConfig(workers=0), augmentation=())
    cases = [stored(case_with_maps)]
    module = PatchDataModule(config, cases, cases, ("distance",))
    (batch,) = module.train_dataloader()
    assert batch["maps"]["distance"].shape == (2, 1, 8, 8, 1)
    (volume,) = module.val_dataloader()
    assert volume["maps"]["distance"].shape == (1, 24, 20, 1)


@pytest.mark.parametrize("margin", [0, 8])
@pytest.mark.parametrize("beyond", ["zero", "mirror"])
def test_patches_of_one_slice_hold_that_slice_alone(case_with_maps, margin: int, beyond: str) -> None:
    """Slice z of the volume holds values from 10 z + 1 to 10 z + 2 and the label where z is even."""
    slices = 6
    image = np.random.default_rng(0).uniform(1, 2, (1, 20, 20, slices)).astype(np.float32) + 10 * np.arange(slices)
    even = np.broadcast_to(np.arange(slices) % 2 == 0, (20, 20, slices))
    case = case_with_maps("stack", image.astype(np.float32), even, {"number": image[0].astype(np.float32)})
    entries = [
        Rotate90(),
        Flip(probability=1),
        Affine(probability=1, degrees=(-180, 180)),
        Elastic(probability=1),
        Blur(probability=1),
    ]
    patches = PatchesConfig(size=(12, 12, 1), per_volume=24, lesion_share=0, margin=margin, beyond=beyond)
    dataset = PatchDataset([case], patches, entries, 1, ("number",))
    seen = set()
    for index in range(24):
        item = dataset[index]
        (z,) = set(torch.div(item["maps"]["number"], 10, rounding_mode="floor").int().flatten().tolist())
        image, label = item["image"], item["label"]
        assert image.max() < 10 * z + 2.001
        if beyond == "mirror":
            assert image.min() > 10 * z + 0.999
            assert label.unique().tolist() == [float(z % 2 == 0)]
        elif z % 2:
            assert not label.any()
        seen.add(z)
    assert seen == set(range(slices))
