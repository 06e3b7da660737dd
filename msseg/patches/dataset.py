"""Training patches as a PyTorch dataset: reproducible whatever the number of workers, and after a restart."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from msseg.config.patches import Augmentation, PatchesConfig
from msseg.patches.engines import build_engine
from msseg.patches.fused import FusedPatches
from msseg.volumes.cache import CachedCase

Patch = dict[str, object]


class PatchDataset(Dataset[Patch]):
    """Augmented patches; item i of epoch e is the same patch always, for it is drawn from the seed (seed, e, i)."""

    def __init__(
        self,
        cases: Sequence[CachedCase],
        patches: PatchesConfig,
        augmentation: Sequence[Augmentation],
        seed: int,
        maps: Sequence[str] = (),
        deferred: bool = False,
    ) -> None:
        """Take the prepared training cases, the settings, and the names of the maps that the loss needs.

        With `deferred`, items of the engine `fused` are recipes, to be made into patches by `make_patches`.
        """
        self.cases, self.patches, self.seed, self.maps = list(cases), patches, seed, tuple(maps)
        self.deferred = deferred
        self.engines = [build_engine(patches, augmentation, case.prepared().spacing, self.maps) for case in self.cases]

    def __len__(self) -> int:
        """Patches in one epoch."""
        return len(self.cases) * self.patches.per_volume

    def __getitem__(self, number: int) -> Patch:
        """Patch of a running number: epoch * len(self) + index.

        Returns:
            `image` (C, X, Y, Z), `label` (1, X, Y, Z), `maps`, by name (1, X, Y, Z), all float32, and `case`, the id.
            Where it is deferred, `recipe` and `case`.
        """
        epoch, index = divmod(number, len(self))
        seeds = np.random.SeedSequence([self.seed, epoch, index])
        which = index % len(self.cases)
        case, engine = self.cases[which], self.engines[which]
        if self.deferred and isinstance(engine, FusedPatches):
            return {"recipe": engine.recipe(case, seeds), "case": case.case}
        image, label, *maps = engine(case, seeds)
        return {
            "image": image,
            "label": label,
            "maps": dict(zip(self.maps, maps, strict=True)),
            "case": case.case,
        }


class VolumeDataset(Dataset[Patch]):
    """Whole prepared volumes, without augmentation, for validation."""

    def __init__(self, cases: Sequence[CachedCase], maps: Sequence[str] = ()) -> None:
        """Take the prepared cases, and the names of the maps that the loss needs."""
        self.cases, self.maps = list(cases), tuple(maps)

    def __len__(self) -> int:
        """Number of cases."""
        return len(self.cases)

    def __getitem__(self, index: int) -> Patch:
        """`image` (C, X, Y, Z) float32, `label` (X, Y, Z) boolean, `maps`, by name (1, X, Y, Z), `spacing` (mm), and
        `case`, the id."""
        case = self.cases[index]
        return {
            "image": torch.from_numpy(np.array(case.data())),
            "label": torch.from_numpy(np.array(case.label())),
            "maps": {name: torch.from_numpy(np.array(case.map(name))[np.newaxis]) for name in self.maps},
            "spacing": tuple(case.facts()["spacing"]),
            "case": case.case,
        }


class EpochSampler(Sampler[int]):
    """Running numbers of an epoch's patches, shuffled; with several processes, each one's share of them."""

    def __init__(self, length: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        """Take the number of patches in an epoch, the seed, and this process's place among `world_size`."""
        self.length, self.seed, self.rank, self.world_size = length, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Patches per process; the remainder is dropped so that processes stay in step."""
        return self.length // self.world_size

    def __iter__(self) -> Iterator[int]:
        """Numbers epoch * length + index."""
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        own = order[self.rank :: self.world_size][: len(self)]
        return iter((self.epoch * self.length + own).tolist())
