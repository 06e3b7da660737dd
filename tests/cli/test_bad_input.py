"""Bad input ends in one clear sentence on stderr and exit code 2, and leaves nothing half-written."""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from msseg.config.folder import config_folder

CONFIG = config_folder() / "demo" / "unet3d.yaml"


def refused(answer: Any, *parts: str) -> None:
    """One error line that holds all parts, no traceback, exit code 2."""
    assert answer.code == 2, answer.err
    lines = answer.err.strip().splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("error: ")
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def model(trained_run: tuple[Path, Any]) -> Path:
    return trained_run[0] / "FLAIR"


@pytest.fixture
def scan(small_cohort: Path) -> Path:
    return next(small_cohort.rglob("training01_01_flair_pp.nii"))


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def damaged(kind: str, scan: Path, folder: Path) -> Path:
    path = folder / "bad.nii.gz"
    match kind:
        case "missing":
            pass
        case "text":
            path.write_text("not an image")
        case "empty":
            path.touch()
        case "truncated":
            whole = gzip.compress(scan.read_bytes())
            path.write_bytes(whole[: len(whole) // 2])
        case "colour":
            voxels = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
        case "frames":
            nib.save(nib.Nifti1Image(np.ones((4, 4, 4, 3), np.float32), np.eye(4)), path)
        case "constant":
            nib.save(nib.Nifti1Image(np.ones((20, 20, 20), np.float32), np.eye(4)), path)
    return path


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated", "colour", "frames", "constant"])
def test_an_image_that_cannot_be_used(msseg: Callable[..., Any], model: Path, scan: Path, tmp_path: Path, kind: str):
    bad = damaged(kind, scan, tmp_path)
    refused(msseg("predict", model, bad, "--out", tmp_path / "out"), "bad.nii.gz")
    assert left(tmp_path / "out") == []


def test_one_bad_file_does_not_stop_the_others(msseg, model: Path, scan: Path, tmp_path: Path):
    shutil.copy(scan, tmp_path / "good.nii")
    damaged("truncated", scan, tmp_path)
    answer = msseg("predict", model, tmp_path, "--out", tmp_path / "out")
    assert answer.code == 3
    assert "bad" in answer.err
    assert [path.name for path in left(tmp_path / "out")] == ["good_mask.nii"]


def test_a_fault_of_ours_does_not_stop_the_others(
    msseg, model: Path, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from msseg.inference.predictor import Predictor

    for name in ("a", "b", "c"):
        shutil.copy(scan, tmp_path / f"{name}.nii")
    prepare = Predictor.prepare

    def faulty(self: Predictor, images: Any, *slices: Any) -> Any:
        if images["FLAIR"].name == "b.nii":
            raise ZeroDivisionError("a fault")
        return prepare(self, images, *slices)

    monkeypatch.setattr(Predictor, "prepare", faulty)
    answer = msseg("predict", model, tmp_path, "--out", tmp_path / "out")
    assert answer.code == 1
    assert "b: a fault" in answer.err
    assert sorted(path.name for path in left(tmp_path / "out")) == ["a_mask.nii", "c_mask.nii"]


def test_a_channel_that_the_model_does_not_know(msseg, model: Path, scan: Path, tmp_path: Path):
    refused(msseg("predict", model, f"T3={scan}", "--out", tmp_path / "out"), "T3", "FLAIR")


def test_a_damaged_model_folder(msseg, model: Path, scan: Path, tmp_path: Path):
    copy = Path(shutil.copytree(model / "model", tmp_path / "model"))
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(msseg("predict", copy, scan, "--out", tmp_path / "out"), "model.safetensors", "damaged")
    weights.unlink()
    refused(msseg("predict", copy, scan, "--out", tmp_path / "out"), "model.safetensors", "missing")
    (copy / "model.yaml").write_text("network: [")
    refused(msseg("predict", copy, scan, "--out", tmp_path / "out"), "model.yaml", "damaged")


def test_an_output_folder_that_cannot_be_written(msseg, model: Path, scan: Path, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    refused(msseg("predict", model, scan, "--out", tmp_path / "file" / "out"), "file/out", "cannot be written")


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("trainin.epochs=3", ("trainin", "did you mean training")),
        ("training.epochs=many", ("training.epochs", "'many'", "whole number")),
        ("training.epochs=0", ("training.epochs is 0", "1")),
        ("network.name=unet", ("network", "unet", "unet3d")),
        ("patches.size=[16,16]", ("patches.size",)),
    ],
)
def test_settings_that_cannot_be(msseg, small_cohort: Path, tmp_path: Path, setting: str, parts: tuple[str, ...]):
    refused(msseg("run", CONFIG, "--data", small_cohort, "--out", tmp_path / "run", setting), *parts)
    assert not (tmp_path / "run").exists()


def test_a_missing_settings_file(msseg, tmp_path: Path):
    refused(msseg("run", tmp_path / "none.yaml"), "none.yaml", "does not exist")


def test_a_label_on_another_grid(msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]):
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    for path in data.rglob("*mask1.nii"):
        image = nib.load(path)
        shifted = image.affine.copy()
        shifted[0, 3] += 3
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj).copy(), shifted), path)
    answer = msseg("run", CONFIG, "--data", data, "--out", tmp_path / "run", "--channel", "FLAIR", *tiny)
    assert answer.code == 2
    assert re.search(r"mask1\.nii does not lie on the grid of .*flair_pp\.nii", answer.err)
    assert not (tmp_path / "run" / "FLAIR" / "model").exists()


def test_no_lesion_anywhere(msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]):
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    for path in data.rglob("*mask1.nii"):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.zeros(image.shape, np.uint8), image.affine), path)
    answer = msseg("run", CONFIG, "--data", data, "--out", tmp_path / "run", "--channel", "FLAIR", *tiny)
    assert answer.code == 2
    assert "no training case has a foreground voxel" in answer.err.splitlines()[-1]


def test_one_case_only(msseg, small_cohort: Path, tmp_path: Path):
    shutil.copytree(small_cohort / "training01", tmp_path / "data" / "training01")
    refused(msseg("run", CONFIG, "--data", tmp_path / "data", "--out", tmp_path / "run"), "only one patient")
    assert not (tmp_path / "run" / "split.json").exists()


def test_a_patch_larger_than_the_volume_works(msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]):
    larger = [setting for setting in tiny if not setting.startswith("patches.size")]
    answer = msseg(
        "run", CONFIG, "--data", small_cohort, "--out", tmp_path / "run", "--channel", "FLAIR", *larger,
        "patches.size=[32,32,32]",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert (tmp_path / "run" / "report.html").exists()


def test_debug_shows_the_traceback(msseg, model: Path, tmp_path: Path):
    answer = msseg("predict", model, tmp_path / "none.nii", "--out", tmp_path, "--debug")
    assert answer.code == 2
    assert "Traceback" in answer.err
