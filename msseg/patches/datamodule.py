"""What the trainer asks for: loaders of training patches and of whole validation volumes."""

from collections.abc import Sequence

import lightning as L
import torch
from torch.utils.data import DataLoader

from msseg.config.experiment import ExperimentConfig
from msseg.patches.dataset import EpochSampler, PatchDataset, VolumeDataset
from msseg.volumes.cache import CachedCase


def _single_thread(_: int) -> None:
    torch.set_num_threads(1)  # one core per worker; more would fight with the training process


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
        settings = self.config.training
        dataset = PatchDataset(self.train, self.config.patches, self.config.augmentation, settings.seed, self.maps)
        sampler = EpochSampler(len(dataset), settings.seed)
        if self.trainer:
            sampler = EpochSampler(len(dataset), settings.seed, self.trainer.global_rank, self.trainer.world_size)
            # Lightning tells the sampler its epoch too late: workers have begun with the first batches by then.
            sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return DataLoader(
            dataset,
            batch_size=self.config.patches.batch_size,
            sampler=sampler,
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
            worker_init_fn=_single_thread,
            generator=torch.Generator(),  # its draw from the global one would move dropout, but not in every epoch
            pin_memory=torch.cuda.is_available() and settings.device != "cpu",
        )

    def val_dataloader(self) -> DataLoader[object]:
        """Whole volumes, one at a time: `image` (C, X, Y, Z), `label` (X, Y, Z), `maps` (1, X, Y, Z each), `case`."""
        return DataLoader(VolumeDataset(self.validation, self.maps), batch_size=None, shuffle=False)
