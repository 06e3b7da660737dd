"""Training patches: the same whatever the workers, the epoch's order, and what else draws random numbers."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from msseg.config.experiment import ExperimentConfig
from msseg.config.patches import PAPER_ORDER, PatchesConfig, Rotate90
from msseg.config.training import TrainingConfig
from msseg.patches.datamodule import PatchDataModule
from msseg.patches.dataset import EpochSampler, PatchDataset, VolumeDataset
from msseg.volumes.cache import CachedCase

PATCHES = PatchesConfig(size=(8, 8, 8), per_volume=3)


@pytest.fixture
def dataset(head_case: CachedCase) -> PatchDataset:
    return PatchDataset([head_case], PATCHES, PAPER_ORDER, seed=5)


def test_item_is_a_float_patch_with_its_case(dataset: PatchDataset) -> None:
    item = dataset[0]
    assert item["case"] == "head"
    for key in ("image", "label"):
        assert item[key].shape == (1, 8, 8, 8)
        assert item[key].dtype == torch.float32
    assert set(item["label"].unique().tolist()) <= {0.0, 1.0}


def test_each_case_gives_its_patches_in_every_epoch(make_case) -> None:
    cases = [make_case(np.eye(9)[:, :, None].repeat(9, 2) > 0, name=name) for name in "abc"]
    dataset = PatchDataset(cases, PATCHES, [], seed=0)
    assert len(dataset) == 9
    for epoch in range(2):
        names = [dataset[epoch * 9 + index]["case"] for index in range(9)]
        assert sorted(names) == sorted("aaabbbccc")


def test_same_number_same_patch_and_the_global_generator_is_left_alone(dataset: PatchDataset) -> None:
    torch.manual_seed(1)
    first = dataset[4]["image"]
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = dataset[4]["image"]
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_patches_differ_between_epochs_indices_and_seeds(dataset: PatchDataset, head_case: CachedCase) -> None:
    other_seed = PatchDataset([head_case], PATCHES, PAPER_ORDER, seed=6)
    drawn = [dataset[0], dataset[1], dataset[3], other_seed[0]]  # number 3 is index 0 of the next epoch
    for index, item in enumerate(drawn):
        assert not any(torch.equal(item["image"], other["image"]) for other in drawn[:index])


def test_it_can_be_sent_to_workers_that_are_not_forked(dataset: PatchDataset, head_case: CachedCase) -> None:
    slices = PatchDataset([head_case], PatchesConfig(size=(8, 8, 1), margin=2), [Rotate90(), *PAPER_ORDER], seed=5)
    for one in (dataset, slices):
        assert torch.equal(pickle.loads(pickle.dumps(one))[2]["image"], one[2]["image"])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # from Python 3.12 on
def test_workers_draw_the_same_patches(dataset: PatchDataset) -> None:
    def images(workers: int) -> list[torch.Tensor]:
        sampler = EpochSampler(len(dataset), seed=0)
        sampler.set_epoch(1)
        loader = DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=workers)
        return [batch["image"] for batch in loader]

    alone, shared = images(0), images(2)
    assert len(alone) == len(shared) == 2
    assert all(torch.equal(one, other) for one, other in zip(alone, shared, strict=True))


@given(length=st.integers(1, 40), ranks=st.integers(1, 5), epoch=st.integers(0, 3), seed=st.integers(0, 100))
def test_sampler_divides_an_epoch_among_processes(length: int, ranks: int, epoch: int, seed: int) -> None:
    numbers = []
    for rank in range(ranks):
        sampler = EpochSampler(length, seed, rank, ranks)
        sampler.set_epoch(epoch)
        own = list(sampler)
        assert len(own) == len(sampler) == length // ranks
        numbers += own
    assert len(set(numbers)) == len(numbers)
    assert all(epoch * length <= number < (epoch + 1) * length for number in numbers)


def test_sampler_shuffles_anew_each_epoch_and_the_same_for_a_seed() -> None:
    sampler = EpochSampler(20, seed=3)
    first = list(sampler)
    assert first != sorted(first)
    assert first == list(EpochSampler(20, seed=3))
    sampler.set_epoch(1)
    assert [number - 20 for number in sampler] != first


def test_whole_volumes_are_as_prepared(head_case: CachedCase) -> None:
    dataset = VolumeDataset([head_case])
    item = dataset[0]
    assert len(dataset) == 1
    assert item["case"] == "head"
    np.testing.assert_array_equal(item["image"], head_case.data())
    np.testing.assert_array_equal(item["label"], head_case.label())


def test_data_module_gives_batches_and_whole_volumes(head_case: CachedCase, tmp_path: Path) -> None:
    patches = PatchesConfig(size=(8, 8, 8), per_volume=5, batch_size=2)
    config = ExperimentConfig(patches=patches, training=TrainingConfig(workers=0), augmentation=())
    module = PatchDataModule(config, [head_case], [head_case])
    batches = list(module.train_dataloader())
    assert [tuple(batch["image"].shape) for batch in batches] == [(2, 1, 8, 8, 8)] * 2 + [(1, 1, 8, 8, 8)]
    assert batches[0]["case"] == ["head", "head"]
    (volume,) = module.val_dataloader()
    assert tuple(volume["image"].shape) == (1, 24, 28, 20)
    assert tuple(volume["label"].shape) == (24, 28, 20)
