"""Repaired copies of what has one safe repair, and for everything else a word on why there is none."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np

from msseg.doctor import nifti_repair
from msseg.doctor.facts import CaseFacts
from msseg.doctor.findings import Examination, Finding
from msseg.doctor.reading import quietly
from msseg.errors import InputError
from msseg.volumes.files import WRITTEN_SUFFIXES, read_header, read_volume, volume_suffix, write_volume
from msseg.volumes.forms import corner_distance

SINGLE_FILES = (".nii", ".nii.gz")
REPAIRABLE = ("not_finite", "label_values", "qform_sform", "single_frame", "grid")
TINY_SHIFT = 0.5
"""Share of the smallest voxel by which corners may differ for a label's header to be taken from its image: rounding in
some tool's header. More may be a real shift, which only a person can tell."""
NEEDS_A_PERSON = "not repaired: it takes your decision"


def repair(examination: Examination, source: Path, folder: Path) -> Examination:
    """Write repaired copies into a folder, below which each has its place in SOURCE; nothing is overwritten.

    A file with several repairable problems is written once, with all repairs.

    Returns:
        The examination, with `repairs` of every finding filled in.

    Raises:
        InputError: The folder is SOURCE or lies in it, or it cannot be written to.
    """
    base = source.resolve() if source.is_dir() else source.resolve().parent
    if folder.resolve().is_relative_to(base) and source.is_dir():
        raise InputError(f"--fix {folder} lies in {source}: name a folder outside, so that copies and originals differ")
    asked: dict[Path, list[str]] = defaultdict(list)
    for finding in examination.findings:
        if finding.kind in REPAIRABLE:
            for path in finding.files:
                asked[path].append(finding.kind)
    done: dict[tuple[str, Path], str] = {}
    with quietly():
        for path, kinds in asked.items():
            like = _first_image(examination, path)
            target = folder / _place(path, base)
            for kind, text in _mend(path, kinds, like, target).items():
                done[kind, path] = text
    return replace(examination, findings=tuple(_told(finding, done) for finding in examination.findings))


def _place(path: Path, base: Path) -> Path:
    whole = path.resolve()
    return whole.relative_to(base) if whole.is_relative_to(base) else Path(path.name)


def _first_image(examination: Examination, path: Path) -> Path | None:
    """The first channel of the case that a file belongs to."""
    for row in examination.rows:
        if path in _files(row):
            return next(iter(row.images.values())).path
    return None


def _files(row: CaseFacts) -> list[Path]:
    label = [row.label.path] if row.label is not None else []
    return [*(image.path for image in row.images.values()), *label] if row.images else []


def _mend(path: Path, kinds: list[str], like: Path | None, target: Path) -> dict[str, str]:
    if target.exists():
        return dict.fromkeys(kinds, f"not repaired: {target} is there already")
    refused: dict[str, str] = {}
    if "grid" in kinds and (reason := _no_tiny_shift(path, like)):
        refused["grid"] = f"not repaired: {reason}"
    wanted = [kind for kind in kinds if kind not in refused]
    if not wanted:
        return refused
    try:
        if volume_suffix(path, SINGLE_FILES) is not None:
            done = nifti_repair.apply(path, wanted, like, target)
        else:
            done = _rewrite(path, wanted, target)
    except InputError as error:
        done = dict.fromkeys(wanted, f"not repaired: {error}")
    return refused | {
        kind: text if text.startswith("not repaired") else f"{text}, in {target}" for kind, text in done.items()
    }


def _no_tiny_shift(path: Path, like: Path | None) -> str:
    """Why the geometry cannot be copied from the first channel; empty where it can."""
    if like is None or like == path:
        return "there is no other image of the case to go by"
    own, other = read_header(path), read_header(like)
    if own.shape != other.shape:
        return "the shapes differ, so it would have to be resampled"
    apart = corner_distance(own.affine, other.affine, own.shape)
    if apart > TINY_SHIFT * min(other.spacing):
        return f"corners lie {apart:.3g} mm apart, which may be a real shift"
    if volume_suffix(path, SINGLE_FILES) is None or volume_suffix(like, SINGLE_FILES) is None:
        return "only headers of NIfTI files are changed"
    same = nib.orientations.aff2axcodes(own.affine) == nib.orientations.aff2axcodes(other.affine)
    return "" if same else "the axes run in different directions"


def _rewrite(path: Path, kinds: list[str], target: Path) -> dict[str, str]:
    """Files other than NIfTI: read, changed and written in their family."""
    done = {}
    volume = read_volume(path)
    data = volume.data
    for kind in kinds:
        if kind == "not_finite":
            done[kind] = "voxels that are not finite set to 0, stored as float32"
        elif kind == "label_values" and data.min() >= 0:
            data = (data > 0).astype(np.uint8)
            done[kind] = "values set to 0 and 1"
        else:
            done[kind] = "not repaired: only headers of NIfTI files are changed"
    if any(not text.startswith("not repaired") for text in done.values()):
        if volume_suffix(target, WRITTEN_SUFFIXES) is None:
            return dict.fromkeys(kinds, "not repaired: files of this kind are not written")
        write_volume(target, data, volume)
    return done


def _told(finding: Finding, done: Mapping[tuple[str, Path], str]) -> Finding:
    texts = [f"{path.name}: {done[finding.kind, path]}" for path in finding.files if (finding.kind, path) in done]
    return replace(finding, repairs=tuple(texts) or (NEEDS_A_PERSON,))
