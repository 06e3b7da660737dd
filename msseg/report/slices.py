"""Axial slices of a test case, as a radiologist sees them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from msseg.errors import InputError
from msseg.report.slice_choice import Mask, fullest_slice, slices_of_interest
from msseg.volumes.align import Align, resample_onto
from msseg.volumes.files import read_label, read_volume, require_same_grid, same_grid
from msseg.volumes.volume import Volume

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
        affine: 4 x 4 from voxels of the upright volume to world mm.
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
    affine: NDArray[np.float64]

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width of the picture (mm)."""
        return self.truth.shape[0] * self.pixel_mm[0], self.truth.shape[1] * self.pixel_mm[1]


def read_case_slice(
    case: str, group: str, images: Mapping[str, Path], truth: Path | None, predictions: Mapping[Key, Path]
) -> CaseSlice:
    """The axial slice with most lesion; as `read_case_slices` reads it."""
    return read_case_slices(case, group, images, truth, predictions)[0]


def read_case_slices(
    case: str,
    group: str,
    images: Mapping[str, Path],
    truth: Path | None,
    predictions: Mapping[Key, Path],
    further: int = 0,
    read: Callable[[Path], Volume] = read_label,
    align: Align = "refuse",
) -> list[CaseSlice]:
    """Read a case's files and cut out the slices to show; every file is read once, one image is in memory at a time.

    Args:
        case: Id of the case.
        group: The patient.
        images: File per channel.
        truth: Expert's mask.
        predictions: Predicted masks by network and channel.
        further: How many slices of interest are wanted besides.
        read: How the expert's mask is read from its file.
        align: What is done with images and masks on another grid than the expert's mask.

    Returns:
        The axial slice with most lesion, then the slices of interest, largest error first (the first slice may be
        among them); these are cropped alike.

    Raises:
        InputError: There is no expert's mask, or a file cannot be read or does not lie on its grid.
    """
    if truth is None:
        raise InputError(f"the case {case} has no expert's mask to compare with")
    grid = read(truth)
    masks = {key: canonical(_on_grid(read_label(path), grid, align)).data for key, path in predictions.items()}
    upright = canonical(grid)
    index, chosen = fullest_slice(upright.data, list(masks.values()))
    interest = slices_of_interest(upright.data, list(masks.values()), further)
    places = [index, *interest]
    grey: list[dict[str, Grey]] = [{} for _ in places]
    for channel, path in images.items():
        volume = canonical(_on_grid(read_volume(path), grid, align)).data
        for shown, place in zip(grey, places, strict=True):
            shown[channel] = grey_levels(axial(volume, place))
    across, deep, _ = upright.spacing
    middle = [(size - 1) / 2 for size in upright.shape[:2]]
    slices = [
        CaseSlice(
            case=case,
            group=group,
            images=shown,
            truth=axial(upright.data, place),
            predictions={key: axial(mask, place) for key, mask in masks.items()},
            pixel_mm=(deep, across),
            number=(place + 1, upright.shape[2]),
            z_mm=float((upright.affine @ [*middle, place, 1])[2]),
            chosen=chosen,
            sides_known=grid.sides_known,
            affine=upright.affine,
        )
        for place, shown in zip(places, grey, strict=True)
    ]
    return _cropped(slices[:1]) + _cropped(slices[1:])


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


def _on_grid(volume: Volume, grid: Volume, align: Align) -> Volume:
    """As the run did it, which has warned of it."""
    if align == "resample" and not same_grid(grid, volume):
        return resample_onto(grid, volume)
    require_same_grid(grid, volume)
    return volume


def _cropped(slices: list[CaseSlice]) -> list[CaseSlice]:
    """The part of the slices that shows the subject or a mask in any of them, with a margin."""
    seen = np.zeros(slices[0].truth.shape if slices else (0, 0), dtype=bool)
    for picture in slices:
        for layer in (picture.truth, *picture.predictions.values(), *(grey > 8 for grey in picture.images.values())):
            seen |= layer
    if not seen.any():
        return slices
    parts = []
    for axis, size_mm in enumerate(slices[0].pixel_mm):
        found = np.flatnonzero(seen.any(axis=1 - axis))
        margin = round(MARGIN_MM / size_mm)
        parts.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin))
    part = tuple(parts)
    return [
        replace(
            picture,
            images={channel: grey[part] for channel, grey in picture.images.items()},
            truth=picture.truth[part],
            predictions={key: mask[part] for key, mask in picture.predictions.items()},
        )
        for picture in slices
    ]
