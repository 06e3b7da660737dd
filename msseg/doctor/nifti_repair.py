"""Repairs of NIfTI files in their bytes: whatever is not repaired stays as it is, to the last bit."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from msseg.atomic import replacing
from msseg.errors import InputError
from msseg.volumes.forms import DISAGREEMENT_MM, corner_distance

FORM_FIELDS = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z",
    "srow_x", "srow_y", "srow_z",
)  # fmt: skip


class NiftiRepair:
    """The bytes of a single-file NIfTI, changed step by step and then written; a step returns what it did."""

    def __init__(self, path: Path) -> None:
        """Read a file that has been read without complaint before."""
        self.path = path
        raw = path.read_bytes()
        self.raw = bytearray(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        size = int.from_bytes(self.raw[:4], "little")
        kind = nib.Nifti2Header if 540 in (size, int.from_bytes(self.raw[:4], "big")) else nib.Nifti1Header
        self.header = kind(bytes(self.raw[: kind.sizeof_hdr]), check=False)

    def not_finite(self) -> str:
        """NaN and infinity become 0.

        Raises:
            InputError: No stored number stands for 0.
        """
        self._require_plain_zero()
        voxels = self._voxels()
        bad = ~np.isfinite(voxels)
        voxels[bad] = 0
        return f"{int(np.count_nonzero(bad))} voxels set to 0"

    def label_values(self) -> str:
        """All voxels that are not 0 become 1.

        Raises:
            InputError: No stored number stands for 0, or values are negative.
        """
        self._require_plain_zero()
        voxels = self._voxels()
        if (voxels < 0).any():
            raise InputError("its value is negative")
        voxels[...] = voxels != 0
        self.header["scl_slope"], self.header["scl_inter"] = 1, 0
        self.header["cal_min"], self.header["cal_max"] = 0, 1
        return "values set to 0 and 1"

    def qform_sform(self) -> str:
        """The qform becomes the sform, which is what msseg reads.

        Raises:
            InputError: The sform is sheared, which a qform cannot say.
        """
        sform, code = self.header.get_sform(coded=True)
        changed = self.header.copy()
        changed.set_qform(sform, code=int(code), strip_shears=True)
        x, y, z = (int(size) for size in self.header.get_data_shape()[:3])
        if corner_distance(changed.get_qform(), sform, (x, y, z)) > DISAGREEMENT_MM:
            raise InputError("its sform is sheared, which no qform can say")
        self.header = changed
        return "qform made equal to the sform"

    def single_frame(self) -> str:
        """Further axes of length one go."""
        self.header.set_data_shape(self.header.get_data_shape()[:3])
        return "made 3D"

    def grid(self, like: Path) -> str:
        """The place in the world becomes that of another file of the same shape."""
        other: Any = nib.load(like).header
        for name in FORM_FIELDS:
            self.header[name] = other[name]
        self.header["pixdim"][:4] = other["pixdim"][:4]
        return f"geometry copied from {like.name}"

    def write(self, target: Path) -> None:
        """Write under a temporary name and rename; the time stamp in a .gz file is none, so the bytes repeat.

        Raises:
            InputError: The folder cannot be written to.
        """
        block = self.header.binaryblock
        content = bytes(block) + bytes(self.raw[len(block) :])
        if target.name.lower().endswith(".gz"):
            content = gzip.compress(content, 6, mtime=0)
        with replacing(target) as temporary:
            temporary.write_bytes(content)

    def _voxels(self) -> np.ndarray:
        """The stored numbers, as a view into the bytes."""
        start, dtype = int(self.header["vox_offset"]), self.header.get_data_dtype()
        count = int(np.prod(self.header.get_data_shape()))
        return np.frombuffer(self.raw, dtype, count, start)

    def _require_plain_zero(self) -> None:
        slope, intercept = self.header.get_slope_inter()
        if intercept not in (None, 0):
            raise InputError(
                f"its voxels are scaled by {slope:g} and {intercept:g} is added, so no number stands for 0"
            )


def apply(path: Path, kinds: Sequence[str], like: Path | None, target: Path) -> dict[str, str]:
    """Make the repairs of several kinds to one file and write it, if one of them could be made.

    Returns:
        For each kind what was done, or why nothing was (it begins with `not repaired`).
    """
    file = NiftiRepair(path)
    done: dict[str, str] = {}
    for kind in ("not_finite", "label_values", "single_frame", "grid", "qform_sform"):
        if kind not in kinds:
            continue
        try:
            done[kind] = file.grid(like) if kind == "grid" and like is not None else getattr(file, kind)()
        except InputError as error:
            done[kind] = f"not repaired: {error}"
    if any(not text.startswith("not repaired") for text in done.values()):
        file.write(target)
    return done
