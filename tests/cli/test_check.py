"""`msseg check`: what it prints, writes and returns."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from msseg.doctor.findings import from_json_dict

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "demo" / "residual_unet3d.yaml"


@pytest.fixture
def spoiled(small_cohort: Path, tmp_path: Path) -> Path:
    """The small cohort with one file that is none, and one label of 0 and 255."""
    import shutil

    root = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    (root / "training03" / "preprocessed" / "training03_01_t2_pp.nii").write_bytes(b"nothing")
    label = root / "training04" / "masks" / "training04_01_mask1.nii"
    image = nib.load(label)
    nib.save(nib.Nifti1Image((np.asarray(image.dataobj) * 255).astype(np.uint8), image.affine), label)
    return root


def test_a_clean_cohort_ends_with_0(msseg: Callable[..., Any], small_cohort: Path) -> None:
    answer = msseg("check", small_cohort, "--layout", "isbi2015")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[-1].startswith("4 cases (layout isbi2015): nothing found")


def test_errors_end_with_3_and_everything_is_written(msseg: Callable[..., Any], spoiled: Path, tmp_path: Path) -> None:
    page, values, fixed = tmp_path / "out" / "check.html", tmp_path / "out" / "check.json", tmp_path / "fixed"
    answer = msseg("check", spoiled, "--json", values, "--html", page, "--fix", fixed)
    assert (answer.code, answer.err) == (3, "")
    examination = from_json_dict(json.loads(values.read_text(encoding="utf-8")))
    assert [finding.kind for finding in examination.findings if finding.severity == "error"] == ["unreadable"]
    assert all(finding.repairs for finding in examination.findings)
    assert "unreadable" not in answer.out
    assert "ERROR: a file cannot be used" in answer.out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in fixed.rglob("*.nii")] == ["training04_01_mask1.nii"]


def test_a_configuration_brings_its_split_and_a_forecast(
    msseg: Callable[..., Any], small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(
        "data: {layout: isbi2015, channels: [FLAIR]}\npatches: {size: [16, 16, 16]}\nnetwork: {name: unet3d}\n"
        "training: {workers: 0, threads: 1, precision: fp32, device: cpu}\n"
    )
    page, values = tmp_path / "check.html", tmp_path / "check.json"
    answer = msseg("check", small_cohort, "--config", config, "--json", values, "--html", page)
    assert answer.code == 0, answer.err
    assert "forecast for FLAIR" in answer.out
    assert "disk: " in answer.out
    forecast = json.loads(values.read_text(encoding="utf-8"))["forecast"]
    assert forecast["channels"] == ["FLAIR"]
    assert forecast["seconds_epoch"] > forecast["seconds_step"] > 0
    assert "<h2>Forecast</h2>" in page.read_text(encoding="utf-8")
    assert "disk: " in page.read_text(encoding="utf-8")
    config.write_text(config.read_text() + "split: {train: [training01], test: [nobody]}\n")
    answer = msseg("check", small_cohort, "--config", config)
    assert answer.code == 3
    assert "ERROR: the split cannot be made" in answer.out


@pytest.mark.parametrize("arguments", [["nowhere"], [".", "--layout", "nowhere"]])
def test_what_cannot_be_examined_ends_with_2(msseg: Callable[..., Any], tmp_path: Path, arguments: list[str]) -> None:
    answer = msseg("check", tmp_path / arguments[0], *arguments[1:])
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
