"""From the entries of the configuration to TorchIO's transforms, and where between them the margin is cut off."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import cast

import torchio as tio

from msseg.config.patches import (
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
    Rotate90,
)
from msseg.patches.frame import Frame, Shape, Warp, plane_of, slice_axis
from msseg.patches.intensity import LinearContrast, RescaledGamma, SliceMotion
from msseg.patches.plane import MoveInPlane, TurnInPlane


def warps_in_3d(entries: Sequence[Augmentation], size: Shape) -> bool:
    """Whether an entry interpolates a patch of this size along all axes."""
    return any(isinstance(entry, Warp) and plane_of(entry, size) is None for entry in entries)


def build_transforms(
    entries: Sequence[Augmentation], frame: Frame, margin: Shape, maps: Sequence[str]
) -> list[tio.Transform]:
    """One for each entry, or for several that move within one plane; the cut follows the last that interpolates.

    Args:
        entries: The configured augmentations, in order.
        frame: The patch as drawn, with the margin.
        margin: What is cut off along each axis.
        maps: Names of the images that only spatial transforms touch.
    """
    return list(_transforms(entries, frame, margin, maps))


def _transforms(
    entries: Sequence[Augmentation], frame: Frame, margin: Shape, maps: Sequence[str]
) -> Iterator[tio.Transform]:
    last = max((place for place, entry in enumerate(entries) if isinstance(entry, Warp)), default=-1)
    for plane, group in groupby(enumerate(entries), lambda numbered: plane_of(numbered[1], frame.size)):
        members = list(group)
        if plane is not None:
            moving = [entry for _, entry in members if isinstance(entry, Warp)]
            cut = margin if members[-1][0] == last else (0, 0, 0)
            yield MoveInPlane(moving, plane, frame, cut, maps)
            continue
        for place, entry in members:
            yield _build(entry, frame, maps)
            if place == last and any(margin):
                yield tio.Crop(margin)


def _build(entry: Augmentation, frame: Frame, maps: Sequence[str]) -> tio.Transform:
    p, maps, across = entry.probability, list(maps), slice_axis(frame.size)
    match entry:
        case Motion() if across is not None:
            motion = SliceMotion(entry, across, frame.spacing)
            return tio.Lambda(motion, [tio.INTENSITY], p=p, exclude=maps)
        case Motion():
            return tio.RandomMotion(entry.degrees, entry.translation, entry.movements, p=p, exclude=maps)
        case BiasField():
            return tio.RandomBiasField(entry.coefficients, entry.order, p=p, exclude=maps)
        case Noise():
            return tio.RandomNoise(entry.mean, entry.std, p=p, exclude=maps)
        case Blur():
            blurred = (length > 1 and not (entry.in_plane and axis == 2) for axis, length in enumerate(frame.size))
            std = [limit if blurs else 0.0 for blurs in blurred for limit in entry.std]
            return tio.RandomBlur(cast(tuple[float, float], tuple(std)), p=p, exclude=maps)
        case Gamma():
            return tio.Lambda(RescaledGamma(entry.log_gamma), [tio.INTENSITY], p=p, exclude=maps)
        case Contrast():
            return tio.Lambda(LinearContrast(entry.scale, entry.shift), [tio.INTENSITY], p=p, exclude=maps)
        case Flip():
            # NumPy calls a mirrored array of one voxel contiguous, and PyTorch then stumbles over its negative stride.
            axes = tuple(axis for axis in entry.axes if frame.size[axis] > 1)
            return tio.RandomFlip(axes, flip_probability=entry.per_axis, p=p)
        case Rotate90():
            return TurnInPlane(frame.is_square, p=p)
        case Affine():
            return tio.RandomAffine(entry.scales, entry.degrees, entry.translation, default_pad_value=0, p=p)
        case Elastic():
            displacement = frame.displacement(entry)
            return tio.RandomElasticDeformation(entry.control_points, displacement, entry.locked_borders, p=p)
