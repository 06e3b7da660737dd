"""What happens meanwhile: a file goes or is damaged, a second run wants the same folder."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

GONE = """
import {module} as module, os
original, calls = {what}, []

def late(*arguments, **named):
    calls.append(1)
    if len(calls) == {call}:
        os.remove({path!r})
    return original(*arguments, **named)

{what} = late
"""
"""Removes a file at the beginning of a call."""


def one_error(child: Any, *parts: str) -> None:
    assert child.code == 2, child.err
    (line,) = [line for line in child.err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ")
    for part in parts:
        assert part in line


@pytest.fixture
def model(undisturbed: Path) -> Path:
    return undisturbed / "FLAIR" / "model"


# -------------------------------------------------------------------------------------------------- files that go


@pytest.mark.parametrize("kind", ["flair_pp.nii", "mask1.nii"])
def test_a_training_file_goes_between_finding_and_reading(
    call: Callable, experiment: Callable, small_cohort: Path, tmp_path: Path, kind: str
) -> None:
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    (path,) = data.rglob(f"training04_01_{kind}")
    before = GONE.format(module="msseg.experiment", what="module.train_model", call=1, path=str(path))
    one_error(call(*experiment(tmp_path / "run", data=data), before=before), path.name, "No such file")
    assert not (tmp_path / "run").exists()


def test_a_test_file_goes_before_it_is_predicted(
    call: Callable, experiment: Callable, small_cohort: Path, undisturbed: Path, contents: Callable, tmp_path: Path
) -> None:
    """The training stays; once the file is back, the run goes on to its end."""
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    (path,) = data.rglob("training03_01_flair_pp.nii")
    shutil.copy(path, tmp_path / "kept.nii")
    before = GONE.format(module="msseg.experiment", what="module.load_model", call=1, path=str(path))
    arguments = experiment(tmp_path / "run", data=data)
    child = call(*arguments, before=before)
    assert child.code == 2, child.err
    assert "no test case could be evaluated: FLAIR training03_01: " in child.err
    assert "does not exist" in child.err
    shutil.copy(tmp_path / "kept.nii", path)
    again = call(*arguments, "--resume")
    assert again.code == 0, again.err
    assert "FLAIR: already trained" in again.out
    for name, content in contents(tmp_path / "run").items():
        if "predictions" in name:
            assert content == contents(undisturbed)[name]


def test_files_go_between_the_cases_of_a_batch(call: Callable, small_cohort: Path, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        shutil.copy(next(small_cohort.rglob("training01_01_flair_pp.nii")), folder / f"{name}.nii")
    what = {"module": "msseg.inference.predictor", "what": "module.planned_probability", "call": 1}
    child = call(
        "predict", model, folder, "--out", tmp_path / "out", before=GONE.format(**what, path=str(folder / "c.nii"))
    )
    assert child.code == 3, child.err
    assert "c.nii does not exist" in child.err
    assert "1 of 4 cases could not be predicted" in child.err
    assert sorted(os.listdir(tmp_path / "out")) == ["a_mask.nii", "b_mask.nii", "d_mask.nii"]


def test_the_output_folder_goes(call: Callable, small_cohort: Path, model: Path, tmp_path: Path) -> None:
    """It is made again. A second is enough for the first case to be written while the second one begins."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "ab":
        shutil.copy(next(small_cohort.rglob("training01_01_flair_pp.nii")), folder / f"{name}.nii")
    before = GONE.format(
        module="msseg.inference.predictor", what="module.planned_probability", call=2, path=str(tmp_path / "out")
    ).replace("os.remove", "__import__('time').sleep(1); __import__('shutil').rmtree")
    child = call("predict", model, folder, "--out", tmp_path / "out", before=before)
    assert child.code == 0, child.err
    assert os.listdir(tmp_path / "out") == ["b_mask.nii"]


def test_a_truth_goes_between_pairing_and_scoring(call: Callable, tmp_path: Path) -> None:
    for folder in ("predicted", "truth"):
        (tmp_path / folder).mkdir()
        for name in "ab":
            mask = np.zeros((8, 8, 8), np.uint8)
            mask[2:5, 2:5, 2:5] = 1
            nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / folder / f"{name}.nii")
    before = GONE.format(
        module="msseg.evaluation.evaluate", what="module.evaluate_pairs", call=1, path=str(tmp_path / "truth" / "b.nii")
    )
    arguments = ["evaluate", "--prediction", tmp_path / "predicted", "--truth", tmp_path / "truth"]
    child = call(*arguments, "--json", tmp_path / "scores.json", before=before)
    assert child.code == 3, child.err
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [case["case"] for case in scores["cases"]] == ["a"]
    assert "b.nii does not exist" in scores["failed"]["b"]


# ------------------------------------------------------------------------------------------- what lies in a run


def entries(run: Path, name: str) -> list[Path]:
    return sorted((run / "cache").glob(f"*/{name}"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "data cut": lambda run: os.truncate(entries(run, "data.npy")[0], 5000),
    "label cut": lambda run: os.truncate(entries(run, "label.npy")[0], 130),
    "facts cut": lambda run: os.truncate(entries(run, "facts.json")[0], 20),
    "data empty": lambda run: os.truncate(entries(run, "data.npy")[0], 0),
    "label gone": lambda run: entries(run, "label.npy")[0].unlink(),
    "voxels are text": lambda run: entries(run, "lesion_voxels.npy")[0].write_text("text"),
    "facts are a list": lambda run: entries(run, "facts.json")[0].write_text("[]"),
    "a pickle": lambda run: np.save(entries(run, "label.npy")[0], np.array([{}], dtype=object)),
    "bytes changed": lambda run: flip(entries(run, "data.npy")[0]),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "data cut" else pytest.mark.slow) for kind in DAMAGES]
)
def test_a_damaged_cache_is_made_again(
    call: Callable, experiment: Callable, undisturbed: Path, contents: Callable, tmp_path: Path, kind: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(undisturbed / "cache", tmp_path / "kept" / "cache")
    DAMAGES[kind](tmp_path / "kept")
    child = call(*experiment(run, f"data.cache={tmp_path / 'kept' / 'cache'}"))
    assert child.code == 0, child.err
    assert contents(run) == contents(undisturbed)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("split.json", "cut"),
        pytest.param("split.json", "list", marks=pytest.mark.slow),
        pytest.param("config.yaml", "cut", marks=pytest.mark.slow),
        pytest.param("config.yaml", "list", marks=pytest.mark.slow),
        ("FLAIR/evaluation.json", "cut"),
        pytest.param("FLAIR/evaluation.json", "list", marks=pytest.mark.slow),
        pytest.param("FLAIR/epochs.csv", "cut", marks=pytest.mark.slow),
        pytest.param("FLAIR/cases.json", "cut", marks=pytest.mark.slow),
        pytest.param("FLAIR/run.json", "cut", marks=pytest.mark.slow),
        pytest.param("FLAIR/model/model.yaml", "cut", marks=pytest.mark.slow),
        pytest.param("FLAIR/model/model.safetensors", "cut", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_of_a_run_is_named_or_made_again(
    call: Callable, experiment: Callable, undisturbed: Path, tmp_path: Path, name: str, damage: str
) -> None:
    run = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    if damage == "cut":
        os.truncate(run / name, (run / name).stat().st_size * 2 // 3)
    else:
        (run / name).write_text("- 1\n" if name.endswith("yaml") else "[1]")
    child = call(*experiment(run, "--resume"))
    assert child.code in (0, 2), child.err
    if child.code:
        assert Path(name).name in child.err
    assert "Traceback" not in child.err


@pytest.mark.parametrize("where", [0.3, pytest.param(0.9, marks=pytest.mark.slow)])
def test_a_checkpoint_with_other_bytes_is_refused(
    call: Callable, experiment: Callable, undisturbed: Path, tmp_path: Path, where: float
) -> None:
    run = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    shutil.rmtree(run / "FLAIR" / "model")
    checkpoint = run / "FLAIR" / "checkpoints" / "last.ckpt"
    content = bytearray(checkpoint.read_bytes())
    content[int(len(content) * where)] ^= 0x10
    checkpoint.write_bytes(content)
    one_error(call(*experiment(run, "--resume")), "last.ckpt is damaged: delete", str(run / "FLAIR"))


# -------------------------------------------------------------------------------------------- two runs, one folder

HOLD = """
import time, msseg.experiment as module

def hold(*arguments):
    print("now", flush=True)
    time.sleep(30)

module.train_model = hold
"""


def test_two_runs_in_one_folder(start: Callable, call: Callable, experiment: Callable, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = start(*experiment(run), before=HOLD)
    first.until("now")
    one_error(call(*experiment(run, "--resume")), "is in use by another msseg process")
    one_error(call(*experiment(run)), "already holds a run")
    assert sorted(path.name for path in run.iterdir() if path.is_file()) == [
        ".lock",
        "check.json",
        "config.yaml",
        "split.json",
        "versions.json",
    ]
    first.send(signal.SIGKILL)
    first.wait()
    again = call(*experiment(run, "--resume"))  # what a killed process had locked is free
    assert again.code == 0, again.err


@pytest.mark.slow
def test_two_processes_fill_one_cache(
    start: Callable, experiment: Callable, undisturbed: Path, contents: Callable, tmp_path: Path
) -> None:
    children = [start(*experiment(tmp_path / name, f"data.cache={tmp_path / 'cache'}")) for name in "ab"]
    for child, name in zip(children, "ab", strict=True):
        assert child.wait().code == 0, child.err
        assert contents(tmp_path / name) == contents(undisturbed)
