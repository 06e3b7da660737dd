"""Cohorts on disk in the folders of the ISBI 2015 challenge, and single small cases in memory."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from msseg.errors import InputError
from msseg.volumes.phantom.anatomy import Anatomy, ellipsoid_anatomy
from msseg.volumes.phantom.fields import FloatArray
from msseg.volumes.phantom.scan import Scan, draw_patient, draw_scan
from msseg.volumes.phantom.signal import CHANNELS
from msseg.volumes.phantom.template import template_anatomy

FILE_NAMES = {"FLAIR": "flair", "MPRAGE": "mprage", "T2W": "t2", "PDW": "pd"}


def write_cohort(root: Path, patients: int, sessions: int, spacing_mm: float = 2.0, seed: int = 0) -> None:
    """Write patients with the anatomy of the ICBM 152 template.

    Each has a folder `training01` with `preprocessed/training01_01_flair_pp.nii` (int16, 0 outside the
    brain) for every session and channel, and `masks/training01_01_mask1.nii` (uint8) of two raters. The
    folder is complete or absent, and the same arguments write the same voxels.

    Raises:
        InputError: The template (extra `demo`: nilearn) is not installed, the folder cannot be written, or
        it holds
            a patient of that name.
    """
    _write_patients(root, template_anatomy(spacing_mm), patients, sessions, seed)


def write_small_cohort(
    root: Path, patients: int, sessions: int, shape: tuple[int, int, int] = (24, 28, 20), seed: int = 0
) -> None:
    """Write patients with ellipsoidal heads of the given shape: `write_cohort` in milliseconds."""
    _write_patients(root, ellipsoid_anatomy(shape), patients, sessions, seed)


def small_case(
    shape: tuple[int, int, int] = (24, 28, 20), seed: int = 0, channels: Sequence[str] = CHANNELS
) -> tuple[dict[str, FloatArray], NDArray[np.bool_]]:
    """Images by channel, and label, all of the given shape (X, Y, Z): a small head with lesions."""
    scan = draw_scan(draw_patient(ellipsoid_anatomy(shape), seed), 0, channels)
    return scan.images, scan.label


def _write_patients(root: Path, template: Anatomy, patients: int, sessions: int, seed: int) -> None:
    names = [f"training{number:02d}" for number in range(1, patients + 1)]
    present = [name for name in names if (root / name).exists()]
    if present:
        raise InputError(f"{root} holds {', '.join(present)} already: choose an empty folder for the phantom")
    # Written beside its place and renamed, so that an interrupted cohort is not taken for a whole one.
    unfinished = root.with_name(f".{root.name}.{os.getpid()}")
    try:
        unfinished.mkdir(parents=True)
        for number, name in enumerate(names, start=1):
            patient = draw_patient(template, seed=1000 * seed + number)
            for session in range(sessions):
                _write_scan(draw_scan(patient, session), unfinished / name, f"{name}_{session + 1:02d}")
        _put_in_place(unfinished, root)
    except OSError as error:
        raise InputError(f"{root} cannot be written ({error.strerror}): choose another folder") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _put_in_place(unfinished: Path, root: Path) -> None:
    if not root.exists():
        unfinished.rename(root)
        return
    for folder in sorted(unfinished.iterdir()):
        folder.rename(root / folder.name)


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
