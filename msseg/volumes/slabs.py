"""Cases that are slices of a stack: which pages are read for them, with their neighbours."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from msseg.cases.case import Case
from msseg.config.preprocessing import PreprocessingConfig
from msseg.volumes.files import is_stack, read_volume
from msseg.volumes.volume import Volume


def neighbourhood(slices: Sequence[int], count: int, context: int) -> tuple[list[int], np.ndarray]:
    """The pages that slices and their neighbours are on.

    Args:
        slices: Slices of a stack, from 0.
        count: How many slices the stack has; beyond its ends the first and the last are repeated.
        context: Neighbours on each side.

    Returns:
        The pages to read, in order, and for each slice the places among them of its neighbours from -context to
        +context, shape (len(slices), 2 * context + 1).
    """
    offsets = np.arange(-context, context + 1)
    wanted = np.clip(np.asarray(slices)[:, np.newaxis] + offsets, 0, count - 1)
    pages, places = np.unique(wanted, return_inverse=True)
    return [int(page) for page in pages], places.reshape(wanted.shape)


def read_slices(
    path: Path,
    settings: PreprocessingConfig,
    slices: Sequence[int] | None = None,
    series: Sequence[Path] = (),
) -> tuple[Volume, np.ndarray | None]:
    """Read one channel of a case with the neighbouring slices that the settings ask for.

    Args:
        path: The file: a volume, a stack, or one slice of a series.
        settings: Context and colours.
        slices: The case's slices in the stack, from 0; None: the whole file is the case.
        series: Where every slice is a file of its own, all of them in order.

    Returns:
        The volume that was read, and the places of the case's slices in it for `prepare` (None: it is the case).

    Raises:
        InputError: A file cannot be used.
    """
    if slices is None:
        return (read_volume(path, colour=settings.colour) if is_stack(path) else read_volume(path)), None
    if not series:
        from msseg.cases.pages import count_pages  # TIFF and HDF5 libraries: a tenth of a second

        pages, places = neighbourhood(slices, count_pages(path), settings.context)
        return read_volume(path, pages=pages, colour=settings.colour), places
    pages, places = neighbourhood(slices, len(series), settings.context)
    files = [read_volume(series[page], colour=settings.colour) for page in pages]
    data = np.concatenate([file.data for file in files], axis=2)
    return Volume(data, files[0].affine, files[0].header, path), places


def slices_of(case: Case) -> tuple[int, ...] | None:
    """The slices of its stack that a case is; None: its files are read whole."""
    return None if case.slice_index is None else (case.slice_index,)


def files_of(case: Case, channels: Sequence[str], context: int) -> list[Path]:
    """All image files that a case with its neighbouring slices is read from; it may lack some of the channels."""
    found: list[Path] = []
    for channel in channels:
        if channel not in case.images:
            continue
        series = case.series.get(channel, ())
        if series and case.slice_index is not None:
            pages, _ = neighbourhood((case.slice_index,), len(series), context)
            found += [series[page] for page in pages]
        else:
            found.append(case.images[channel])
    return found
