"""`msseg run` and `msseg train`: what they write, say, continue and refuse."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from msseg.config.folder import config_folder

Msseg = Callable[..., Any]
CONFIG = config_folder() / "demo" / "residual_unet3d.yaml"


@pytest.fixture
def copied_run(trained_run: tuple[Path, Any], tmp_path: Path) -> Path:
    """A finished run of FLAIR and FLAIR+T2W that may be changed."""
    return Path(shutil.copytree(trained_run[0], tmp_path / "run"))


@pytest.fixture
def again(msseg: Msseg, small_cohort: Path, tiny: tuple[str, ...]) -> Callable[..., Any]:
    """The command that made `trained_run`, for another folder, with further arguments."""

    def call(out: Path, *arguments: str) -> Any:
        channels = ("--channel", "FLAIR", "--channel", "FLAIR+T2W")
        return msseg("run", CONFIG, "--data", small_cohort, "--out", out, *channels, *tiny, *arguments)

    return call


def test_a_run_folder_explains_itself(trained_run: tuple[Path, Any], small_cohort: Path) -> None:
    out, _ = trained_run
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    files = {"check.json", "config.yaml", "split.json", "versions.json", "report.html"}
    assert names == files | {"cache", "tables", "FLAIR", "FLAIR+T2W"}
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["data"]["root"] == str(small_cohort)
    assert config["data"]["channels"] == ["FLAIR", "FLAIR+T2W"]
    assert config["patches"]["size"] == [16, 16, 16]
    assert config["optimiser"]["learning_rate"] == 2e-3  # the file's, not the default
    split = json.loads((out / "split.json").read_text())
    parts = [case for part in ("train", "validation", "test") for case in split[part]]
    assert sorted(parts) == [f"training0{number}_01" for number in range(1, 5)]


@pytest.mark.parametrize(("name", "channels"), [("FLAIR", ["FLAIR"]), ("FLAIR+T2W", ["FLAIR", "T2W"])])
def test_each_model_has_its_folder(trained_run: tuple[Path, Any], name: str, channels: list[str]) -> None:
    folder = trained_run[0] / name
    facts = json.loads((folder / "run.json").read_text())
    assert facts["channels"] == channels
    assert yaml.safe_load((folder / "model" / "model.yaml").read_text())["channels"] == channels
    (row,) = csv.DictReader((folder / "epochs.csv").read_text().splitlines())
    assert 0 <= float(row["val_dsc"]) <= 1
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert [case["case"] for case in evaluation["cases"]] == facts["test"]
    for case in json.loads((folder / "cases.json").read_text()):
        assert sorted(case["images"]) == ["FLAIR", "T2W"]
        mask, truth = nib.load(folder / case["prediction"]), nib.load(case["label"])
        assert mask.shape == truth.shape
        np.testing.assert_array_equal(mask.affine, truth.affine)
        assert (folder / case["prediction"].replace("_mask", "_probability")).exists()


def test_the_lines_of_a_run(trained_run: tuple[Path, Any]) -> None:
    out, answer = trained_run
    lines = answer.out.splitlines()
    assert lines[0].startswith("train: 2 cases of training")
    assert lines[1].startswith("validation: 1 case of training")
    assert lines[2].startswith("test: 1 case of training")
    assert lines[3].startswith("FLAIR, epoch 1/1: loss ")
    assert lines[4].startswith("FLAIR: trained in ")
    assert lines[5].startswith("FLAIR: test DSC 0.")
    assert [line.split(":")[0] for line in lines[6:9]] == ["FLAIR+T2W, epoch 1/1", "FLAIR+T2W", "FLAIR+T2W"]
    assert lines[9:] == [f"the report is {out / 'report.html'}"]


def test_nothing_of_libraries_is_printed(trained_run: tuple[Path, Any]) -> None:
    assert trained_run[1].err == ""


def test_resuming_a_finished_run_repeats_nothing(again: Callable[..., Any], copied_run: Path) -> None:
    def stamps() -> dict[Path, int]:
        files = [path for name in ("FLAIR", "FLAIR+T2W") for path in (copied_run / name).rglob("*")]
        return {path: path.stat().st_mtime_ns for path in files}

    before = stamps()
    answer = again(copied_run, "--resume")
    assert answer.code == 0
    assert answer.out.splitlines()[3:] == [
        "FLAIR: already trained",
        "FLAIR: already evaluated",
        "FLAIR+T2W: already trained",
        "FLAIR+T2W: already evaluated",
        f"the report is {copied_run / 'report.html'}",
    ]
    assert stamps() == before


def test_resuming_does_what_is_missing(again: Callable[..., Any], copied_run: Path) -> None:
    """The second model was not begun, and the first was not evaluated."""
    shutil.rmtree(copied_run / "FLAIR+T2W")
    (copied_run / "FLAIR" / "evaluation.json").unlink()
    answer = again(copied_run, "--resume")
    assert answer.code == 0
    said = answer.out.splitlines()
    assert said[3] == "FLAIR: already trained"
    assert said[4].startswith("FLAIR: test DSC")
    assert "FLAIR+T2W, epoch 1/1" in said[5]
    assert (copied_run / "FLAIR+T2W" / "evaluation.json").exists()


def test_resuming_evaluates_a_model_that_was_trained_anew(again: Callable[..., Any], copied_run: Path) -> None:
    for name in ("model", "checkpoints"):
        shutil.rmtree(copied_run / "FLAIR" / name)
    said = again(copied_run, "--resume").out
    assert "FLAIR: trained in" in said
    assert "FLAIR: test DSC" in said
    assert "FLAIR+T2W: already evaluated" in said


def test_a_run_is_not_overwritten(again: Callable[..., Any], copied_run: Path) -> None:
    answer = again(copied_run)
    assert answer.code == 2
    assert answer.err == (
        f"error: {copied_run} already holds a run: continue it with --resume, or give another folder with --out\n"
    )


def test_a_run_is_not_resumed_with_other_settings(again: Callable[..., Any], copied_run: Path) -> None:
    answer = again(copied_run, "--resume", "training.epochs=2")
    assert answer.code == 2
    assert "started with other settings (training.epochs)" in answer.err


def test_a_refused_run_leaves_nothing_and_can_be_started_again(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    """Wrong folder first, then the right one into the same --out."""
    out = tmp_path / "deep" / "run"
    command = ("run", CONFIG, "--out", out, "--channel", "FLAIR", *tiny)
    (tmp_path / "elsewhere").mkdir()
    answer = msseg(*command, "--data", tmp_path / "elsewhere")
    assert answer.code == 2
    assert "layout isbi2015 finds no image in" in answer.err
    assert not out.exists()
    assert msseg(*command, "--data", small_cohort).code == 0


def test_a_run_refused_while_preparing_leaves_nothing_but_what_was_there(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    for image in data.rglob("*flair*"):
        image.write_bytes(image.read_bytes()[:2000])
    out = tmp_path / "run"
    out.mkdir()
    (out / ".notes").write_text("mine")
    answer = msseg("run", CONFIG, "--data", data, "--out", out, "--channel", "FLAIR", *tiny)
    assert answer.code == 2
    assert "flair" in answer.err
    assert [path.name for path in out.iterdir()] == [".notes"]


def test_one_bad_test_case_does_not_stop_the_others(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    bad = data / "training03" / "preprocessed" / "training03_01_flair_pp.nii"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:2000])
    split = ("split.train=[training01]", "split.validation=[]", "split.test=[training03,training04]")
    command = ("run", CONFIG, "--data", data, "--out", tmp_path / "run", "--channel", "FLAIR", *tiny, *split)
    answer = msseg(*command)
    assert answer.code == 3
    assert answer.err.splitlines()[-1].startswith("some cases failed: FLAIR training03_01: ")
    assert "FLAIR: test DSC" in answer.out
    assert (tmp_path / "run" / "report.html").exists()
    bad.write_bytes(whole)  # mended: the run is completed
    answer = msseg(*command, "--resume")
    assert answer.code == 0
    assert "(2 cases)" in answer.out


def test_several_bad_test_cases_end_in_a_table(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    for patient in ("training03", "training04"):
        bad = data / patient / "preprocessed" / f"{patient}_01_flair_pp.nii"
        bad.write_bytes(bad.read_bytes()[:2000])
    split = ("split.train=[training01]", "split.validation=[]", "split.test=[training02,training03,training04]")
    answer = msseg("run", CONFIG, "--data", data, "--out", tmp_path / "run", "--channel", "FLAIR", *tiny, *split)
    assert answer.code == 3
    said, head, *rows = answer.err.splitlines()[-4:]
    assert said == "some cases failed: 2 are not in the report"
    assert head.split() == ["case", "reason"]
    assert [row.split("  ")[0] for row in rows] == ["FLAIR training03_01", "FLAIR training04_01"]


def test_no_test_case_can_be_predicted(msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]) -> None:
    data = Path(shutil.copytree(small_cohort, tmp_path / "data"))
    bad = data / "training03" / "preprocessed" / "training03_01_flair_pp.nii"
    bad.write_bytes(bad.read_bytes()[:2000])
    split = ("split.train=[training01]", "split.validation=[]", "split.test=[training03]")
    out = tmp_path / "run"
    answer = msseg("run", CONFIG, "--data", data, "--out", out, "--channel", "FLAIR", *tiny, *split)
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("error: no test case could be evaluated: FLAIR training03_01: ")
    assert (out / "FLAIR" / "model" / "model.yaml").exists()  # the training is not lost


def test_a_run_without_test_cases(msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]) -> None:
    answer = msseg(
        "run", CONFIG, "--data", small_cohort, "--out", tmp_path / "run", "--channel", "FLAIR", *tiny,
        "split.fractions=[1,0,0]",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "test: no case\n" in answer.out
    assert "FLAIR: no test cases, so nothing is predicted or evaluated\n" in answer.out
    assert (tmp_path / "run" / "report.html").exists()


def test_two_raters_share_a_prediction(msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]) -> None:
    out = tmp_path / "run"
    answer = msseg(
        "run", CONFIG, "--data", small_cohort, "--out", out, "--channel", "FLAIR", *tiny, "data.select.rater=['1','2']"
    )
    assert answer.code == 0, answer.err
    assert len(json.loads((out / "FLAIR" / "cases.json").read_text())) == 2
    assert len(list((out / "FLAIR" / "predictions").glob("*_mask.nii"))) == 1


def test_train_trains_and_does_not_test(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    command = ("train", CONFIG, "--data", small_cohort, "--out", tmp_path / "run", "--channel", "T2W", *tiny)
    answer = msseg(*command)
    assert answer.code == 0, answer.err
    assert (tmp_path / "run" / "T2W" / "model" / "model.yaml").exists()
    assert not (tmp_path / "run" / "T2W" / "predictions").exists()
    assert not (tmp_path / "run" / "report.html").exists()
    assert "T2W: already trained" in msseg(*command, "--resume").out


def test_words_after_channel_are_channels_too(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    answer = msseg(
        "train", CONFIG, "--data", small_cohort, "--out", tmp_path / "run", "--channel", "FLAIR", "PDW+T2W", *tiny
    )
    assert answer.code == 0, answer.err
    assert (tmp_path / "run" / "FLAIR").is_dir()
    assert (tmp_path / "run" / "PDW+T2W").is_dir()


def test_the_run_folder_is_named_after_the_experiment(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, tiny: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = msseg("train", CONFIG, "--data", small_cohort, "--channel", "FLAIR", *tiny, "name=mine")
    assert answer.code == 0, answer.err
    assert (tmp_path / "runs" / "mine" / "FLAIR" / "model" / "model.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["stray"], "'stray' is neither an option nor of the form key=value"),
        (["--chanel", "FLAIR"], "no such option: --chanel (Possible options: --channel"),
        (["--channel", "FLARE"], "FLARE"),
        (["--data", "nowhere"], "nowhere"),
        (["training.epochs"], "'training.epochs' is neither"),
    ],
)
def test_arguments_that_are_refused(
    msseg: Msseg, small_cohort: Path, tmp_path: Path, arguments: list[str], part: str
) -> None:
    answer = msseg("run", CONFIG, "--data", small_cohort, "--out", tmp_path / "run", *arguments)
    assert answer.code == 2
    assert part in answer.err
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
