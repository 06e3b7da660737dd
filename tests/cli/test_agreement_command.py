"""`msseg agreement`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from msseg.metrics.overlap import count_overlap

Msseg = Callable[..., Any]


@pytest.fixture
def folders(small_cohort: Path, tmp_path: Path) -> dict[str, Path]:
    """The masks of two raters, of a third who is the first again, and of a method that is the second."""
    for name, rater in (("anna", 1), ("ben", 2), ("carl", 1), ("method", 2)):
        (tmp_path / name).mkdir()
        for path in small_cohort.rglob(f"*mask{rater}.nii"):
            shutil.copy(path, tmp_path / name / path.name.replace(f"_mask{rater}", "_mask"))
    return {name: tmp_path / name for name in ("anna", "ben", "carl", "method")}


def mask(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj) > 0


def rows(text: str) -> dict[tuple[str, str], list[str]]:
    """Cells of the table by who is judged against whom."""
    table = text.split("\n\n")[1].splitlines()[2:]
    return {(cells[0], cells[1]): cells[2:] for cells in (line.split() for line in table)}


def test_two_raters_of_a_layout_and_a_prediction(
    msseg: Msseg, small_cohort: Path, folders: Any, tmp_path: Path
) -> None:
    options = ("--prediction", folders["method"], "--json", tmp_path / "all.json", "--save", tmp_path / "together")
    answer = msseg("agreement", small_cohort, "--layout", "isbi2015", "--consensus", "union", *options)
    assert answer.code == 0, answer.err
    assert "Means over 4 scans of 4 patients" in answer.out
    found = rows(answer.out)
    dsc = np.mean(
        [count_overlap(mask(folders["ben"] / path.name), mask(path)).dsc for path in folders["anna"].iterdir()]
    )
    assert float(found["rater2", "rater1"][0]) == pytest.approx(dsc, abs=6e-5)
    assert float(found["prediction", "rater1"][0]) == pytest.approx(dsc, abs=6e-5)
    assert float(found["prediction", "rater2"][0]) == 1
    for path in (tmp_path / "together").iterdir():
        name = path.name.replace("_consensus", "_mask")
        np.testing.assert_array_equal(mask(path), mask(folders["anna"] / name) | mask(folders["ben"] / name))
    content = json.loads((tmp_path / "all.json").read_text())
    assert content["like_a_rater"]["mean_a"] == pytest.approx(dsc)
    assert content["like_a_rater"]["mean_b"] == pytest.approx((1 + dsc) / 2)
    assert [entry["against"] for entry in content["comparisons"]] == ["rater1", "rater1", "rater2", "consensus"]
    assert "of the raters with each other" in answer.out


def test_three_raters_in_folders(msseg: Msseg, folders: dict[str, Path]) -> None:
    raters = [option for name in ("anna", "ben", "carl") for option in ("--rater", folders[name])]
    answer = msseg("agreement", *raters)
    assert answer.code == 0, answer.err
    found = rows(answer.out)
    assert set(found) == {("ben", "anna"), ("carl", "anna"), ("carl", "ben")}
    assert float(found["carl", "anna"][0]) == 1
    assert found["ben", "anna"][0] == found["carl", "ben"][0]


def test_groups_and_a_scan_that_cannot_be_read(msseg: Msseg, folders: dict[str, Path], tmp_path: Path) -> None:
    (folders["ben"] / "training03_01_mask.nii").write_text("no image")
    cases = [path.name.removesuffix("_mask.nii") for path in folders["anna"].iterdir()]
    (tmp_path / "groups.csv").write_text("case,group\n" + "".join(f"{case},p\n" for case in cases))
    options = ("--prediction", folders["method"], "--groups", tmp_path / "groups.csv")
    answer = msseg("agreement", "--rater", folders["anna"], "--rater", folders["ben"], *options)
    assert answer.code == 3
    assert "Means over 3 scans of 1 patient" in answer.out
    assert "With 1 patient no p value can be below 1" in answer.out
    assert "training03_01" in answer.err


def test_a_rater_on_another_grid_is_named(msseg: Msseg, folders: dict[str, Path]) -> None:
    for path in folders["ben"].iterdir():
        image = nib.load(path)
        nib.save(nib.Nifti1Image(image.get_fdata()[1:], image.affine), path)
    answer = msseg("agreement", "--rater", folders["anna"], "--rater", folders["ben"])
    assert (answer.code, answer.out) == (2, "")
    assert "no scan could be read" in answer.err
    assert "bring all masks of a scan onto one grid" in answer.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "at least two raters"),
        (("--rater", "{anna}"), "at least two raters"),
        (("--rater", "{anna}", "--rater", "{anna}"), "a rater is given twice"),
        (("--rater", "{anna}", "--rater", "nowhere"), "nowhere does not exist"),
        (("{data}",), "SOURCE and --layout belong together"),
        (("--layout", "isbi2015"), "SOURCE and --layout belong together"),
        (("{data}", "--layout", "openms"), "the layout openms does not say who made a label"),
        (("{data}", "--layout", "isbi2015", "--rater", "1"), "are of one rater"),
        (("{data}", "--layout", "isbi2015", "--rater", "7"), "no file has it"),
        (("{data}", "--layout", "isbi2015", "--prediction", "nowhere"), "nowhere is no folder of predictions"),
        (("--rater", "{anna}", "--rater", "{ben}", "--consensus", "mean"), "'mean' is not one of"),
    ],
)
def test_what_is_refused(
    msseg: Msseg, folders: dict[str, Path], small_cohort: Path, arguments: tuple[str, ...], part: str
) -> None:
    answer = msseg("agreement", *(argument.format(data=small_cohort, **folders) for argument in arguments))
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err
    assert len(answer.err.splitlines()) == 1


def test_names_that_are_taken(msseg: Msseg, folders: dict[str, Path], tmp_path: Path) -> None:
    folders["ben"].rename(tmp_path / "consensus")
    answer = msseg("agreement", "--rater", folders["anna"], "--rater", tmp_path / "consensus")
    assert answer.code == 2
    assert "a rater is called consensus" in answer.err
