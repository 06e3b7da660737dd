"""Headers of NIfTI-1, NIfTI-2 and Analyze 7.5, single files and pairs; whatever is wrong ends in one sentence."""

import gzip
import zlib
from pathlib import Path
from typing import Any, Literal, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from msseg.errors import InputError
from msseg.volumes.forms import choose_form
from msseg.volumes.header import (
    Header,
    Kind,
    require_affine,
    require_grey,
    require_one_volume,
    require_scaling,
    require_spacing,
)
from msseg.volumes.sources import damaged, is_gzipped, open_decoded, reason, require_file
from msseg.volumes.suffixes import pair_of
from msseg.volumes.voxels import Block

FRONT = nib.Nifti2Header.sizeof_hdr
"""Bytes of the longest header."""

UNITS = {"meter": "metres", "micron": "micrometres"}
_SIZES: dict[int, Kind] = {nib.Nifti1Header.sizeof_hdr: "nifti1", nib.Nifti2Header.sizeof_hdr: "nifti2"}
_BAD_HEADER = (ValueError, KeyError, TypeError, OverflowError, HeaderDataError, WrapStructError)
_Order = Literal["<", ">"]


def read_nifti_header(path: Path) -> Header:
    """Read and check the header of a NIfTI or Analyze volume.

    Args:
        path: `X.nii`, `X.nii.gz`, or either file of a pair, `X.hdr` or `X.img`, with or without `.gz`.

    Raises:
        InputError: A file is missing, is another format, or its header describes no volume that can be used.
    """
    header_path, voxel_path = pair_of(path) or (path, path)
    for file in (header_path, voxel_path):
        require_file(file)
    start = _first_bytes(header_path)
    kind, order, paired = _recognise(start, header_path, single=header_path == voxel_path)
    try:
        with np.errstate(all="ignore"):
            return _described(path, voxel_path, start, kind, order, paired)
    except _BAD_HEADER as error:
        raise damaged(header_path, "header", error) from error


def is_analyze(path: Path) -> bool:
    """Whether the header file of a pair is Analyze 7.5 and not NIfTI; false where it cannot be read."""
    try:
        start = _first_bytes((pair_of(path) or (path, path))[0])
    except InputError:
        return False
    return start[344:347] != b"ni1" and start[4:7] != b"ni2"


def _first_bytes(path: Path) -> bytes:
    require_file(path)
    try:
        with open_decoded(path) as stream:
            start = stream.read(FRONT)
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path} is damaged ({reason(error)}); copy or convert it anew") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except zlib.error as error:
        raise damaged(path, "header", error) from error
    if not start:
        raise InputError(f"{path} is empty; copy or convert it anew")
    return start


def _recognise(start: bytes, path: Path, single: bool) -> tuple[Kind, _Order, bool]:
    """The family, byte order, and whether the header itself says that voxels are in a file of their own."""
    sizes = {order: int.from_bytes(start[:4], name, signed=True) for order, name in _ORDERS}
    order = next((order for order, size in sizes.items() if size in _SIZES), None)
    if order is None:
        what = "a NIfTI file" if single else "the header of a NIfTI or Analyze pair"
        raise InputError(f"{path} is not {what}: it begins with {start[:4]!r} and not with the size of a header")
    kind = _SIZES[sizes[order]]
    if len(start) < sizes[order]:
        raise damaged(path, "header", f"it ends after {len(start)} of {sizes[order]} bytes")
    magic = start[344:348] if kind == "nifti1" else start[4:8]
    version = kind[-1].encode()
    if magic[:3] == b"n+" + version:
        if not single:
            raise InputError(f"{path} is a NIfTI file that holds its voxels itself: rename it to end in .nii")
        return kind, order, False
    if magic[:3] == b"ni" + version:
        if single:
            raise InputError(f"{path} is the header of a NIfTI pair: rename it to end in .hdr, beside its .img")
        return kind, order, True
    if single or kind == "nifti2":
        raise damaged(path, "header", f"NIfTI's mark is missing, there is {magic!r}")
    return "analyze", order, True


_ORDERS: tuple[tuple[_Order, Literal["little", "big"]], ...] = (("<", "little"), (">", "big"))


def _described(path: Path, voxels: Path, start: bytes, kind: Kind, order: _Order, paired: bool) -> Header:
    native = _native(start, kind, order, paired)
    dimensions = native["dim"]
    if not 1 <= int(dimensions[0]) <= 7:
        raise HeaderDataError(f"it has {int(dimensions[0])} axes")
    shape = require_one_volume(path, dimensions[1 : 1 + int(dimensions[0])])
    require_spacing(path, native["pixdim"][1:4])
    offset = _offset(native, kind, paired)
    native.check_fix()
    dtype = native.get_data_dtype()
    require_grey(path, dtype)
    slope, intercept = (float(value) if value is not None else None for value in native.get_slope_inter())
    scaling = (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)
    require_scaling(path, *scaling)
    affine, apart, oriented, notes = _place(native, kind, shape, path)
    block = Block(voxels, 0, "gzip" if is_gzipped(voxels) else "raw", offset)
    return Header(kind, shape, affine, dtype, *scaling, apart, oriented, notes, native, (block,))


def _native(start: bytes, kind: Kind, order: _Order, paired: bool) -> Any:
    """The header as nibabel's, not yet mended; of a NIfTI pair, as that of a single file."""
    classes: dict[Kind, Any] = {
        "nifti1": nib.Nifti1Header,
        "nifti2": nib.Nifti2Header,
        "analyze": nib.Spm2AnalyzeHeader,
    }
    native = classes[kind](start[: classes[kind].sizeof_hdr], endianness=order, check=False)
    if paired and kind != "analyze":
        native["magic"] = classes[kind].single_magic
    return native


def _offset(native: Any, kind: Kind, paired: bool) -> int:
    """The voxels' first byte; 0 in a single file means right behind the header, as niftilib takes it."""
    given = float(native["vox_offset"])
    behind = 0 if paired else native.single_vox_offset
    if not np.isfinite(given) or not (given == 0 or behind <= given < 2**53):
        raise HeaderDataError(f"its voxels are said to begin at byte {given:g}")
    if kind != "analyze":
        native["vox_offset"] = 0  # what is written has its own
    return int(given) or behind


def _place(
    native: Any, kind: Kind, shape: tuple[int, int, int], path: Path
) -> tuple[np.ndarray, float | None, bool, tuple[str, ...]]:
    """Affine, the forms' distance, whether sides are known, and notes."""
    if kind == "analyze":
        affine = np.asarray(native.get_best_affine(), dtype=np.float64)
        require_affine(path, affine)
        note = (
            "Analyze files do not say which side is left: the first axis is taken to run from right to left, as nibabel"
            " does; check one case against its NIfTI"
        )
        return affine, None, False, (note,)
    try:
        forms = choose_form(cast(nib.Nifti1Header, native), shape)
    except InputError as error:
        raise InputError(f"{path} cannot be placed in the world: {error}") from error
    require_affine(path, forms.affine, forms.used)
    unit = UNITS.get(native.get_xyzt_units()[0])
    notes = (f"its header gives lengths in {unit}; its numbers are taken as mm",) if unit else ()
    return forms.affine, forms.apart_mm, forms.used != "pixdim", (*forms.notes, *notes)
