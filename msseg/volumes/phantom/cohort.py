"""Cohorts on disk in the folders of the ISBI 2015 challenge, and single small cases in memory."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from msseg.volumes.phantom.anatomy import Anatomy, ellipsoid_anatomy
from msseg.volumes.phantom.fields import FloatArray
from msseg.volumes.phantom.scan import Scan, draw_patient, draw_scan
from msseg.volumes.phantom.signal import CHANNELS

FILE_NAMES = {"FLAIR": "flair", "MPRAGE": "mprage", "T2W": "t2", "PDW": "pd"}


def write_cohort(root: Path, patients: int, sessions: int, spacing_mm: float = 2.0, seed: int = 0) -> None:
    """Write patients with the anatomy of the ICBM 152 template: root/training01/preprocessed/... and masks/...

    Raises InputError where the extra `demo` (nilearn, which carries the template) is not installed.
    """
    from msseg.volumes.phantom.template import template_anatomy

    _write_patients(root, template_anatomy(spacing_mm), patients, sessions, seed)


def write_small_cohort(
    root: Path, patients: int, sessions: int, shape: tuple[int, int, int] = (24, 28, 20), seed: int = 0
) -> None:
    """Write patients with ellipsoidal heads of the given shape: the same folders, in milliseconds per scan."""
    _write_patients(root, ellipsoid_anatomy(shape), patients, sessions, seed)


def small_case(
    shape: tuple[int, int, int] = (24, 28, 20), seed: int = 0, channels: Sequence[str] = CHANNELS
) -> tuple[dict[str, FloatArray], NDArray[np.bool_]]:
    """Images by channel and label, each of the given shape (X, Y, Z), of a small ellipsoidal head with lesions."""
    scan = draw_scan(draw_patient(ellipsoid_anatomy(shape), seed), 0, channels)
    return scan.images, scan.label


def _write_patients(root: Path, template: Anatomy, patients: int, sessions: int, seed: int) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1, patients + 1):
        patient = draw_patient(template, seed=1000 * seed + number)
        name = f"training{number:02d}"
        # Written beside its place and renamed: a patient's folder is complete or absent.
        unfinished = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=root))
        try:
            for session in range(sessions):
                _write_scan(draw_scan(patient, session), unfinished, f"{name}_{session + 1:02d}")
            unfinished.chmod(0o755)
            shutil.rmtree(root / name, ignore_errors=True)
            os.replace(unfinished, root / name)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def _write_scan(scan: Scan, folder: Path, name: str) -> None:
    for channel, image in scan.images.items():
        path = folder / "preprocessed" / f"{name}_{FILE_NAMES[channel]}_pp.nii"
        _write_nifti(path, np.rint(image).astype(np.int16), scan.affine)
    for rater, mask in ((1, scan.label), (2, scan.second_label)):
        _write_nifti(folder / "masks" / f"{name}_mask{rater}.nii", mask.astype(np.uint8), scan.affine)


def _write_nifti(path: Path, data: NDArray[np.generic], affine: NDArray[np.float64]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="mni")
    image.set_qform(affine, code="mni")
    nibabel.save(image, path)
