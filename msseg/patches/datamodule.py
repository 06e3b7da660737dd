"""What the trainer asks for: loaders of training patches and of whole validation volumes."""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader, default_collate

from msseg.config.experiment import ExperimentConfig
from msseg.patches.dataset import EpochSampler, Patch, PatchDataset, VolumeDataset
from msseg.patches.fused import Recipe
from msseg.volumes.cache import CachedCase


def _single_thread(_: int) -> None:
    torch.set_num_threads(1)  # one core per worker; more would fight with the training process


def collate(items: Sequence[Patch]) -> dict[str, object]:
    """A batch of patches; recipes, of which no two need boxes of one size, stay a list."""
    if "recipe" not in items[0]:
        batch: dict[str, object] = default_collate(list(items))
        return batch
    return {"recipes": [item["recipe"] for item in items], "case": [item["case"] for item in items]}


def make_patches(recipes: Sequence[Recipe], maps: Sequence[str]) -> dict[str, object]:
    """A batch's `image`, `label` and `maps`, made on the device that the recipes are on."""
    with torch.autocast(recipes[0].image.device.type, enabled=False):
        made = [torch.stack(parts) for parts in zip(*(recipe.make() for recipe in recipes), strict=True)]
    image, label, *others = made
    return {"image": image, "label": label, "maps": dict(zip(maps, others, strict=True))}


class PatchDataModule(L.LightningDataModule):
    """Patches of the training cases and whole volumes of the validation cases."""

    def __init__(
        self,
        config: ExperimentConfig,
        train: Sequence[CachedCase],
        validation: Sequence[CachedCase],
        maps: Sequence[str] = (),
    ) -> None:
        """Take the experiment, its prepared cases, and the names of the maps that the loss needs."""
        super().__init__()
        self.config, self.train, self.validation = config, list(train), list(validation)
        self.maps = tuple(maps)

    def train_dataloader(self) -> DataLoader[object]:
        """Batches of patches: `image` (B, C, X, Y, Z), `label` and, by name, `maps` (B, 1, X, Y, Z), `case` (ids)."""
        settings, patches = self.config.training, self.config.patches
        # Without a trainer nobody would carry it out afterwards.
        deferred = patches.augment_device == "training" and self.trainer is not None
        dataset = PatchDataset(self.train, patches, self.config.augmentation, settings.seed, self.maps, deferred)
        sampler = EpochSampler(len(dataset), settings.seed)
        if self.trainer:
            sampler = EpochSampler(len(dataset), settings.seed, self.trainer.global_rank, self.trainer.world_size)
            # Lightning tells the sampler its epoch too late: workers have begun with the first batches by then.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return DataLoader(
            dataset,
            batch_size=patches.batch_size,
            sampler=sampler,
            collate_fn=collate,
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
            worker_init_fn=_single_thread,
            generator=torch.Generator(),  # its draw from the global one would move dropout, but not in every epoch
            pin_memory=torch.cuda.is_available() and settings.device != "cpu",
        )

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Carry out augmentation that was left for the training's device."""
        if "recipes" not in batch:
            return batch
        return make_patches(batch["recipes"], self.maps) | {"case": batch["case"]}

    def val_dataloader(self) -> DataLoader[object]:
        """Whole volumes, one at a time: `image` (C, X, Y, Z), `label` (X, Y, Z), `maps` (1, X, Y, Z each), `case`."""
        return DataLoader(VolumeDataset(self.validation, self.maps), batch_size=None, shuffle=False)
