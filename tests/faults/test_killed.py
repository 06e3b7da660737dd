"""SIGKILL leaves no time to tidy up: what lies there is whole all the same, and `--resume` ends as if undisturbed."""

import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LANDMARKS = (
    "config.yaml",
    "split.json",
    "/cache/",
    "run.json",
    "best.ckpt",
    "last.ckpt",
    "epochs.csv",
    "/model",
    "_mask.nii",
    "_probability.nii",
    "cases.json",
    "evaluation.csv",
    "evaluation.json",
    "tables/summary.csv",
    "report.html",
)
"""What a run writes, in about this order."""

DIE = """
import os, signal
rename, landmark, moment, seen = os.replace, {landmark!r}, {moment!r}, []

def replace(source, target):
    if landmark not in str(target):
        return rename(source, target)
    if moment == "while it is written" and os.path.isfile(source):
        os.truncate(source, os.path.getsize(source) // 2)
    if moment == "after it got its name":
        rename(source, target)
    os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
"""
"""Kills the process where a file or folder gets its name."""


def epochs_done(run: Path) -> int:
    table = run / "FLAIR" / "epochs.csv"
    return len(table.read_text().splitlines()) - 1 if table.exists() else 0


def first_epoch(text: str) -> int | None:
    """The epoch that a command began with, from 0."""
    found = re.search(r"epoch (\d+)/", text)
    return int(found[1]) - 1 if found else None


@pytest.mark.parametrize(
    ("landmarks", "moment"),
    [
        (("last.ckpt", "/model", "evaluation.json"), "while it is written"),
        pytest.param(LANDMARKS, "while it is written", marks=pytest.mark.slow, id="all-while it is written"),
        pytest.param(LANDMARKS, "after it got its name", marks=pytest.mark.slow, id="all-after it got its name"),
    ],
)
def test_killed_at_every_landmark_of_a_run(
    start: Callable,
    experiment: Callable,
    undisturbed: Path,
    unreadable: Callable,
    temporary: Callable,
    contents: Callable,
    tmp_path: Path,
    landmarks: tuple[str, ...],
    moment: str,
) -> None:
    """One run is killed again and again, each time a step further, and resumed."""
    run, done = tmp_path / "run", 0
    for landmark in landmarks:
        child = start(*experiment(run, "--resume"), before=DIE.format(landmark=landmark, moment=moment)).wait()
        assert child.code == -9, (landmark, child.out, child.err)
        assert unreadable(run) == [], landmark
        begun = first_epoch(child.out)
        assert begun is None or begun >= done - 1, landmark  # at most one epoch is repeated
        done = epochs_done(run)
    last = start(*experiment(run, "--resume")).wait()
    assert last.code == 0, last.err
    assert first_epoch(last.out) is None  # nothing is trained that was trained
    assert contents(run) == contents(undisturbed)
    assert temporary(run) == []


@pytest.mark.parametrize(("kills", "epochs"), [(2, 4), pytest.param(20, 60, marks=pytest.mark.slow)])
def test_killed_at_random_moments(
    start: Callable,
    experiment: Callable,
    unreadable: Callable,
    temporary: Callable,
    contents: Callable,
    tmp_path: Path,
    kills: int,
    epochs: int,
) -> None:
    """One run is killed again and again, and ends as the one that was left alone."""
    alone, run, killed, moments = tmp_path / "alone", tmp_path / "run", 0, random.Random(kills)
    settings = f"training.epochs={epochs}"
    assert start(*experiment(alone, settings)).wait().code == 0
    for _ in range(kills):
        done, child = epochs_done(run), start(*experiment(run, settings, "--resume"))
        time.sleep(moments.uniform(0.05, 1.2))
        child.send(signal.SIGKILL)
        child.wait()
        assert child.code in (-9, 0), child.err
        killed += child.code == -9
        begun = first_epoch(child.out)
        assert begun is None or begun >= done - 1, (begun, done)  # at most one epoch is repeated
        assert unreadable(run) == []
    assert killed >= kills - 1  # the run may have come to its end
    last = start(*experiment(run, settings, "--resume")).wait()
    assert last.code == 0, last.err
    assert contents(run) == contents(alone)
    assert temporary(run) == []
