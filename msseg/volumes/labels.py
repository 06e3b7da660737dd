"""Reading truths: what their values mean differs from data set to data set, what comes of them does not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from msseg.cases.names import counted
from msseg.config.data import LabelMeaning
from msseg.errors import InputError
from msseg.volumes.files import LABEL_THRESHOLD, is_stack, read_raw, read_volume
from msseg.volumes.volume import Volume

WITHIN_SLICES = np.zeros((3, 3, 3), dtype=bool)
WITHIN_SLICES[:, :, 1] = ndimage.generate_binary_structure(2, 1)
"""Neighbours of a pixel: four within its slice, none across slices."""


WHOLE = 1e-3
"""How far a value that is stored as a scaled or floating number may lie from the whole number that is meant."""
SHOWN = 6
"""So many values of a label are listed in a message."""


def read_truth(
    path: Path | str,
    meaning: LabelMeaning = "mask",
    membrane_width: int = 2,
    pages: Sequence[int] | None = None,
    values: Sequence[int] | None = None,
) -> Volume:
    """Read a truth as a mask of the foreground: lesion, or the inside of neurites or cells.

    Args:
        path: A volume or a stack.
        meaning: What its values say. `mask`: as `values` says. `inside`: a boundary map of two values, the
            higher inside, the lower membrane. `membrane`: the reverse. `instances`: 0 is background, each object has a
            number of its own; where two objects touch, a membrane of `membrane_width` pixels comes between them.
        membrane_width: Width (pixels) of the membrane between touching instances.
        pages: Of a stack, the slices to read, from 0; None: all.
        values: Which whole values of a mask are foreground; None: all above 0.5, if no more than one whole value
            besides 0 occurs.

    Returns:
        Boolean voxels.

    Raises:
        InputError: As `read_volume`, or the values are not what `meaning` says.
    """
    volume = _read(Path(path), pages)
    if values is not None and meaning != "mask":
        raise InputError(f"data.label_values are of masks, but {path} is read as label_meaning {meaning}")
    match meaning:
        case "mask":
            inside = _foreground(volume.data, Path(path)) if values is None else holds(volume.data, values)
        case "inside":
            inside = _higher(volume.data, Path(path), meaning)
        case "membrane":
            inside = ~_higher(volume.data, Path(path), meaning)
        case "instances":
            inside = separated(_numbers(volume.data, Path(path)), membrane_width)
    return Volume(inside, volume.affine, volume.header, volume.path)


def read_instances(path: Path | str, meaning: LabelMeaning = "instances", pages: Sequence[int] | None = None) -> Volume:
    """Read a truth as numbered objects, 0 for background; a boundary map or mask has its 4-connected regions numbered.

    Raises:
        InputError: As `read_truth`.
    """
    if meaning != "instances":
        mask = read_truth(path, meaning, pages=pages)
        numbers, _ = ndimage.label(mask.data, WITHIN_SLICES)
        return Volume(numbers.astype(np.int32), mask.affine, mask.header, mask.path)
    volume = _read(Path(path), pages)
    return Volume(_numbers(volume.data, Path(path)), volume.affine, volume.header, volume.path)


def separated(instances: np.ndarray, width: int) -> np.ndarray:
    """The inside of numbered objects, without a line of `width` pixels where two of them touch.

    Args:
        instances: Shape (X, Y, Z), 0 is background; slices are taken one by one.
        width: Width of the line; 0 leaves touching objects connected.
    """
    inside = instances > 0
    if width == 0:
        return inside
    size = (width + 1, width + 1, 1)
    highest = ndimage.maximum_filter(instances, size)
    lowest = ndimage.minimum_filter(np.where(inside, instances, instances.max() + 1), size)
    touching = inside & (highest != lowest)
    return inside & ~touching


def holds(data: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Where a label holds one of the whole values (to a thousandth, since scaled numbers are not exact)."""
    if data.dtype.kind != "f":
        return np.isin(data, values)
    inside = np.zeros(data.shape, dtype=bool)
    for value in values:
        inside |= np.abs(data - value) < WHOLE
    return inside


def _foreground(data: np.ndarray, path: Path) -> np.ndarray:
    """Above 0.5; refuses labels that number tissues, of which some may not be meant."""
    marked = data[data != 0]
    if marked.size and marked.min() != marked.max():
        whole = np.rint(marked)
        if np.abs(marked - whole).max() <= WHOLE:
            _refuse_several(*np.unique(whole, return_counts=True), path)
    return np.asarray(data > LABEL_THRESHOLD)


def _refuse_several(values: np.ndarray, counts: np.ndarray, path: Path) -> None:
    kept = values != 0
    values, counts = values[kept], counts[kept]
    if len(values) < 2:
        return
    shown = [
        f"{value:g} ({counted(count, 'voxel')})" for value, count in zip(values[:SHOWN], counts[:SHOWN], strict=True)
    ]
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    raise InputError(
        f"the label {path} holds several values besides 0: {', '.join(shown)}{more}; say with data.label_values which"
        f" are foreground, e.g. label_values: [{values[values > 0][0] if (values > 0).any() else 1:g}]"
    )


def _read(path: Path, pages: Sequence[int] | None) -> Volume:
    """The values as they are: float32 would merge the numbers of objects beyond 16 million."""
    if not is_stack(path):
        return read_volume(path)
    data = read_raw(path, pages)
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise InputError(f"{path} holds numbers that are not finite: a label says for every pixel what it is")
    return Volume(data, np.eye(4), path=path)


def _higher(data: np.ndarray, path: Path, meaning: str) -> np.ndarray:
    values = np.unique(data)
    if len(values) > 2:
        shown = ", ".join(f"{value:g}" for value in values[:4]) + (", ..." if len(values) > 4 else "")
        raise InputError(
            f"{path} holds {len(values)} values ({shown}), but as label_meaning {meaning} it should hold two: threshold"
            " it, or set data.label_meaning: instances if its values number the objects"
        )
    return data > (values[0] if len(values) == 2 else 0)


def _numbers(data: np.ndarray, path: Path) -> np.ndarray:
    whole = data.astype(np.int64)
    if data.dtype.kind == "f" and (whole != data).any():
        raise InputError(
            f"{path} holds values that are not whole: as label_meaning instances it needs objects' numbers"
        )
    if whole.min() < 0 or whole.max() > np.iinfo(np.int32).max:
        raise InputError(f"{path} holds {whole.min()} to {whole.max()}; numbers of objects run from 0 to 2147483647")
    return whole.astype(np.int32)
