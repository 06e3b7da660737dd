"""A clean cohort gives no finding; each fault gives exactly its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

SHAPE, CASE = (48, 56, 40), "patient03"


def path_of(root: Path, what: str = "FLAIR", case: str = CASE) -> Path:
    return root / case / f"{case}_{what}.nii.gz"


def label_of(root: Path, case: str = CASE) -> Path:
    return path_of(root, "consensus_gt", case)


def change(path: Path, how: Callable[[np.ndarray], np.ndarray], affine: np.ndarray | None = None) -> None:
    """Rewrite a file with changed voxels, and another affine if one is given."""
    image = nib.load(path)
    data = how(np.asarray(image.dataobj).copy())
    place = image.affine if affine is None else affine
    made = nib.Nifti1Image(data, place)
    made.set_sform(place, 1)
    made.set_qform(place, 1)
    nib.save(made, path)


def moved(affine: np.ndarray, mm: float) -> np.ndarray:
    shifted = affine.copy()
    shifted[0, 3] += mm
    return shifted


def affine_of(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).affine)


def with_nan(data: np.ndarray) -> np.ndarray:
    data[0, 0, :5] = np.nan
    data[20, 20, 20] = np.inf
    return data


def unstripped(data: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(20, 60, data.shape).astype(np.float32)
    return np.where(data == 0, noise, data)


def other_contrast(data: np.ndarray) -> np.ndarray:
    return np.where(data > 0, np.exp(data / data.max() * 9).astype(np.float32), 0)


def noisy(data: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, data.shape)
    return np.where(data > 0, np.roll(data * 3 + 10 + noise, 1, 0), 0).astype(np.float32)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def disagree(path: Path) -> None:
    image = nib.load(path)
    image.set_qform(moved(image.affine, 7), 1)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), path)


def four_axes(path: Path) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[..., np.newaxis], image.affine), path)


def copy_case(root: Path, source: str, target: str, how: Callable[[np.ndarray], np.ndarray]) -> None:
    for channel in ("FLAIR", "T1"):
        shutil.copy(path_of(root, channel, source), path_of(root, channel, target))
        change(path_of(root, channel, target), how)


def in_two_halves(data: np.ndarray) -> np.ndarray:
    data[:24] *= 2
    return data


def half_outside(data: np.ndarray) -> np.ndarray:
    voxels = int(np.count_nonzero(data))
    data[:2, :, :3].flat[: voxels // 3] = 1
    return data


FAULTS: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "truncated": (lambda root: truncate(path_of(root)), {"unreadable"}),
    "text": (lambda root: path_of(root).write_text("no image"), {"unreadable"}),
    "damaged label": (lambda root: truncate(label_of(root)), {"unreadable"}),
    "no channel": (lambda root: path_of(root, "T1").unlink(), {"missing_channel"}),
    "no label": (lambda root: label_of(root).unlink(), {"missing_label"}),
    "no images": (lambda root: [path_of(root, of).unlink() for of in ("FLAIR", "T1")], {"missing_image"}),
    "label cut": (lambda root: change(label_of(root), lambda data: data[:-1]), {"grid"}),
    "label moved": (
        lambda root: change(label_of(root), lambda data: data, moved(affine_of(label_of(root)), 4)),
        {"grid"},
    ),
    "channel swapped": (lambda root: change(path_of(root, "T1"), lambda data: data.swapaxes(0, 1)), {"grid"}),
    "constant": (lambda root: change(path_of(root), np.ones_like), {"constant"}),
    "zero": (lambda root: change(path_of(root), np.zeros_like), {"constant"}),
    "mask": (lambda root: change(path_of(root), lambda data: (data > 0).astype(np.uint8)), {"mask_as_image"}),
    "nan": (lambda root: change(path_of(root), with_nan), {"not_finite"}),
    "all nan": (lambda root: change(path_of(root), lambda data: data * np.nan), {"unreadable"}),
    "background": (lambda root: change(path_of(root), lambda data: data - 1024), {"background"}),
    "forms": (lambda root: disagree(path_of(root)), {"qform_sform"}),
    "4D": (lambda root: four_axes(path_of(root)), {"single_frame"}),
    "255": (lambda root: change(label_of(root), lambda data: data * 255), {"label_values"}),
    "three values": (
        lambda root: change(label_of(root), in_two_halves),
        {"label_values"},
    ),
    "fractions": (
        lambda root: change(label_of(root), lambda data: ndimage.gaussian_filter(data.astype(np.float32), 0.5)),
        {"label_fractions"},
    ),
    "empty label": (lambda root: change(label_of(root), np.zeros_like), {"label_empty"}),
    "outside": (lambda root: change(label_of(root), half_outside), {"label_outside"}),
    "left-right": (lambda root: change(label_of(root), lambda data: data[::-1]), {"label_flipped"}),
    "front-back": (lambda root: change(label_of(root), lambda data: data[:, ::-1]), {"label_flipped"}),
    "up-down": (lambda root: change(label_of(root), lambda data: data[:, :, ::-1]), {"label_flipped"}),
    "flipped T1": (lambda root: change(path_of(root, "T1"), lambda data: data[::-1]), {"channel_flipped"}),
    "whole case upside down": (
        lambda root: [
            change(path_of(root, of), lambda data: data[:, :, ::-1]) for of in ("FLAIR", "T1", "consensus_gt")
        ],
        {"head_flipped"},
    ),
    "copy": (lambda root: copy_case(root, "patient02", CASE, lambda data: data), {"duplicate", "label_contrast"}),
    "changed copy": (lambda root: copy_case(root, "patient02", CASE, noisy), {"near_duplicate", "label_contrast"}),
    "same channel twice": (lambda root: shutil.copy(path_of(root), path_of(root, "T1")), {"same_channels"}),
    "label of another": (
        lambda root: shutil.copy(label_of(root, "patient02"), label_of(root)),
        {"duplicate_label"},
    ),
    "label of nowhere": (
        lambda root: change(label_of(root), lambda data: np.roll(data, 4, 1)),
        {"label_contrast"},
    ),
    "thick slices": (
        lambda root: [
            change(
                path_of(root, of), lambda data: data[:, :, ::2], affine_of(path_of(root, of)) @ np.diag([1, 1, 2, 1])
            )
            for of in ("FLAIR", "T1", "consensus_gt")
        ],
        {"spacing"},
    ),
    "skull": (lambda root: [change(path_of(root, of), unstripped) for of in ("FLAIR", "T1")], {"skull"}),
    "another contrast": (lambda root: change(path_of(root), other_contrast), {"intensity"}),
    "small volume": (
        lambda root: change(label_of(root), lambda data: data * (np.cumsum(data).reshape(data.shape) <= 8)),
        {"lesion_volume"},
    ),
}

OF_MANY = ("another contrast", "small volume")
"""Faults that only many cases show."""


def test_a_clean_cohort_gives_no_finding(clean_cohort: Path, examined: Callable) -> None:
    examination = examined(clean_cohort)
    assert [finding.message for finding in examination.findings] == []
    assert examination.skipped == ()
    assert len(examination.rows) == 9


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_gives_its_finding_alone(name: str, request: pytest.FixtureRequest, examined: Callable) -> None:
    spoil, expected = FAULTS[name]
    root = request.getfixturevalue("cohort" if name in OF_MANY else "three")
    spoil(root)
    examination = examined(root)
    messages = [finding.message for finding in examination.findings]
    assert {finding.kind for finding in examination.findings} == expected, messages
    assert all(CASE in finding.cases for finding in examination.findings), messages
    assert all(finding.advice and finding.files for finding in examination.findings)
