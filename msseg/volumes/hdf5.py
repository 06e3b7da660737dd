"""Opening a data set of an HDF5 file as a stack of slices."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import h5py
import numpy as np

from msseg.cases.containers import split_container
from msseg.errors import InputError
from msseg.volumes.sources import reason
from msseg.volumes.voxels import require_memory

# What h5py raises on damaged files besides OSError: the library's complaints come as any of these.
_DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, AttributeError, MemoryError)


def load_hdf5(path: Path, pages: Sequence[int] | None = None) -> np.ndarray:
    """Read slices of a data set.

    Args:
        path: `file.h5` for its data set `main`, or `file.h5/group/name`.
        pages: Slices to read, from 0; None: all.

    Returns:
        Shape (rows, columns, slices), in the file's type; the data set's shape is (slices, rows, columns) or
        (rows, columns).

    Raises:
        InputError: The file is missing, no HDF5 or damaged, or has no such data set, or its shape is another.
    """
    container, name = split_container(path)
    assert name is not None
    try:
        with h5py.File(container) as file:
            if not isinstance(file.get(name), h5py.Dataset):
                raise InputError(_no_dataset(file, container, name))
            return _slices(file[name], path, pages)
    except _DAMAGED as error:
        raise InputError(f"{container} is no HDF5 file that can be read: {reason(error)}") from error


def _slices(data: h5py.Dataset, path: Path, pages: Sequence[int] | None) -> np.ndarray:
    shape = tuple(data.shape)
    if data.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {data.dtype}; grey values are needed")
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(f"{path} has the shape {' x '.join(map(str, shape))}; slices x rows x columns are needed")
    count = shape[0] if len(shape) == 3 else 1
    if pages is not None and max(pages) >= count:
        raise InputError(f"{path} has {count} slices; slice {max(pages) + 1} is asked for")
    slices = count if pages is None else len(set(pages))
    require_memory(path, slices * prod(shape[-2:]) * data.dtype.itemsize)
    if len(shape) == 2:
        return np.asarray(data)[:, :, np.newaxis]
    # h5py wants increasing indices without repetition.
    order = sorted(set(pages)) if pages is not None else None
    chosen = np.asarray(data) if order is None else np.asarray(data[order])
    if pages is not None and order is not None:
        chosen = chosen[[order.index(page) for page in pages]]
    return np.moveaxis(chosen, 0, -1)


def _no_dataset(file: h5py.File, path: Path, name: str) -> str:
    there: list[str] = []
    file.visititems(lambda key, item: there.append(key) if isinstance(item, h5py.Dataset) else None)
    advice = (
        f"name one of its data sets: {', '.join(f'{path}/{key}' for key in there[:10])}" if there else "it has none"
    )
    return f"{path} has no data set {name}; {advice}"
