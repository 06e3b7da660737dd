"""Spatial augmentation within a plane: every slice is moved alike, and nothing crosses from one slice to another.

TorchIO draws what happens, but carries an elastic deformation out in three dimensions, with a sum over 4^3 control
points for every voxel of every image: half a second for one slice and its label. In a plane the spline separates, the
slices are channels of one 2D image, and PyTorch moves them together in milliseconds. Entries that follow each other are
joined, so that the image is interpolated once.
"""

from collections.abc import Collection, Sequence

import torch
import torchio as tio
from torch import Tensor
from torchio.transforms.augmentation import RandomTransform
from torchio.transforms.spatial_transform import SpatialTransform

from msseg.config.patches import Affine, Elastic
from msseg.patches.frame import Frame, Plane, Shape
from msseg.patches.movements import draw_movement, sample


class MoveInPlane(RandomTransform, SpatialTransform):
    """Affine and elastic movements of one plane in their order; then the margin is cut off.

    Image and maps are interpolated linearly, the label takes the nearest voxel. Beyond the patch, maps keep the value
    at its edge: a distance of 0 would mean a border there.
    """

    def __init__(
        self, entries: Sequence[Affine | Elastic], plane: Plane, frame: Frame, cut: Shape, maps: Collection[str]
    ) -> None:
        """Take the movements, the axes they move, the patch as drawn, the margin to cut, and which images are maps."""
        super().__init__(copy=False)
        self.entries, self.plane, self.frame, self.cut, self.maps = entries, plane, frame, cut, maps
        (self.normal,) = {0, 1, 2} - set(plane)

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Draw the movements and carry them out."""
        drawn = [entry for entry in self.entries if torch.rand(1).item() < entry.probability]
        movements = [draw_movement(entry, self.plane, self.frame) for entry in drawn]
        kept = [slice(cut, length - cut) for cut, length in zip(self.cut, self.frame.size, strict=True)]
        if movements:
            within = [torch.arange(kept[axis].start, kept[axis].stop, dtype=torch.float32) for axis in self.plane]
            coordinates = torch.stack(torch.meshgrid(*within, indexing="ij"))
            for move in reversed(movements):  # the last one leads to the patch as asked for
                coordinates = move(coordinates)
            kept = [slice(None) if axis in self.plane else kept[axis] for axis in range(3)]
        for name, image in subject.get_images_dict(intensity_only=False).items():
            data = self._move(image, coordinates, name in self.maps) if movements else image.data
            image.set_data(data[:, kept[0], kept[1], kept[2]])
        return subject

    def _move(self, image: tio.Image, coordinates: Tensor, is_map: bool) -> Tensor:
        slices = image.data.float().movedim(self.normal + 1, 1)  # (C, slices, A, B)
        beyond = "edge" if is_map else self.frame.beyond
        linear = not isinstance(image, tio.LabelMap)
        moved = sample(slices.flatten(0, 1), coordinates, "bilinear" if linear else "nearest", beyond)
        return moved.unflatten(0, slices.shape[:2]).movedim(1, self.normal + 1)


class TurnInPlane(RandomTransform, SpatialTransform):
    """One of the eight rotations and mirrors of the plane of axes 0 and 1, or of four where it is not square.

    Each is as likely as the others.
    """

    def __init__(self, square: bool, p: float) -> None:
        """Take whether quarter turns fit, and the chance that one of them is drawn."""
        super().__init__(p=p, copy=False)
        self.step = 1 if square else 2

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Turn, and mirror in half of the cases."""
        turns = self.step * int(torch.randint(4 // self.step, (1,)).item())
        mirrored = bool(torch.randint(2, (1,)).item())
        for image in subject.get_images(intensity_only=False):
            turned = torch.rot90(image.data, turns, (1, 2))
            image.set_data((turned.flip(1) if mirrored else turned).contiguous())
        return subject
