"""Reading what is to be judged: probabilities of being inside, and numbered cells."""

from pathlib import Path

import numpy as np

from msseg.errors import InputError
from msseg.metrics.segments import label_segments
from msseg.volumes.files import is_stack, read_raw, read_volume

FULL_SCALE = {"uint8": 255, "uint16": 65535}
"""What stands for a probability of 1 in images of whole numbers."""


def read_probability(path: Path) -> np.ndarray:
    """Read a stack of probabilities of being inside; a mask counts as probabilities of 0 and 1.

    Args:
        path: Floating point values from 0 to 1, or whole numbers: 8 bit from 0 to 255, 16 bit from 0 to 65535. Whole
            numbers of which there are but 0 and another one are a mask.

    Returns:
        (rows, columns, slices) float32.

    Raises:
        InputError: The file cannot be read, or its values are no probabilities.
    """
    return _probability(_read(path), path)


def read_segments(path: Path, threshold: float) -> np.ndarray:
    """Read a stack of numbered cells; a mask or probabilities are cut at a threshold into their connected regions.

    Args:
        path: Whole numbers, 0 for background and one for each cell; or a mask; or probabilities as in
            `read_probability`, in floating point.
        threshold: A pixel of a probability map is inside where its value is above this.

    Returns:
        (rows, columns, slices) the cells' numbers.

    Raises:
        InputError: The file cannot be read, or its values are neither numbers of cells nor probabilities.
    """
    data = _read(path)
    if _is_numbers(data):
        if data.min() < 0:
            raise InputError(f"{path} holds {data.min():g}, but cells are numbered from 1 and background is 0")
        return data.astype(np.int64)
    inside = _probability(data, path) > threshold
    return np.stack([label_segments(inside[..., z]) for z in range(inside.shape[2])], axis=-1)


def _read(path: Path) -> np.ndarray:
    """The values in the file's own type, NaN included; (rows, columns, slices)."""
    data = read_raw(path) if is_stack(path) else read_volume(path).data
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        count = int((~np.isfinite(data)).sum())
        raise InputError(
            f"{path} holds {count} values that are NaN or infinite; a prediction says something everywhere"
        )
    return data


def _probability(data: np.ndarray, path: Path) -> np.ndarray:
    if _is_mask(data):
        return (data > 0).astype(np.float32)
    if data.dtype.kind == "f":
        low, high = data.min(), data.max()
        if low < 0 or high > 1:
            raise InputError(
                f"{path} holds values from {low:g} to {high:g}, but a probability of being inside lies between 0 and 1:"
                " scale it, or give whole numbers (8 bit: 0 to 255, 16 bit: 0 to 65535)"
            )
        return data.astype(np.float32)
    full = FULL_SCALE.get(data.dtype.name)
    if full is None:
        raise InputError(
            f"{path} holds {data.dtype.name} values from {data.min()} to {data.max()}, and which of them stands for a"
            " probability of 1 is not known: save it as 8 or 16 bit without sign, or in floating point from 0 to 1"
        )
    return data.astype(np.float32) / np.float32(full)


def _is_mask(data: np.ndarray) -> bool:
    """Whether whole numbers are but 0 and one other."""
    if data.dtype.kind not in "biu" or data.min() < 0:
        return data.dtype == bool
    return bool(((data == 0) | (data == data.max())).all())


def _is_numbers(data: np.ndarray) -> bool:
    """Whether values can be nothing but numbers of objects: neither a mask nor probabilities."""
    if data.dtype.kind == "f":
        return bool(data.max() > 1 and (data == np.rint(data)).all())
    return not _is_mask(data)
