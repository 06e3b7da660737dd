"""The rule for NIfTI's two affines: the sform where its code is set, else the qform, else the sizes.

It is nibabel's and that of most tools; others, such as ITK, weigh the codes. So where both are set and differ, some
tools see the volume in another place: which was used, and how far apart they are, is said.
"""

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from msseg.errors import InputError

DISAGREEMENT_MM = 0.1
"""Forms whose corners are farther apart disagree; the quaternion's last digits (float32) alone move them by less."""


@dataclass(frozen=True, eq=False)
class Forms:
    """Which affine of a NIfTI header holds.

    Attributes:
        affine: It, 4 x 4.
        used: Its name: `sform`, `qform` or `pixdim`.
        apart_mm: Largest distance between corners as sform and qform place them; None: not both are set.
        notes: What a user should know.
    """

    affine: np.ndarray
    used: str
    apart_mm: float | None
    notes: tuple[str, ...]


def choose_form(header: nib.Nifti1Header, shape: tuple[int, int, int]) -> Forms:
    """Apply the rule.

    Args:
        header: NIfTI-1 or NIfTI-2, with sound sizes.
        shape: Voxels along each axis.

    Raises:
        InputError: The qform is needed, and its quaternion is none.
    """
    has_sform, has_qform = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    if has_sform:
        sform = np.asarray(header.get_sform(), dtype=np.float64)
        if not has_qform:
            return Forms(sform, "sform", None, ())
        apart = corner_distance(sform, _qform(header), shape)
        codes = f"sform (code {int(header['sform_code'])}) and qform (code {int(header['qform_code'])})"
        if apart <= DISAGREEMENT_MM:
            return Forms(sform, "sform", apart, ())
        note = (
            f"its {codes} place it up to {apart:.3g} mm apart; the sform is used"
            if np.isfinite(apart)
            else f"the qform of its {codes} is unusable; the sform is used"
        )
        return Forms(sform, "sform", apart, (note,))
    if has_qform:
        qform = _qform(header)
        if not np.isfinite(qform).all():
            raise InputError("its qform holds no rotation: mend its header")
        return Forms(qform, "qform", None, ())
    note = (
        "it has neither qform nor sform: its voxels are taken to run to the left, front and top around their middle;"
        " check which side is left"
    )
    return Forms(np.asarray(header.get_base_affine(), dtype=np.float64), "pixdim", None, (note,))


def corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, int, int]) -> float:
    """Largest distance (mm) between a volume's corners under two affines; infinite where it is not a number."""
    ends = np.array(np.meshgrid(*[(0, size - 1) for size in shape])).reshape(3, -1)
    corners = np.vstack([ends, np.ones(ends.shape[1])])
    with np.errstate(invalid="ignore", over="ignore"):
        distance = float(np.linalg.norm(((first - second) @ corners)[:3], axis=0).max())
    return distance if np.isfinite(distance) else np.inf


def _qform(header: nib.Nifti1Header) -> np.ndarray:
    """The qform's affine; NaN where its quaternion is longer than one or no number."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            return np.asarray(header.get_qform(), dtype=np.float64)
    except (ValueError, nib.spatialimages.HeaderDataError):
        return np.full((4, 4), np.nan)
