"""`msseg evaluate` lesion by lesion: options, the files that it writes, and what it refuses."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

Msseg = Callable[..., Any]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, Path, str, Path]:
    """Three pairs: the truth has lesions of 1, 8 and 64 mm^3, of which the prediction lacks one more each time."""
    boxes = [(0, 4), (6, 8), (10, 11)]
    for case in range(3):
        for name, count in (("predictions", 3 - case), ("truths", 3)):
            mask = np.zeros((16, 16, 16 + case), dtype=np.uint8)
            for first, last in boxes[:count]:
                mask[first:last, first:last, first:last] = 1
            (tmp_path / name).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / name / f"p{case}.nii.gz")
    return "--prediction", tmp_path / "predictions", "--truth", tmp_path / "truths"


def test_files_of_lesions(msseg: Msseg, folders: tuple[Any, ...], tmp_path: Path) -> None:
    written = ("--json", tmp_path / "e.json", "--lesions", tmp_path / "l.csv", "--paint", tmp_path / "paint")
    answer = msseg("evaluate", *folders, *written)
    assert (answer.code, answer.err) == (0, "")
    rows = list(csv.DictReader((tmp_path / "l.csv").read_text().splitlines()))
    assert sum(row["verdict"] == "FN" for row in rows) == 1 + 2
    assert len(list((tmp_path / "paint").iterdir())) == 3
    content = json.loads((tmp_path / "e.json").read_text())
    assert content["summary"]["ltpr"]["mean"] == pytest.approx(2 / 3)
    assert "size (mm3)" in answer.out
    assert "ISBI-2015 score: that of cases" in answer.out  # all truths are equally large: no correlation


def test_options_reach_the_scores(msseg: Msseg, folders: tuple[Any, ...], tmp_path: Path) -> None:
    options = ("--min-lesion-mm3", "2", "--overlap", "0.5", "--connectivity", "6", "--tolerance-mm", "2")
    labels = ("--strata-mm3", "5,60", "--label-values", "1")
    answer = msseg("evaluate", *folders, *options, *labels, "--json", tmp_path / "e.json")
    assert answer.code == 0, answer.err
    content = json.loads((tmp_path / "e.json").read_text())
    assert content["settings"]["lesions"] == {
        "connectivity": 6,
        "min_lesion_mm3": 2,
        "overlap": 0.5,
        "strata_mm3": [5, 60],
        "tolerance_mm": 2,
    }
    assert content["settings"]["label_values"] == [1]
    assert [case["lesions_truth"] for case in content["cases"]] == [2, 2, 2]
    assert [stratum["stratum"] for stratum in content["strata"]] == ["<5", "5-60", ">=60"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--connectivity", "8"), "--connectivity is 6, 18 or 26, not 8"),
        (("--min-lesion-mm3", "-1"), "--min-lesion-mm3 is a volume of 0 or more, not -1"),
        (("--min-lesion-mm3", "nan"), "--min-lesion-mm3 is a volume of 0 or more, not nan"),
        (("--overlap", "2"), "--overlap is a share from 0 to 1, not 2"),
        (("--tolerance-mm", "inf"), "--tolerance-mm is a distance of 0 or more, not inf"),
        (("--strata-mm3", "50,10"), "--strata-mm3 50,10 does not rise"),
        (("--strata-mm3", "small"), "--strata-mm3 small cannot be read"),
        (("--label-values", "1.5"), "--label-values 1.5 cannot be read"),
        (("--label-values", "0"), "--label-values 0 cannot be read"),
        (("--task", "cells", "--paint", "x"), "--lesions and --paint show lesions, but --task is cells"),
    ],
)
def test_refused(msseg: Msseg, folders: tuple[Any, ...], options: tuple[str, ...], message: str) -> None:
    answer = msseg("evaluate", *folders, *options)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_one_class_of_size(msseg: Msseg, folders: tuple[Any, ...]) -> None:
    assert "\nall " in msseg("evaluate", *folders, "--strata-mm3", "").out
