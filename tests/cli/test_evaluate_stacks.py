"""`msseg evaluate --task membranes` and `--task cells` from the command line."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from msseg.cli.evaluate import read_thresholds
from msseg.errors import InputError

Msseg = Callable[..., Any]


def save(path: Path, pages: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pages, photometric="minisblack")
    return path


@pytest.fixture
def truth() -> np.ndarray:
    """Pages of three neurites."""
    pages = np.full((3, 20, 24), 255, dtype=np.uint8)
    pages[:, :, 7] = pages[:, :, 15] = 0
    return pages


@pytest.fixture
def stack(truth: np.ndarray, tmp_path: Path) -> tuple[Path, Path]:
    """A probability stack and its truth."""
    noise = np.random.default_rng(0).normal(0, 0.2, truth.shape)
    probability = np.clip(np.where(truth > 0, 0.75, 0.25) + noise, 0, 1).astype(np.float32)
    return save(tmp_path / "s_probability.tif", probability), save(tmp_path / "s_labels.tif", truth)


def test_membranes(msseg: Msseg, stack: tuple[Path, Path], tmp_path: Path) -> None:
    files = ("--json", tmp_path / "s.json", "--csv", tmp_path / "s.csv")
    answer = msseg("evaluate", "--task", "membranes", "--prediction", stack[0], "--truth", stack[1], *files)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    content = json.loads((tmp_path / "s.json").read_text())
    assert len(content["slices"]) == 3
    line = next(line.split() for line in answer.out.splitlines() if line.startswith("V_rand "))
    assert line[1:3] == ["higher", f"{content['stack']['v_rand']:.4f}"]
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert [row["case"] for row in rows] == ["s_001", "s_002", "s_003", "s"]


def test_folders_of_stacks(msseg: Msseg, truth: np.ndarray, tmp_path: Path) -> None:
    """Beside a probability lie the mask and the instances of the same stack, beside a truth its image."""
    for name in ("a", "b"):
        save(tmp_path / "out" / f"{name}_probability.tif", (truth / 255).astype(np.float32))
        save(tmp_path / "out" / f"{name}_mask.tif", 255 - truth)
        save(tmp_path / "out" / f"{name}_instances.tif", np.ones_like(truth))
        save(tmp_path / "data" / f"{name}-labels.tif", truth)
        save(tmp_path / "data" / f"{name}-volume.tif", truth)
    folders = ("--prediction", tmp_path / "out", "--truth", tmp_path / "data", "--json", tmp_path / "s.json")
    answer = msseg("evaluate", "--task", "membranes", *folders, "--no-warping", "--thresholds", "0.5,0.8:0.9:0.05")
    assert answer.code == 0, answer.err
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["stack"]["v_rand"] == 1
    assert list(content["stacks"]) == ["a", "b"]
    assert [row["threshold"] for row in content["stack"]["thresholds"]] == [0.5, 0.8, 0.85, 0.9]


def test_cells_of_the_tracking_challenge(msseg: Msseg, tmp_path: Path) -> None:
    """The truth is but some of the frames, and named otherwise."""
    frame = np.zeros((10, 12), dtype=np.uint16)
    frame[1:4, 1:4], frame[5:9, 6:11] = 1, 2
    for number in (2, 5, 7):
        save(tmp_path / "out" / f"01_t{number:03d}_instances.tif", frame)
    for number in (2, 7):
        save(tmp_path / "01_GT" / "SEG" / f"man_seg{number:03d}.tif", frame)
    files = ("--prediction", tmp_path / "out", "--truth", tmp_path / "01_GT", "--csv", tmp_path / "c.csv")
    answer = msseg("evaluate", "--task", "cells", *files)
    assert answer.code == 0, answer.err
    rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert [row["case"] for row in rows if row["level"] == "slice"] == ["t002", "t007"]
    assert {row["seg"] for row in rows} == {"1.0"}


BAD: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "probability above 1": (
        lambda pages: pages.astype(np.float32),
        "a probability of being inside lies between 0 and 1",
    ),
    "shape": (lambda pages: pages[:, 1:], "19 x 24 pixels in 3 slices"),
    "slices": (lambda pages: pages[:2], "in 2 slices, but its truth"),
}


@pytest.mark.parametrize("reason", BAD)
def test_bad_predictions(
    msseg: Msseg, stack: tuple[Path, Path], truth: np.ndarray, tmp_path: Path, reason: str
) -> None:
    change, part = BAD[reason]
    prediction = save(tmp_path / "bad.tif", change(truth))
    answer = msseg(
        "evaluate",
        "--task",
        "membranes",
        "--prediction",
        prediction,
        "--truth",
        stack[1],
        "--json",
        tmp_path / "s.json",
    )
    refused(answer, part)
    assert not (tmp_path / "s.json").exists()


def test_bad_truths(msseg: Msseg, stack: tuple[Path, Path], truth: np.ndarray, tmp_path: Path) -> None:
    command = ("evaluate", "--task", "membranes", "--prediction", stack[0], "--truth")
    refused(msseg(*command, save(tmp_path / "empty.tif", np.zeros_like(truth))), "no pixel inside a neurite")
    three = truth.copy()
    three[0, 0, 0] = 7
    refused(msseg(*command, save(tmp_path / "three.tif", three)), "holds 3 values")


def test_bad_thresholds(msseg: Msseg, stack: tuple[Path, Path]) -> None:
    command = ("evaluate", "--task", "membranes", "--prediction", stack[0], "--truth", stack[1], "--thresholds")
    refused(msseg(*command, "half"), "--thresholds half cannot be read")
    refused(msseg(*command, "0.5,2"), "the threshold 2 lies outside 0 to 1")


def refused(answer: Any, part: str) -> None:
    """One sentence on stderr, exit code 2."""
    assert answer.code == 2, answer.err
    assert part in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_reading_thresholds() -> None:
    assert read_thresholds("0:0.9:0.1") == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert read_thresholds("0.99, 0.5,0.5") == [0.5, 0.99]
    for text in ("", "a", "0:1", "0:1:0", "1:0:0.1", "0:1:1e-9", "0:nan:0.1"):
        with pytest.raises(InputError, match="cannot be read"):
            read_thresholds(text)
