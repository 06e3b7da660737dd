"""`msseg compare`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

Msseg = Callable[..., Any]


@pytest.fixture
def two(trained_run: tuple[Path, Any], msseg: Msseg, small_cohort: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Evaluations of one model at two thresholds on four patients."""
    truth, files = tmp_path / "truth", []
    truth.mkdir()
    for path in small_cohort.rglob("*mask1.nii"):
        (truth / path.name.replace("_mask1", "")).write_bytes(path.read_bytes())
    for threshold in (0.02, 0.03):
        out, file = tmp_path / f"out{threshold}", tmp_path / f"{threshold}.json"
        model = trained_run[0] / "FLAIR"
        msseg("predict", model, small_cohort, "--layout", "isbi2015", "--out", out, "--threshold", threshold)
        assert msseg("evaluate", "--prediction", out, "--truth", truth, "--json", file).code == 0
        files.append(file)
    return files[0], files[1]


def test_two_evaluations(msseg: Msseg, two: tuple[Path, Path], tmp_path: Path) -> None:
    answer = msseg("compare", *two, "--json", tmp_path / "all.json", "--csv", tmp_path / "cases.csv")
    assert answer.code == 0, answer.err
    assert answer.err == ""
    assert "over 4 cases that both have" in answer.out
    assert "no p value can be below 0.125" in answer.out
    first, second = (json.loads(path.read_text())["summary"]["dsc"]["mean"] for path in two)
    content = json.loads((tmp_path / "all.json").read_text())
    assert content["metrics"]["dsc"]["difference"] == pytest.approx(second - first, abs=1e-9)
    assert (tmp_path / "cases.csv").read_text().startswith("case,group,metric,a,b,difference\n")


def test_the_folder_of_a_model_in_a_run(msseg: Msseg, trained_run: tuple[Path, Any], tmp_path: Path) -> None:
    run = trained_run[0]
    answer = msseg("compare", run / "FLAIR", run / "FLAIR+T2W" / "evaluation.json", "--metric", "dsc")
    assert answer.code == 0, answer.err
    assert "of 1 patient" in answer.out
    answer = msseg("compare", run, run / "FLAIR")
    assert (answer.code, answer.out) == (2, "")
    assert f"{run} has no evaluation.json: name one of its models, {run}/FLAIR" in answer.err


def test_slices_of_stacks(msseg: Msseg, tmp_path: Path) -> None:
    """Membranes: the slices are the cases, of one stack."""
    truth = np.ones((8, 32, 32), np.uint8) * 255
    truth[:, 16] = truth[:, :, 10] = 0
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "truth.tif", truth, photometric="minisblack")
    for name, noise in (("a", 0.3), ("b", 0.1)):
        probability = np.clip(truth / 255 * 0.9 + noise * rng.normal(size=truth.shape), 0, 1).astype(np.float32)
        tifffile.imwrite(tmp_path / f"{name}.tif", probability, photometric="minisblack")
        files = ("--prediction", tmp_path / f"{name}.tif", "--truth", tmp_path / "truth.tif")
        options = ("--json", tmp_path / f"{name}.json", "--no-warping")
        assert msseg("evaluate", *files, "--task", "membranes", *options).code == 0
    names = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab"}
    for content in names.values():  # the stack has the file's name, which the two methods do not share
        for entry in (*content["cases"], *content["slices"]):
            entry["case"] = entry["case"].split("_", 1)[1]
            entry["group"] = "stack"
    for name, content in names.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    answer = msseg("compare", tmp_path / "a.json", tmp_path / "b.json", "--metric", "v_rand", "--metric", "dice")
    assert answer.code == 0, answer.err
    assert "over 8 slices that both have" in answer.out
    assert "all slices are of one stack" in answer.out


@pytest.mark.parametrize(
    ("second", "options", "part"),
    [
        ("none.json", (), "none.json cannot be read"),
        ("other.json", (), "is no evaluation that msseg wrote"),
        (None, ("--metric", "dice"), "there is no metric dice"),
        (None, ("--groups", "none.csv"), "the table none.csv cannot be read"),
        (None, ("--bootstrap", "-1"), "bootstrap"),
    ],
)
def test_what_cannot_be_compared(
    msseg: Msseg, two: tuple[Path, Path], tmp_path: Path, second: str | None, options: tuple[str, ...], part: str
) -> None:
    (tmp_path / "other.json").write_text("{}")
    answer = msseg("compare", two[0], tmp_path / second if second else two[1], *options)
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err
    assert len(answer.err.splitlines()) == 1
