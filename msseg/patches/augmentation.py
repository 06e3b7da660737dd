"""Augmentation of training patches: image, label and maps go through one list of random transforms together."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torchio as tio
from torch import Tensor

from msseg.config.patches import Augmentation, Beyond
from msseg.patches.frame import Frame, Shape, Spacing, framed, margin_along
from msseg.patches.transforms import build_transforms, warps_in_3d


class PatchAugmentation:
    """Applies the configured transforms to image, label and maps together, in the order of the list.

    Intensity transforms touch the image alone; spatial ones move image and maps (linear) and label (nearest neighbour)
    alike. Randomness comes from PyTorch's global generator: the same seed draws the same augmentation.

    Attributes:
        margin: Voxels along each axis that the arrays have to have on both sides beyond the patch. They are cut off
            after the last affine or elastic entry, so that what follows works on the patch alone.
    """

    def __init__(
        self,
        entries: Sequence[Augmentation],
        size: Shape,
        spacing: Spacing,
        margin: int = 0,
        beyond: Beyond = "zero",
        maps: Sequence[str] = (),
    ) -> None:
        """Build the transforms for patches of a given size (voxels, without margin) and voxel spacing (mm)."""
        self.margin = margin_along(entries, size, margin)
        frame = Frame(framed(size, self.margin), spacing, beyond)
        self.maps, self.upended = tuple(maps), warps_in_3d(entries, size)
        self.affine = np.diag([*spacing, 1.0])
        self.transform = tio.Compose(build_transforms(entries, frame, self.margin, self.maps), copy=False)

    def __call__(self, image: np.ndarray, label: np.ndarray, *maps: np.ndarray) -> tuple[Tensor, ...]:
        """Augment an image (C, X, Y, Z), its label (1, X, Y, Z) and its maps (1, X, Y, Z each), margins included.

        The arrays may be changed; float32 tensors come back in the same order, without the margin.
        """
        tops = [data.max() for data in maps]
        if self.upended:
            # TorchIO fills what comes from beyond the patch with 0 or the minimum; seen from above, that is the maximum
            # of a map: far from any border, where the deepest inside or a border itself would be wrong.
            maps = tuple(top - data for top, data in zip(tops, maps, strict=True))
        images: dict[str, tio.Image] = {"image": self._image(image), "label": self._image(label, tio.LabelMap)}
        images |= {name: self._image(data) for name, data in zip(self.maps, maps, strict=True)}
        augmented = self.transform(tio.Subject(images))
        moved = [cast(tio.Image, augmented[name]).data.float() for name in images]
        if self.upended:
            moved[2:] = [float(top) - data for top, data in zip(tops, moved[2:], strict=True)]
        return tuple(moved)

    def _image(self, data: np.ndarray, kind: type[tio.Image] = tio.ScalarImage) -> tio.Image:
        return kind(tensor=torch.from_numpy(data), affine=self.affine)
