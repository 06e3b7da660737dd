"""Data sets that cannot be used: one sentence, exit code 2, nothing half-written; and what options make of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from msseg.config.folder import config_folder

Msseg = Callable[..., Any]
CONFIG = config_folder() / "demo" / "unet3d.yaml"
IMAGES = 'images: "{patient}_{session}_{channel}_pp.nii"\n'
LABELS = 'labels: "{patient}_{session}_mask1.nii"\n'
CHANNELS = "channels: {FLAIR: flair, T2W: t2}\n"


@pytest.fixture
def cohort(small_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_cohort, tmp_path / "data"))


def refused(answer: Any, run: Path, *parts: str) -> None:
    """One error line that holds all parts, no traceback, exit code 2, and no run folder."""
    assert answer.code == 2, answer.err
    (line,) = answer.err.strip().splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert not run.exists() or not [path for path in run.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            IMAGES.replace("session", "visit") + LABELS + CHANNELS,
            ("mine.yaml", "unknown field {visit}", "There are {site}, {patient}, {session}"),
        ),
        (
            IMAGES + 'labels: "{patient}_{session}_flair_pp.nii"\n' + "channels: {FLAIR: flair}\n",
            ("training01_01_flair_pp.nii is an image by", "and a label by", "make the patterns differ"),
        ),
        (IMAGES + LABELS.replace("{session}_", "") + CHANNELS, ("would belong to no scan",)),
        (IMAGES + LABELS + "channels: {FLAIR: flair, PD: proton}\n", ("4 of 4 scans", "no PD (proton in the file's")),
        (IMAGES + LABELS.replace("mask1", "gt") + CHANNELS, ("no label ({patient}_{session}_gt.nii)",)),
        (IMAGES.replace("pp", "qq") + LABELS + CHANNELS, ("layout mine finds no image in", "isbi2015 fits some")),
        ("images: 3", ("mine.yaml",)),
    ],
)
def test_layouts(msseg: Msseg, cohort: Path, tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    run = tmp_path / "run"
    answer = msseg("run", CONFIG, "--data", cohort, "--out", run, f"data.layout={tmp_path / 'mine.yaml'}",
                   "data.channels=[]", "data.select={}")  # fmt: skip
    refused(answer, run, *parts)


ROW = "{0},{0},{0}/masks/{0}_01_mask1.nii,{0}/preprocessed/{0}_01_flair_pp.nii"


@pytest.mark.parametrize(
    ("header", "rows", "parts"),
    [
        ("id,group,label,FLAIR", [ROW.format("training01")], ("has no column case",)),
        ("case,group,label,FLIAR", [ROW.format("training01")], ("there is no channel FLAIR", "did you mean FLIAR")),
        ("case,group,label,FLAIR", [ROW.format("training01")] * 2, ("has the case training01 in line 2 and again",)),
        (
            "case,group,label,FLAIR",
            [ROW.format("training01"), ROW.format("training09")],
            ("training09_01_flair_pp.nii (and 1 other file) of case training09 does not exist",),
        ),
        ("case,group,label,FLAIR", [ROW.format("training01") + ",x"], ("has 5 cells in line 2 but 4 columns",)),
        ("case,group,label,FLAIR", [], ("has a header but no rows",)),
    ],
)
def test_tables(
    msseg: Msseg, cohort: Path, tmp_path: Path, header: str, rows: list[str], parts: tuple[str, ...]
) -> None:
    table, run = cohort / "cases.csv", tmp_path / "run"
    table.write_text("\n".join([header, *rows]) + "\n")
    answer = msseg("run", CONFIG, "--out", run, "data.layout=null", "data.root=null", f"data.table={table}",
                   "data.channels=[FLAIR]", "data.select={}")  # fmt: skip
    refused(answer, run, *parts)


def test_labels_of_several_values_and_those_that_count(
    msseg: Msseg, cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    counts = {}
    for path in sorted(cohort.rglob("*mask1.nii")):
        image = nib.load(path)
        values = np.asarray(image.dataobj).astype(np.uint8) * 2
        values[:2, :2, :2] = 3
        nib.save(nib.Nifti1Image(values, image.affine), path)
        counts[path.name[:13]] = int((values == 2).sum())
    command = ("run", CONFIG, "--data", cohort, "--channel", "FLAIR", *tiny)
    answer = msseg(*command, "--out", tmp_path / "none")
    assert answer.code == 2
    assert "mask1.nii holds several values besides 0: 2 (" in answer.err.splitlines()[-1]
    assert "3 (8 voxels); say with data.label_values which are foreground" in answer.err.splitlines()[-1]
    assert not (tmp_path / "none" / "FLAIR" / "model").exists()
    chosen = msseg(*command, "--out", tmp_path / "two", "data.label_values=[2]")
    assert chosen.code == 0, chosen.err
    (case, *_) = json.loads((tmp_path / "two" / "FLAIR" / "evaluation.json").read_text())["cases"]
    assert case["volume_truth_voxels"] == counts[case["case"]] > 0


def test_a_channel_that_some_cases_lack(msseg: Msseg, cohort: Path, tmp_path: Path, tiny: tuple[str, ...]) -> None:
    next(cohort.rglob("training04_01_t2_pp.nii")).unlink()
    command = ("run", CONFIG, "--data", cohort, "--channel", "FLAIR+T2W", *tiny, "split.train=[training02,training03]",
               "split.test=[training01,training04]")  # fmt: skip
    run = tmp_path / "error"
    refused(msseg(*command, "--out", run), run, "1 of 4 scans", "no T2W (t2 in the file's name) for training04_01")
    zero = msseg(*command, "--out", tmp_path / "zero", "data.missing=zero")
    assert zero.code == 0, zero.err
    assert "filled with zeros (data.missing: zero): no T2W for training04_01" in zero.err
    predictions = tmp_path / "zero" / "FLAIR+T2W" / "predictions"
    assert sorted(path.name[:13] for path in predictions.glob("*_mask*")) == ["training01_01", "training04_01"]
    skip = msseg(*command, "--out", tmp_path / "skip", "data.missing=skip")
    assert skip.code == 2
    assert "left out (data.missing: skip)" in skip.err
    assert "split.test lists 'training04'" in skip.err
