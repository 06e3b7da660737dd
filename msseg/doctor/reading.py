"""Reading a case's files for the doctor: as they are, with what is not finite counted and not hidden."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msseg.errors import InputError
from msseg.volumes.files import is_stack, read_header, read_raw
from msseg.volumes.forms import DISAGREEMENT_MM
from msseg.volumes.tiff import Colour
from msseg.volumes.volume import Volume
from msseg.volumes.voxels import read_voxels


@dataclass(frozen=True, eq=False)
class Reading:
    """A file as read.

    Attributes:
        volume: Voxels (X, Y, Z), float32; what was not finite is 0.
        not_finite: How many voxels were NaN or infinite.
        forms_apart_mm: Disagreement of qform and sform, where it is one.
        frames: Whether the file has further axes of length one.
        notes: What the reader remarked besides.
    """

    volume: Volume
    not_finite: int
    forms_apart_mm: float | None = None
    frames: bool = False
    notes: tuple[str, ...] = ()


def read_image(path: Path, page: int | None = None, colour: Colour = "refuse") -> Reading:
    """Read a volume, or a page of a stack.

    Raises:
        InputError: The file cannot be used.
    """
    if is_stack(path):
        with np.errstate(over="ignore"):
            data = read_raw(path, None if page is None else [page], colour).astype(np.float32)
        finite, bad = _finite(data, path)
        return Reading(Volume(finite, np.eye(4), path=path), bad)
    header = read_header(path)
    scaling = (header.slope, header.intercept)
    data = read_voxels(path, header.blocks, header.shape, header.dtype, scaling, np.float32)
    finite, bad = _finite(data, path)
    apart = header.qform_sform_mm
    disagree = apart if apart is not None and apart > DISAGREEMENT_MM else None
    notes = tuple(note for note in header.notes if disagree is None or "qform" not in note)
    return Reading(Volume(finite, header.affine, header.native, path), bad, disagree, _has_frames(header.native), notes)


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of readers: what they remark on becomes findings."""
    log = logging.getLogger("msseg")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _finite(data: np.ndarray, path: Path) -> tuple[np.ndarray, int]:
    finite = np.isfinite(data)
    bad = int(data.size - np.count_nonzero(finite))
    if bad == data.size:
        raise InputError(f"{path} holds no finite number")
    return (np.where(finite, data, 0).astype(np.float32) if bad else data), bad


def _has_frames(native: object) -> bool:
    """Whether a NIfTI header has more than three axes."""
    try:
        return len(native.get_data_shape()) > 3  # type: ignore[attr-defined]
    except AttributeError:
        return False
