"""The engines of augmentation: one interface, two ways to come from a case to a patch."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from msseg.config.patches import Augmentation, PatchesConfig
from msseg.patches.frame import Spacing
from msseg.patches.fused import FusedPatches
from msseg.patches.sampling import draw_patch
from msseg.volumes.cache import CachedCase


class PatchEngine(Protocol):
    """Draws augmented patches of cases with one spacing."""

    def __call__(self, case: CachedCase, seeds: np.random.SeedSequence) -> tuple[Tensor, ...]:
        """Image (C, X, Y, Z), label and maps (1, X, Y, Z) of the patch that the seeds stand for, float32."""


class TorchioPatches:
    """Cuts a patch with its margin from the volume and gives it to TorchIO's transforms: the reference."""

    def __init__(
        self, patches: PatchesConfig, entries: Sequence[Augmentation], spacing: Spacing, maps: Sequence[str] = ()
    ) -> None:
        """Take the settings, the voxels' edges (mm), and the names of the maps that go with the label."""
        # TorchIO takes longer to import than everything else that patches need, and the other engine has no use for it.
        from msseg.patches.augmentation import PatchAugmentation

        self.patches, self.maps = patches, tuple(maps)
        self.augment = PatchAugmentation(entries, patches.size, spacing, patches.margin, patches.beyond, self.maps)

    def __call__(self, case: CachedCase, seeds: np.random.SeedSequence) -> tuple[Tensor, ...]:
        """The place comes from NumPy's generator, the augmentation from PyTorch's global one, seeded and put back."""
        drawn = draw_patch(case, self.patches, np.random.default_rng(seeds), self.augment.margin, self.maps)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))
            return self.augment(*drawn)


def build_engine(
    patches: PatchesConfig, entries: Sequence[Augmentation], spacing: Spacing, maps: Sequence[str] = ()
) -> PatchEngine:
    """The engine that the settings name, for volumes of one spacing (mm)."""
    engine = FusedPatches if patches.engine == "fused" else TorchioPatches
    return engine(patches, entries, spacing, maps)
