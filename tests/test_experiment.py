"""An experiment as a Python call: what comes back, and what becomes of the run folder when it ends early."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import msseg.experiment as experiment
from msseg.config.experiment import ExperimentConfig
from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.errors import InputError
from msseg.experiment import run_experiment, train_experiment
from msseg.inference.predictor import load_model


@pytest.fixture
def make_config(small_cohort: Path, tiny: tuple[str, ...]) -> Callable[..., ExperimentConfig]:
    def make(*overrides: str) -> ExperimentConfig:
        path = config_folder() / "demo" / "unet3d.yaml"
        return load_config(path, [*tiny, f"data.root={small_cohort}", "data.channels=[FLAIR]", *overrides])

    return make


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


def test_it_returns_the_report(make_config: Callable, console: Console, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run_experiment(make_config(), out, console) == out / "report.html"


def test_training_returns_the_models(make_config: Callable, console: Console, tmp_path: Path) -> None:
    folders = train_experiment(make_config("data.channels=[FLAIR, T2W+FLAIR]"), tmp_path / "run", console)
    assert folders == [tmp_path / "run" / "FLAIR" / "model", tmp_path / "run" / "T2W+FLAIR" / "model"]
    assert load_model(folders[1]).channels == ("T2W", "FLAIR")


def test_it_can_be_moved(make_config: Callable, console: Console, tmp_path: Path) -> None:
    """A run names its own files by relative paths."""
    run_experiment(make_config(), tmp_path / "before", console)
    (tmp_path / "before").rename(tmp_path / "after")
    again = run_experiment(make_config(), tmp_path / "after", console, resume=True)
    assert again.exists()
    (case,) = json.loads((tmp_path / "after" / "FLAIR" / "cases.json").read_text())
    assert (tmp_path / "after" / "FLAIR" / case["prediction"]).exists()
    assert not os.path.isabs(case["prediction"])


def test_runs_may_share_a_cache(make_config: Callable, console: Console, tmp_path: Path) -> None:
    config = make_config(f"data.cache={tmp_path / 'cache'}")
    train_experiment(config, tmp_path / "one", console)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")}
    train_experiment(config, tmp_path / "two", console)
    assert before
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npy")} == before
    assert not (tmp_path / "one" / "cache").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a fault of ours")])
def test_what_was_begun_stays_after_an_interruption_or_a_crash(
    make_config: Callable, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "train_model", stop)
        with pytest.raises(type(error)):
            run_experiment(make_config(), out, console)
    assert (out / "split.json").exists()
    assert run_experiment(make_config(), out, console, resume=True).exists()


def test_a_refusal_after_training_began_keeps_the_run(
    make_config: Callable, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model is trained when the second is refused."""
    original = experiment.train_model

    def refuse_t2(config: ExperimentConfig, channels: tuple[str, ...], *arguments: Any) -> None:
        if channels == ("T2W",):
            raise InputError("T2W is bad")
        original(config, channels, *arguments)

    monkeypatch.setattr(experiment, "train_model", refuse_t2)
    with pytest.raises(InputError, match="T2W is bad"):
        run_experiment(make_config("data.channels=[FLAIR, T2W]"), tmp_path / "run", console)
    assert (tmp_path / "run" / "FLAIR" / "evaluation.json").exists()


def test_a_foreign_folder_is_refused_and_left_alone(make_config: Callable, console: Console, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="is no run folder"):
        run_experiment(make_config(), tmp_path, console)
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "thesis.tex"]


def test_resuming_keeps_the_split(make_config: Callable, console: Console, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_experiment(make_config(), out, console)
    before = (out / "split.json").read_text()
    run_experiment(make_config(), out, console, resume=True)
    assert (out / "split.json").read_text() == before


def test_prediction_takes_the_configured_threads_when_resumed(
    make_config: Callable, console: Console, tmp_path: Path
) -> None:
    run_experiment(make_config(), tmp_path / "run", console)
    (tmp_path / "run" / "FLAIR" / "evaluation.json").unlink()
    torch.set_num_threads(2)
    run_experiment(make_config(), tmp_path / "run", console, resume=True)
    assert torch.get_num_threads() == 1


def test_names_with_brackets_are_printed_as_they_are(make_config: Callable, console: Console, tmp_path: Path) -> None:
    run_experiment(make_config(), tmp_path / "run[red]", console)
    text = console.file.getvalue()
    assert f"the report is {tmp_path / 'run[red]' / 'report.html'}" in text
