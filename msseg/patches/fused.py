"""The fused engine: patch extraction and all movements are one resampling of the whole volume.

What TorchIO's chain computes step by step on a patch with a margin, each step with a copy, is drawn beforehand here
(`msseg.patches.draw`) and carried out on the voxels of the patch alone: first the movements, as one map of places that
reads from the volume around the patch, then the changes of intensity. Drawing and reading happen where the volume is,
carrying out there or, for a whole batch, on the GPU that trains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from msseg.config.patches import Augmentation, Beyond, PatchesConfig
from msseg.patches.changes import change
from msseg.patches.draw import draw
from msseg.patches.drawn import Change, Drawn, DrawnFlip, DrawnTurn, Move
from msseg.patches.frame import Frame, Plane, Shape, Spacing, Warp, framed, margin_along, plane_of
from msseg.patches.lattice import lattice
from msseg.patches.resample import resample
from msseg.patches.sampling import cut, draw_start
from msseg.volumes.cache import CachedCase

SLACK = 2
"""Voxels around the lattice's places that are read as well: a spline between them may go a little further."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """Everything of which one patch is made, and nothing else: it can be sent to another process, or to a GPU.

    Attributes:
        image: The part of the volume that is needed, (C, L, *box): L slices that move alike in a plane, and L = 1 where
            the patch moves in 3D. Where it does not move, the patch itself: (C, X, Y, Z).
        label: The same part of the label, uint8.
        maps: The same part of each map.
        points: Places in the box, see `msseg.patches.lattice.lattice`; None where nothing moves.
        size: Voxels of the patch.
        spacing: Their edges (mm).
        normal: The axis of the L slices; None where the patch moves in 3D.
        changes: What happens to the intensities.
    """

    image: Tensor
    label: Tensor
    maps: tuple[Tensor, ...]
    points: Tensor | None
    size: Shape
    spacing: Spacing
    normal: int | None
    changes: tuple[Change, ...]

    def to(self, device: torch.device, *args: Any, **options: Any) -> Self:
        """The same on another device."""
        return self._with_tensors(lambda tensor: tensor.to(device, *args, **options))

    def pin_memory(self) -> Self:
        """The same in memory from which a GPU can copy by itself."""
        return self._with_tensors(lambda tensor: tensor.pin_memory())

    def _with_tensors(self, act: Any) -> Self:
        points = None if self.points is None else act(self.points)
        maps = tuple(act(data) for data in self.maps)
        return replace(self, image=act(self.image), label=act(self.label), maps=maps, points=points)

    @torch.no_grad()
    def make(self) -> tuple[Tensor, ...]:
        """The patch: image (C, X, Y, Z), label and maps (1, X, Y, Z), float32, on the recipe's device."""
        image, label, *maps = self._moved() if self.points is not None else self._copied()
        for drawn in self.changes:
            change(image, drawn, self.spacing)
        return image, label.float(), *maps

    def _copied(self) -> tuple[Tensor, ...]:
        return self.image.clone(), self.label, *self.maps

    def _moved(self) -> tuple[Tensor, ...]:
        assert self.points is not None
        size = [length for axis, length in enumerate(self.size) if axis != self.normal]
        linear = [self.image.flatten(0, 1), *(data.flatten(0, 1) for data in self.maps)]
        (image, *maps), (label,) = resample(linear, [self.label.flatten(0, 1)], self.points, size)
        return self._as_volume(image), self._as_volume(label), *(self._as_volume(data) for data in maps)

    def _as_volume(self, layers: Tensor) -> Tensor:
        if self.normal is None:
            return layers
        slices = layers.unflatten(0, (-1, self.size[self.normal]))
        return slices.movedim(1, self.normal + 1).contiguous()


class FusedPatches:
    """Draws augmented patches of cases with one spacing.

    Attributes:
        frame: The patch with its margin. The volume goes on beyond it, so nothing is missing at its sides; the margin
            only spreads the control points of `elastic`, as it does for TorchIO.
    """

    def __init__(
        self, patches: PatchesConfig, entries: Sequence[Augmentation], spacing: Spacing, maps: Sequence[str] = ()
    ) -> None:
        """Take the settings, the voxels' edges (mm), and the names of the maps that go with the label."""
        self.patches, self.entries, self.maps = patches, list(entries), tuple(maps)
        self.margin = margin_along(entries, patches.size, patches.margin)
        self.frame = Frame(framed(patches.size, self.margin), spacing, patches.beyond)
        self.plane = _common_plane(entries, patches.size)

    def __call__(self, case: CachedCase, seeds: np.random.SeedSequence) -> tuple[Tensor, ...]:
        """Image (C, X, Y, Z), label and maps (1, X, Y, Z) of the patch that the seeds stand for, float32."""
        return self.recipe(case, seeds).make()

    def recipe(self, case: CachedCase, seeds: np.random.SeedSequence) -> Recipe:
        """Draw the patch's place and its augmentation, and read what it is made of."""
        random = np.random.default_rng(seeds)
        patches, data = self.patches, case.data()
        start = draw_start(data.shape[1:], patches.size, patches.lesion_share, case.lesion_voxels(), random)
        return self.recipe_of(case, start, draw(self.entries, self.frame, len(data), random))

    def recipe_of(self, case: CachedCase, start: Shape, drawn: Drawn) -> Recipe:
        """The recipe of a patch whose first voxel lies, without the movements, at `start`."""
        size, beyond = self.patches.size, self.patches.beyond
        data, label = case.data(), case.label()[np.newaxis].view(np.uint8)
        maps = [case.map(name)[np.newaxis] for name in self.maps]
        edge: Beyond | Literal["edge"] = "edge" if beyond == "zero" else beyond
        if all(isinstance(move, DrawnFlip | DrawnTurn) for move in drawn.moves):
            parts = [cut(data, start, size, beyond), cut(label, start, size, beyond)]
            parts += [cut(values, start, size, edge) for values in maps]
            return self._recipe([_turned(part, drawn.moves) for part in parts], None, None, drawn)
        normal, points, first, box, upended = self._box(data.shape[1:], start, drawn.moves)
        parts = [cut(data, first, box, beyond), cut(label, first, box, beyond)]
        parts += [cut(values, first, box, edge) for values in maps]
        return self._recipe([_layers(part, normal, upended) for part in parts], points, normal, drawn)

    def _recipe(
        self, parts: Sequence[np.ndarray], points: np.ndarray | None, normal: int | None, drawn: Drawn
    ) -> Recipe:
        image, label, *maps = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
        places = None if points is None else torch.from_numpy(points)
        return Recipe(image, label, tuple(maps), places, self.patches.size, self.frame.spacing, normal, drawn.changes)

    def _box(
        self, shape: tuple[int, ...], start: Shape, moves: Sequence[Move]
    ) -> tuple[int | None, np.ndarray, Shape, Shape, bool]:
        """The part of the volume that movements reach.

        Returns:
            The axis across the slices that move alike, if they do; the places in the part at the lattice; the part's
            first voxel and its size; whether the order of the slices is reversed.
        """
        axes = self.plane or (0, 1, 2)
        normal = None if self.plane is None else ({0, 1, 2} - set(self.plane)).pop()
        places = lattice(moves, self.frame, self.margin, axes)
        first, box, upended = list(start), list(self.patches.size), False
        if normal is not None:
            upended = bool(places[normal].flat[0] > (self.frame.size[normal] - 1) / 2)
        for axis in axes:
            places[axis] += start[axis] - self.margin[axis]  # from here on in the volume
            first[axis], box[axis] = _reach(places[axis], shape[axis], self.frame.beyond)
            places[axis] -= first[axis]
        (x, y, z), (a, b, c) = first, box
        return normal, places[list(axes)], (x, y, z), (a, b, c), upended


def _reach(places: np.ndarray, extent: int, beyond: Beyond) -> tuple[int, int]:
    """First voxel and number of voxels to read along an axis, at least 2; no more than can differ from its edge.

    Beyond the volume there are zeros from the first voxel on; the mirror image is cut off after one length of it.
    """
    low, high = int(np.floor(places.min())) - SLACK, int(np.floor(places.max())) + SLACK + 2
    further = 1 if beyond == "zero" else max(extent - 1, 1)
    low = min(max(low, -further), extent + further - 2)
    high = max(min(high, extent + further), low + 2)
    return low, high - low


def _common_plane(entries: Sequence[Augmentation], size: Shape) -> Plane | None:
    """The plane in which all interpolating entries move a patch, if they do."""
    planes = {plane_of(entry, size) for entry in entries if isinstance(entry, Warp)}
    return planes.pop() if len(planes) == 1 else None


def _turned(part: np.ndarray, moves: Sequence[Move]) -> np.ndarray:
    """Mirrored and turned by quarters: no voxel is interpolated."""
    for move in moves:
        if isinstance(move, DrawnFlip):
            part = np.flip(part, tuple(axis + 1 for axis in move.axes))
        elif isinstance(move, DrawnTurn):
            part = np.rot90(part, move.turns, (1, 2))
            part = np.flip(part, 1) if move.mirrored else part
    return part


def _layers(part: np.ndarray, normal: int | None, upended: bool) -> np.ndarray:
    """(C, X, Y, Z) as (C, L, *box)."""
    if normal is None:
        return part[:, np.newaxis]
    slices = np.moveaxis(part, normal + 1, 1)
    return slices[:, ::-1] if upended else slices
