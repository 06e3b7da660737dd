"""The axial slice of a test case that shows most lesion, as a radiologist sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from msseg.errors import InputError
from msseg.volumes.files import read_label, read_volume, require_same_grid
from msseg.volumes.volume import Volume

Mask = NDArray[np.bool_]
Grey = NDArray[np.uint8]
Key = tuple[str, str]
"""A prediction's network and channel."""
Scalar = TypeVar("Scalar", bound=np.generic)

WINDOW_PERCENTILES = (0.5, 99.8)
MARGIN_MM = 4.0


@dataclass(frozen=True, eq=False)
class CaseSlice:
    """One axial slice of a test case in radiological convention: front up, the patient's right on the left.

    Attributes:
        case: Id of the case.
        group: The patient.
        images: Grey values (H, W) per channel.
        truth: Expert's mask (H, W).
        predictions: Predicted masks (H, W) by network and channel.
        pixel_mm: Height and width of a pixel (mm).
        number: Number of the slice from below, from 1, and of how many.
        z_mm: Height of its centre in the file's world space (mm).
        chosen: Why this slice, in words.
        sides_known: Whether the file says where left is; without it no marker is drawn.
    """

    case: str
    group: str
    images: Mapping[str, Grey]
    truth: Mask
    predictions: Mapping[Key, Mask]
    pixel_mm: tuple[float, float]
    number: tuple[int, int]
    z_mm: float
    chosen: str
    sides_known: bool

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the picture (mm)."""
        return self.truth.shape[0] * self.pixel_mm[0], self.truth.shape[1] * self.pixel_mm[1]


def read_case_slice(
    case: str, group: str, images: Mapping[str, Path], truth: Path | None, predictions: Mapping[Key, Path]
) -> CaseSlice:
    """Read a case's files and cut out the axial slice with most lesion; every file is read once.

    Args:
        case: Id of the case.
        group: The patient.
        images: File per channel.
        truth: Expert's mask.
        predictions: Predicted masks by network and channel.

    Raises:
        InputError: There is no expert's mask, or a file cannot be read or does not lie on its grid.
    """
    if truth is None:
        raise InputError(f"the case {case} has no expert's mask to compare with")
    grid = read_label(truth)
    masks = {key: canonical(_on_grid(read_label(path), grid)).data for key, path in predictions.items()}
    upright = canonical(grid)
    index, chosen = _choose(upright.data, list(masks.values()))
    grey = {}
    for channel, path in images.items():  # one image in memory at a time
        grey[channel] = grey_levels(axial(canonical(_on_grid(read_volume(path), grid)).data, index))
    across, deep, _ = upright.spacing
    middle = [(size - 1) / 2 for size in upright.shape[:2]]
    picture = CaseSlice(
        case=case,
        group=group,
        images=grey,
        truth=axial(upright.data, index),
        predictions={key: axial(mask, index) for key, mask in masks.items()},
        pixel_mm=(deep, across),
        number=(index + 1, upright.shape[2]),
        z_mm=float((upright.affine @ [*middle, index, 1])[2]),
        chosen=chosen,
        sides_known=bool(grid.header["sform_code"] or grid.header["qform_code"]),
    )
    return _cropped(picture)


def canonical(volume: Volume) -> Volume:
    """The volume with its axes flipped and swapped to right, anterior, superior (or nearest to it)."""
    orientation = io_orientation(volume.affine)
    affine = volume.affine @ inv_ornt_aff(orientation, volume.shape)
    return replace(volume, data=apply_orientation(volume.data, orientation), affine=affine)


def axial(data: NDArray[Scalar], index: int) -> NDArray[Scalar]:
    """Slice (H, W) of an array (X, Y, Z) in RAS: the front is up, the patient's right is on the left."""
    return np.ascontiguousarray(data[::-1, ::-1, index].T)


def grey_levels(values: NDArray[Any]) -> Grey:
    """Grey values 0-255 between zero (or a low percentile below it) and a high percentile of the non-zero pixels.

    Exact zeros, where there is no subject, are black also among negative values.
    """
    values = np.asarray(values, dtype=np.float64)
    inside = values != 0
    if not inside.any():
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = np.percentile(values[inside], WINDOW_PERCENTILES)
    low = min(low, 0.0)
    scaled = (values - low) / (high - low) if high > low else np.ones_like(values)
    return np.where(inside, np.clip(np.rint(scaled * 255), 0, 255), 0).astype(np.uint8)


def _on_grid(volume: Volume, grid: Volume) -> Volume:
    require_same_grid(grid, volume)
    return volume


def _choose(truth: Mask, predictions: Sequence[Mask]) -> tuple[int, str]:
    """The slice with most lesion; without any, the one with most predicted lesion; else the middle one."""
    lesion = truth.sum(axis=(0, 1))
    if lesion.any():
        return int(lesion.argmax()), "the slice with most lesion in the expert's mask"
    predicted = sum((mask.sum(axis=(0, 1)) for mask in predictions), start=np.zeros(truth.shape[2], dtype=np.int64))
    if predicted.any():
        return int(predicted.argmax()), "no lesion in the expert's mask; the slice with most predicted lesion"
    return truth.shape[2] // 2, "no lesion in the expert's mask or in a prediction; the middle slice"


def _cropped(picture: CaseSlice) -> CaseSlice:
    """The part of the slice that shows the subject or a mask, with a margin."""
    seen = picture.truth.copy()
    for layer in (*picture.predictions.values(), *(grey > 8 for grey in picture.images.values())):
        seen |= layer
    if not seen.any():
        return picture
    parts = []
    for axis, size_mm in enumerate(picture.pixel_mm):
        found = np.flatnonzero(seen.any(axis=1 - axis))
        margin = round(MARGIN_MM / size_mm)
        parts.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin))
    part = tuple(parts)
    return replace(
        picture,
        images={channel: grey[part] for channel, grey in picture.images.items()},
        truth=picture.truth[part],
        predictions={key: mask[part] for key, mask in picture.predictions.items()},
    )
