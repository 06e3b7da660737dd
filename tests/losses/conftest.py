"""What the tests of losses share: the maps of a target."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from msseg.volumes.maps import MAPS


@pytest.fixture(scope="session")
def maps_of() -> Callable[[Tensor], dict[str, Tensor]]:
    """Function from a target (B, C, ...) of one channel or equal channels to all its maps, (B, 1, ...)."""

    def make(target: Tensor) -> dict[str, Tensor]:
        masks = [sample[0].bool().numpy() for sample in target]
        return {
            name: torch.from_numpy(np.stack([function(mask, (1.0,) * mask.ndim) for mask in masks])[:, None])
            for name, function in MAPS.items()
        }

    return make
