"""`msseg tune`: the validation cases decide, and the model remembers."""

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from msseg.metrics.lesions import lesion_scores
from msseg.metrics.overlap import count_overlap
from msseg.model import load_network

Msseg = Callable[..., Any]
GRID = ("--thresholds", "0.01:0.03:0.002,0.2", "--sizes", "0,5,20")


@pytest.fixture
def run(trained_run: tuple[Path, Any], tmp_path: Path) -> Path:
    """A run that may be changed."""
    return Path(shutil.copytree(trained_run[0], tmp_path / "run"))


def settings(run: Path, model: str = "FLAIR") -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((run / model / "model" / "model.yaml").read_text())
    return content


def test_the_choice_is_what_predictions_score_best_with(
    msseg: Msseg, run: Path, small_cohort: Path, tmp_path: Path
) -> None:
    """Every choice of the grid made by `msseg predict` and scored by hand, on the validation case."""
    answer = msseg("tune", run, "--channel", "FLAIR", "--thresholds", "0.018,0.02", "--sizes", "0,20")
    assert answer.code == 0, answer.err
    (case,) = json.loads((run / "split.json").read_text())["validation"]
    content = json.loads((run / "FLAIR" / "tuning.json").read_text())
    assert [entry["case"] for entry in content["cases"]] == [case]
    image = next(small_cohort.rglob(f"{case}_flair_pp.nii"))
    truth = np.asarray(nib.load(next(small_cohort.rglob(f"{case}_mask1.nii"))).dataobj) > 0
    for row, threshold in enumerate(content["thresholds"]):
        for column, size in enumerate(content["smallest_lesion_mm3"]):
            options = ("--threshold", threshold, "--smallest-lesion", size)
            assert msseg("predict", run / "FLAIR", image, "--out", tmp_path / "out", *options).code == 0
            mask = np.asarray(nib.load(tmp_path / "out" / f"{case}_flair_pp_mask.nii").dataobj) > 0
            assert content["mean_scores"][row][column] == pytest.approx(count_overlap(mask, truth).dsc)
    scores = np.array(content["mean_scores"])
    assert content["after"]["score"] == pytest.approx(scores.max(), abs=1e-6)


def test_the_model_predicts_with_the_choice_and_says_how_it_came_about(
    msseg: Msseg, run: Path, small_cohort: Path, tmp_path: Path
) -> None:
    before = settings(run)
    answer = msseg("tune", run / "FLAIR", "--metric", "isbi_score", *GRID)
    assert answer.code == 0, answer.err
    after = settings(run)
    note, trusted = after["provenance"].pop("tuning"), after.pop("trusted")
    before.pop("trusted")
    assert trusted is None or trusted["threshold"] == after["inference"]["threshold"]
    assert note["metric"] == "isbi_score"
    assert note["before"]["threshold"] == note["untuned"]["threshold"] == before["inference"]["threshold"]
    assert note["after"]["threshold"] == after["inference"]["threshold"]
    assert note["after"]["score"] >= note["before"]["score"]
    assert note["validation_cases"] == before["provenance"]["validation"]
    chosen = {key: after["inference"][key] for key in ("threshold", "smallest_lesion_mm3")}
    assert after["inference"] == before["inference"] | chosen
    assert {**after, "inference": 0} == {**before, "inference": 0}
    _, read = load_network(run / "FLAIR" / "model")  # the checksum still holds
    assert read.inference.threshold == chosen["threshold"]
    image = next(small_cohort.rglob("*01_flair_pp.nii"))
    given = ("--threshold", chosen["threshold"], "--smallest-lesion", chosen["smallest_lesion_mm3"])
    for out, options in (("own", ()), ("given", given)):
        msseg("predict", run / "FLAIR", image, "--out", tmp_path / out, *options)
    own, same = (np.asarray(nib.load(next((tmp_path / out).iterdir())).dataobj) for out in ("own", "given"))
    np.testing.assert_array_equal(own, same)
    assert "tuning" not in settings(run, "FLAIR+T2W")["provenance"]


def test_tuning_twice_keeps_what_the_model_was_trained_with(msseg: Msseg, run: Path) -> None:
    msseg("tune", run, "--channel", "FLAIR", "--thresholds", "0.02", "--sizes", "0")
    msseg("tune", run, "--channel", "FLAIR", "--thresholds", "0.02,0.2", "--sizes", "0")
    note = settings(run)["provenance"]["tuning"]
    assert note["untuned"] == {"threshold": 0.5, "smallest_lesion_mm3": 0.0}


def test_all_models_of_a_run_and_test_cases_are_not_read(
    msseg: Msseg, run: Path, small_cohort: Path, tmp_path: Path
) -> None:
    """The test case's files are there, but hold nothing that could be read."""
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    (test,) = json.loads((run / "split.json").read_text())["test"]
    for path in data.rglob(f"{test}*"):
        path.write_bytes(b"nothing")
    answer = msseg("tune", run, "--data", data, *GRID)
    assert answer.code == 0, answer.err
    assert answer.out.count("\nbefore: ") == 2
    assert test not in answer.out
    assert (run / "FLAIR+T2W" / "tuning.json").exists()


def test_a_dry_run_writes_nothing(msseg: Msseg, run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    answer = msseg("tune", run, "--dry-run", *GRID)
    assert answer.code == 0, answer.err
    assert "nothing was written" in answer.out
    after = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_the_table_of_a_lesion_score_is_that_of_the_evaluation(msseg: Msseg, run: Path, small_cohort: Path) -> None:
    assert msseg("tune", run, "--channel", "FLAIR", "--metric", "hd95", "--thresholds", "1", "--sizes", "0").code == 0
    content = json.loads((run / "FLAIR" / "tuning.json").read_text())
    (case,) = content["cases"]
    image = nib.load(next(small_cohort.rglob(f"{case['case']}_mask1.nii")))
    truth = np.asarray(image.dataobj) > 0
    assert lesion_scores(truth, truth, (1, 1, 1))["lesions_truth"] > 0
    spacing = image.header.get_zooms()
    assert content["mean_scores"][-1][0] == pytest.approx(np.linalg.norm(np.multiply(truth.shape, spacing)), rel=1e-5)


def no_validation(run: Path) -> None:
    content = json.loads((run / "split.json").read_text())
    content["train"] += content.pop("validation")
    (run / "split.json").write_text(json.dumps({**content, "validation": []}))


def of_cells(run: Path) -> None:
    content = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**content, "task": "cells"}))


@pytest.mark.parametrize(
    ("break_it", "options", "part"),
    [
        (no_validation, (), "has no validation cases, and test cases are not for tuning"),
        (of_cells, (), "is a run of cells; threshold and smallest lesion are for lesions"),
        (lambda run: (run / "split.json").unlink(), (), "split.json is missing"),
        (lambda run: (run / "split.json").write_text("{"), (), "split.json is damaged"),
        (lambda run: (run / "config.yaml").unlink(), (), "is no run folder: it has no config.yaml"),
        (
            lambda run: (run / "FLAIR" / "model" / "model.yaml").unlink(),
            (),
            "FLAIR in {run} is not trained to its end: finish the run with --resume",
        ),
        (lambda run: (run / "FLAIR" / "model" / "model.safetensors").unlink(), (), "model.safetensors is missing"),
        (None, ("--channel", "T1"), "has no model of T1; it has FLAIR and FLAIR+T2W"),
        (None, ("--thresholds", "2"), "thresholds lie between 0 and 1, but 2 is given"),
        (None, ("--thresholds", "x"), "--thresholds x cannot be read"),
        (None, ("--sizes", "3;4"), "--sizes 3;4 cannot be read"),
        (None, ("--sizes", "-3"), "sizes are 0 mm3 or more, but -3 is given"),
        (None, ("--metric", "ltpr"), "'ltpr' is not one of"),
        (None, ("--data", "nowhere"), "the data folder nowhere does not exist"),
    ],
)
def test_runs_that_cannot_be_tuned(
    msseg: Msseg, run: Path, break_it: Callable[[Path], object] | None, options: tuple[str, ...], part: str
) -> None:
    if break_it:
        break_it(run)
    answer = msseg("tune", run, *options)
    assert (answer.code, answer.out) == (2, "")
    assert part.format(run=run) in answer.err
    assert len(answer.err.splitlines()) == 1


def test_a_run_in_use_is_left_alone(msseg: Msseg, run: Path) -> None:
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        answer = msseg("tune", run)
    assert answer.code == 2
    assert "is in use by another msseg process" in answer.err


def test_a_validation_case_that_is_gone_is_named(msseg: Msseg, run: Path, small_cohort: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    (case,) = json.loads((run / "split.json").read_text())["validation"]
    shutil.rmtree(next(data.rglob(f"{case}_mask1.nii")).parents[1])
    answer = msseg("tune", run, "--data", data)
    assert answer.code == 2
    assert case in answer.err
    assert "tuning" not in settings(run)["provenance"]
