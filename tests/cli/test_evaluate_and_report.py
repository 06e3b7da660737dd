"""`msseg evaluate` and `msseg report` from the command line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Msseg = Callable[..., Any]


@pytest.fixture
def predicted(trained_run: tuple[Path, Any], msseg: Msseg, small_cohort: Path, tmp_path: Path) -> Path:
    """Masks of all patients, as the layout names them."""
    out = tmp_path / "predicted"
    command = ("predict", trained_run[0] / "FLAIR", small_cohort, "--layout", "isbi2015", "--out", out)
    assert msseg(*command, "--threshold", "0.02").code == 0
    return out


@pytest.fixture
def truth(small_cohort: Path, tmp_path: Path) -> Path:
    """The first rater's masks in one folder."""
    folder = tmp_path / "truth"
    folder.mkdir()
    for path in small_cohort.rglob("*mask1.nii"):
        (folder / path.name.replace("_mask1", "")).write_bytes(path.read_bytes())
    return folder


def test_folders_are_paired_and_scored(msseg: Msseg, predicted: Path, truth: Path, tmp_path: Path) -> None:
    files = ("--json", tmp_path / "all.json", "--csv", tmp_path / "cases.csv")
    answer = msseg("evaluate", "--prediction", predicted, "--truth", truth, "--task", "lesions", *files)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    lines = {line.split()[0]: line.split() for line in answer.out.splitlines() if line.strip()}
    assert {"DSC", "IoU", "HD95"} <= lines.keys()
    assert lines["DSC"][-1] == "4"
    content = json.loads((tmp_path / "all.json").read_text())
    names = [f"training0{number}_01" for number in range(1, 5)]
    assert [case["case"] for case in content["cases"]] == names
    rows = list(csv.DictReader((tmp_path / "cases.csv").read_text().splitlines()))
    assert sorted(row["case"] for row in rows) == names
    mean = sum(float(row["dsc"]) for row in rows) / 4
    assert content["summary"]["dsc"]["mean"] == pytest.approx(mean, abs=1e-5)


def test_a_truth_is_its_own_best_prediction(msseg: Msseg, truth: Path) -> None:
    file = truth / "training01_01.nii"
    answer = msseg("evaluate", "--prediction", file, "--truth", file)
    assert answer.code == 0
    assert "1.0000" in answer.out


def test_a_pair_that_cannot_be_scored_is_named(msseg: Msseg, predicted: Path, truth: Path) -> None:
    (truth / "training02_01.nii").write_text("not an image")
    answer = msseg("evaluate", "--prediction", predicted, "--truth", truth)
    assert answer.code == 3
    assert "training02_01" in answer.err
    assert "DSC" in answer.out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "a prediction and a truth are needed"),
        (["--prediction", "none.nii", "--truth", "none.nii"], "none.nii does not exist"),
        (["--table", "none.csv"], "none.csv"),
    ],
)
def test_what_cannot_be_evaluated(msseg: Msseg, arguments: list[str], part: str) -> None:
    answer = msseg("evaluate", *arguments)
    assert answer.code == 2
    assert part in answer.err
    assert len(answer.err.splitlines()) == 1


def test_one_report_over_runs(msseg: Msseg, trained_run: tuple[Path, Any], tmp_path: Path) -> None:
    run, out = trained_run[0], tmp_path / "new" / "all.html"
    answer = msseg("report", run, run / "FLAIR", "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out == f"the report is {out}\n"
    assert "residual_unet3d" in out.read_text()
    assert (out.parent / "tables" / "summary.csv").exists()


def test_a_report_over_something_else(msseg: Msseg, tmp_path: Path) -> None:
    answer = msseg("report", tmp_path, "--out", tmp_path / "all.html")
    assert answer.code == 2
    assert "is no run folder" in answer.err
    assert not (tmp_path / "all.html").exists()
