"""The fused engine: what it reads, that image, label and maps move together, and that a seed stands for a patch."""

import pickle
from collections.abc import Sequence

import lightning as L
import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor
from torch.utils.data import DataLoader

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
    PatchesConfig,
    Rotate90,
)
from msseg.config.training import TrainingConfig
from msseg.patches.datamodule import PatchDataModule, collate, make_patches
from msseg.patches.dataset import EpochSampler, PatchDataset
from msseg.patches.drawn import Drawn, DrawnAffine, DrawnFlip, DrawnTurn
from msseg.patches.frame import Shape
from msseg.patches.fused import FusedPatches

INTENSITY = (Motion, BiasField, Noise, Gamma, Contrast, Blur)
SPATIAL = (Flip, Rotate90, Affine, Elastic)
UNIT = (1.0, 1.0, 1.0)
SMALL = PatchesConfig(size=(8, 8, 8), per_volume=3, engine="fused")


def certain(entries: Sequence[Augmentation]) -> list[Augmentation]:
    return [entry.model_copy(update={"probability": 1.0}) for entry in entries]


def distance(mask: np.ndarray) -> np.ndarray:
    """Signed distance to a mask's border (X, Y, Z), negative inside."""
    return (distance_transform_edt(~mask) - distance_transform_edt(mask)).astype(np.float32)


def texture(*shape: int, channels: int = 1) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(channels, *shape))
    smooth = gaussian_filter(noise, [0, *(2 if length > 1 else 0 for length in shape)])
    return (smooth / smooth.std()).astype(np.float32)


def ball_case(case_with_maps, shape: Shape = (40, 40, 40), radius: float = 9):
    """A ball as both channels of the image, as label, and its distance as a map; slices of it where one axis is 1."""
    middle = np.array([(length - 1) / 2 - (2 if length > 1 else 0) for length in shape])
    mask = np.linalg.norm(np.indices(shape) - middle[:, None, None, None], axis=0) < radius
    return case_with_maps("ball", np.stack([mask, mask]).astype(np.float32), mask, {"distance": distance(mask)})


def patch(
    case, entries: Sequence[Augmentation], seed: int = 0, maps: Sequence[str] = (), **options
) -> tuple[Tensor, ...]:
    engine = FusedPatches(PatchesConfig(engine="fused", **options), entries, UNIT, maps)
    return engine(case, np.random.SeedSequence(seed))


@pytest.mark.parametrize("beyond", ["zero", "mirror"])
@pytest.mark.parametrize("size", [(24, 24, 24), (24, 24, 1), (50, 24, 24)])
def test_without_augmentation_it_is_the_other_engines_patch(size: Shape, beyond: str, case_with_maps) -> None:
    case = ball_case(case_with_maps)
    for entries in ([], [Elastic(probability=0), Noise(probability=0)]):
        both = [
            PatchDataset([case], PatchesConfig(size=size, beyond=beyond, engine=engine), entries, 3, ("distance",))[1]
            for engine in ("torchio", "fused")
        ]
        assert torch.equal(both[0]["image"], both[1]["image"])
        assert torch.equal(both[0]["label"], both[1]["label"])
        torch.testing.assert_close(both[0]["maps"]["distance"], both[1]["maps"]["distance"])


@pytest.mark.parametrize("size", [(28, 28, 28), (28, 28, 1), (1, 28, 28), (28, 1, 28)])
@pytest.mark.parametrize("kind", SPATIAL)
def test_image_label_and_maps_move_together(kind: type[Augmentation], size: Shape, case_with_maps) -> None:
    case = ball_case(case_with_maps, tuple(1 if length == 1 else 40 for length in size))
    for seed in range(2):
        image, label, moved = patch(case, certain([kind()]), seed, ("distance",), size=size)
        assert image.shape == (2, *size)
        assert label.shape == moved.shape == (1, *size)
        assert image.dtype == label.dtype == moved.dtype == torch.float32
        assert set(label.unique().tolist()) == {0.0, 1.0}
        assert (label[0] != (image[0] > 0.5)).float().mean() < 0.02
        assert label[moved < -1.2].all()
        assert not label[moved > 1.2].any()
        assert torch.equal(image[0], image[1])


@pytest.mark.parametrize("kind", INTENSITY)
def test_changes_of_intensity_leave_label_and_maps_alone(kind: type[Augmentation], case_with_maps) -> None:
    case = ball_case(case_with_maps)
    image, label, moved = patch(case, certain([kind()]), 1, ("distance",), size=(20, 20, 20))
    still = patch(case, [], 1, ("distance",), size=(20, 20, 20))
    assert torch.equal(label, still[1])
    assert torch.equal(moved, still[2])
    assert kind is Gamma or not torch.equal(image, still[0])  # a power of 0 or 1 is itself
    assert torch.isfinite(image).all()
    assert torch.equal(image[0], image[1]) == (kind not in (Noise, Contrast))


def test_the_volume_goes_on_beyond_the_patch(case_with_maps) -> None:
    """A bright field turned by 45 degrees has no empty corner, with no margin at all."""
    case = case_with_maps("bright", np.ones((1, 60, 60, 60), np.float32), np.ones((60, 60, 60), bool), {})
    turn = Affine(probability=1, scales=(1, 1), degrees=(45, 45))
    engine = FusedPatches(PatchesConfig(size=(20, 20, 20), engine="fused"), [turn], UNIT)
    image, label = engine.recipe_of(
        case, (20, 20, 20), Drawn((DrawnAffine((1, 1, 1), (45, 45, 45), (0, 0, 0)),))
    ).make()
    np.testing.assert_allclose(image, 1, rtol=1e-5)
    assert label.all()


@pytest.mark.parametrize("size", [(20, 20, 20), (20, 20, 1)])
def test_beyond_the_volume_is_what_the_settings_say(size: Shape, case_with_maps) -> None:
    shape = tuple(20 if length > 1 else 1 for length in size)
    case = case_with_maps(
        "bright", np.ones((1, *shape), np.float32), np.ones(shape, bool), {"one": np.ones(shape, np.float32)}
    )
    turn = [Affine(probability=1, scales=(1, 1), degrees=(45, 45))]
    zero, label, moved = patch(case, turn, maps=["one"], size=size, beyond="zero")
    assert (zero == 0).any()
    assert (label == 0).any()
    np.testing.assert_allclose(moved, 1, rtol=1e-5)  # a distance of 0 would be a border
    mirror, label, moved = patch(case, turn, maps=["one"], size=size, beyond="mirror")
    for values in (mirror, label, moved):
        np.testing.assert_allclose(values, 1, rtol=1e-5)


@pytest.mark.parametrize("beyond", ["zero", "mirror"])
def test_no_more_is_read_than_the_volume_and_its_surroundings(beyond: str, case_with_maps) -> None:
    """However far movements reach: a patch a hundredth of its size, or far outside."""
    case = case_with_maps("bright", np.ones((1, 16, 16, 16), np.float32), np.ones((16, 16, 16), bool), {})
    engine = FusedPatches(PatchesConfig(size=(12, 12, 12), beyond=beyond, engine="fused"), [Affine()], UNIT)
    for affine in (
        DrawnAffine((0.01, 0.01, 0.01), (0, 0, 0), (0, 0, 0)),
        DrawnAffine((1, 1, 1), (0, 0, 0), (-500, 500, 0)),
    ):
        recipe = engine.recipe_of(case, (2, 2, 2), Drawn((affine,)))
        assert max(recipe.image.shape) <= 3 * 16
        image, label = recipe.make()
        assert set(image.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(image, label)
        assert image.all() == (beyond == "mirror")


def test_flips_and_quarter_turns_are_exact_and_the_same_within_the_map_of_places(case_with_maps) -> None:
    image = texture(20, 20, 12)
    case = case_with_maps("case", image, image[0] > 1, {})
    engine = FusedPatches(PatchesConfig(size=(12, 12, 8), engine="fused"), [Affine()], UNIT)
    still = DrawnAffine((1, 1, 1), (0, 0, 0), (0, 0, 0))
    for moves in (
        (DrawnFlip((0, 2)), DrawnTurn(1, True)),
        (DrawnTurn(3, False), DrawnFlip((1,))),
        (DrawnTurn(2, True),),
    ):
        exact = engine.recipe_of(case, (4, 4, 2), Drawn(moves)).make()
        resampled = engine.recipe_of(case, (4, 4, 2), Drawn((*moves, still))).make()
        assert set(exact[0].flatten().tolist()) <= set(image.flatten().tolist())
        torch.testing.assert_close(exact[0], resampled[0], atol=1e-4, rtol=0)
        assert torch.equal(exact[1], resampled[1])


@pytest.mark.parametrize("entry", [Affine(in_plane=True, degrees=(-90, 90)), Elastic(in_plane=True)])
def test_in_plane_nothing_leaks_from_one_slice_to_another(entry: Augmentation, case_with_maps) -> None:
    image = np.zeros((2, 32, 32, 9), np.float32)
    image[..., 4] = 1 + texture(32, 32, channels=2)
    case = case_with_maps("stack", image, image[0] > 0, {})
    engine = FusedPatches(PatchesConfig(size=(24, 24, 5), engine="fused"), certain([entry, Flip(axes=(2,))]), UNIT)
    seen = set()
    for seed in range(6):
        recipe = engine.recipe(case, np.random.SeedSequence(seed))
        assert recipe.normal == 2
        made, label = recipe.make()
        filled = {z for z in range(5) if made[..., z].any()}
        assert filled == {z for z in range(5) if label[..., z].any()}
        assert len(filled) <= 1
        seen |= filled
    assert len(seen) > 1


def test_a_row_of_voxels_and_small_patches_survive(case_with_maps) -> None:
    case = case_with_maps("row", texture(16, 16, 16), np.ones((16, 16, 16), bool), {})
    every = certain([kind() for kind in INTENSITY + SPATIAL])
    for size in ((16, 1, 1), (1, 1, 16), (1, 1, 1), (2, 3, 4), (20, 20, 2)):
        image, label = patch(case, every, size=size)
        assert image.shape == label.shape == (1, *size)
        assert torch.isfinite(image).all()


def test_probability_is_the_share_of_patches(case_with_maps) -> None:
    case = ball_case(case_with_maps)
    still = patch(case, [], size=(40, 40, 1), lesion_share=0)[1].shape
    engine = FusedPatches(PatchesConfig(size=still[1:], engine="fused"), [Contrast(probability=0.3)], UNIT)
    changed = sum(bool(engine.recipe(case, np.random.SeedSequence([1, seed])).changes) for seed in range(400))
    assert changed / 400 == pytest.approx(0.3, abs=0.07)


def test_a_seed_stands_for_a_patch(head_case) -> None:
    """Whatever else draws random numbers, and unlike any other's; nothing is left behind in what was read."""
    dataset = PatchDataset([head_case], SMALL, certain(PAPER_ORDER), seed=5)
    torch.manual_seed(1)
    first = dataset[4]
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(first["image"], dataset[4]["image"])
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[4]["image"], first["image"])
    others = [dataset[0], dataset[3], PatchDataset([head_case], SMALL, certain(PAPER_ORDER), seed=6)[4]]
    assert not any(torch.equal(first["image"], other["image"]) for other in others)
    recipe = dataset.engines[0].recipe(head_case, np.random.SeedSequence(0))
    assert all(map(torch.equal, recipe.make(), recipe.make()))


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # from Python 3.12 on
@pytest.mark.parametrize("deferred", [False, True])
def test_workers_draw_the_same_patches(head_case, deferred: bool) -> None:
    dataset = PatchDataset([head_case], SMALL, certain(PAPER_ORDER), 5, (), deferred)

    def images(workers: int) -> list[Tensor]:
        loader = DataLoader(dataset, 2, sampler=EpochSampler(3, seed=0), num_workers=workers, collate_fn=collate)
        batches = [make_patches(batch["recipes"], ()) if deferred else batch for batch in loader]
        return [batch["image"] for batch in batches]

    alone, shared = images(0), images(1)
    assert [len(batch) for batch in alone] == [2, 1]
    assert all(map(torch.equal, alone, shared))


class Recorder(L.LightningModule):
    """Keeps the batches that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches: list[dict[str, object]] = []

    def training_step(self, batch: dict[str, object], _: int) -> Tensor:
        self.batches.append(batch)
        return self.weight.sum()

    def validation_step(self, batch: dict[str, object], _: int) -> None:
        """Lightning warns where there is none."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # Lightning asks PyTorch in an old way
def test_augmentation_on_the_trainings_device_makes_the_same_batches(case_with_maps) -> None:
    cases, batches = [ball_case(case_with_maps)], {}
    for device in ("cpu", "training"):
        patches = SMALL.model_copy(update={"augment_device": device, "batch_size": 2, "per_volume": 4})
        config = ExperimentConfig(patches=patches, augmentation=PAPER_ORDER, training=TrainingConfig(workers=0))
        module = PatchDataModule(config, cases, [], ("distance",))
        trainer = L.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=0,
        )
        recorder = Recorder()
        trainer.fit(recorder, datamodule=module)
        batches[device] = recorder.batches
    assert len(batches["cpu"]) == 2
    for one, other in zip(batches["cpu"], batches["training"], strict=True):
        assert list(one) == list(other) == ["image", "label", "maps", "case"]
        assert one["case"] == other["case"]
        for values, others in ((one, other), (one["maps"], other["maps"])):
            assert all(torch.equal(values[name], others[name]) for name in values if name not in ("maps", "case"))


def test_without_a_trainer_batches_are_finished(case_with_maps) -> None:
    patches = SMALL.model_copy(update={"augment_device": "training"})
    config = ExperimentConfig(patches=patches, training=TrainingConfig(workers=0))
    batch = next(iter(PatchDataModule(config, [ball_case(case_with_maps)], []).train_dataloader()))
    assert batch["image"].shape == (1, 2, 8, 8, 8)


def test_the_trainings_device_needs_this_engine() -> None:
    with pytest.raises(ValueError, match="augment_device training needs engine fused, not torchio"):
        PatchesConfig(augment_device="training")
