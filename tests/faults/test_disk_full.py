"""A full disk, a folder that may not be written, an output that is in the way: one sentence, exit code 2, nothing torn.

RLIMIT_FSIZE stands for the full disk: writing behind so many bytes fails; a tmpfs is the real thing, where it may be
mounted.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
REASON = "(File too large|No space left on device)"


def told(child, *patterns: str) -> None:
    """One error line that fits all patterns, and exit code 2."""
    assert child.code == 2, child.out + child.err
    lines = [line for line in child.err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, child.err
    assert lines[0].startswith("error: ")
    for pattern in patterns:
        assert re.search(pattern, lines[0]), lines[0]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def model(undisturbed: Path) -> Path:
    return undisturbed / "FLAIR" / "model"


@pytest.fixture
def scan(small_cohort: Path) -> Path:
    return next(small_cohort.rglob("training01_01_flair_pp.nii"))


@pytest.fixture
def pair(undisturbed: Path, small_cohort: Path) -> list[object]:
    """Options of an evaluation."""
    (truth,) = small_cohort.rglob("training03_01_mask1.nii")
    return ["--prediction", undisturbed / "FLAIR" / "predictions" / "training03_01_mask.nii", "--truth", truth]


def test_the_cache_does_not_fit(call: Callable, experiment: Callable, tmp_path: Path) -> None:
    """Nothing comes of a new run, so nothing is left."""
    child = call(*experiment(tmp_path / "run"), before=FULL.format(16_000))
    told(child, r"the cache folder .*run/cache cannot be written", REASON)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_first_checkpoint_does_not_fit(call: Callable, experiment: Callable, tmp_path: Path) -> None:
    child = call(*experiment(tmp_path / "run"), before=FULL.format(1_000_000))
    told(child, r"checkpoints/best\.ckpt cannot be written", REASON)
    assert not (tmp_path / "run").exists()


ENOSPC = """
import errno, os
from msseg.training import checkpoints
save, count = checkpoints.torch.save, []

def full(checkpoint, file):
    count.append(1)
    if len(count) == {count}:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    save(checkpoint, file)

checkpoints.torch.save = full
"""


@pytest.mark.parametrize("count", [3, pytest.param(4, marks=pytest.mark.slow)], ids=["best", "last"])
def test_a_training_goes_on_when_there_is_space(
    call: Callable,
    experiment: Callable,
    undisturbed: Path,
    contents: Callable,
    unreadable: Callable,
    tmp_path: Path,
    count: int,
) -> None:
    run = tmp_path / "run"
    child = call(*experiment(run), before=ENOSPC.format(count=count))
    told(child, r"checkpoints/(best|last)\.ckpt cannot be written: No space left on device")
    assert unreadable(run) == []
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]
    again = call(*experiment(run, "--resume"))
    assert again.code == 0, again.err
    assert "epoch 1/" not in again.out
    assert contents(run) == contents(undisturbed)


def test_the_report_does_not_fit(
    call: Callable, experiment: Callable, undisturbed: Path, contents: Callable, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(undisturbed, tmp_path / "run"))
    (run / "report.html").write_text("the one before")
    child = call(*experiment(run, "--resume"), before=FULL.format(20_000))
    told(child, r"report\.html cannot be written", REASON)
    assert (run / "report.html").read_text() == "the one before"
    alone = call("report", run, "--out", tmp_path / "page.html", before=FULL.format(20_000))
    told(alone, r"page\.html cannot be written", REASON)
    assert not (tmp_path / "page.html").exists()
    assert call("report", run, "--out", tmp_path / "page.html").code == 0


def test_a_prediction_does_not_fit(call: Callable, model: Path, scan: Path, tmp_path: Path) -> None:
    """The mask would, its probability does not."""
    out = tmp_path / "out"
    assert call("predict", model, scan, "--out", out).code == 0
    before = files(out)
    told(
        call("predict", model, scan, "--out", out, "--probability", before=FULL.format(10_000)),
        r"training01_01_flair_pp_probability\.nii cannot be written", REASON,
    )  # fmt: skip
    assert files(out) == before
    told(
        call("predict", model, scan, "--out", out, before=FULL.format(5_000)),
        r"training01_01_flair_pp_mask\.nii cannot be written", REASON,
    )  # fmt: skip
    assert files(out) == before


def test_scores_do_not_fit(call: Callable, pair: list[object], tmp_path: Path) -> None:
    for option, name in (("--json", "scores.json"), ("--csv", "scores.csv")):
        path = tmp_path / name
        path.write_text("the one before")
        child = call("evaluate", *pair, option, path, before=FULL.format(300))
        assert child.code == 2
        assert child.err.startswith(f"error: {path}"[:300])
        assert path.read_text() == "the one before"
    assert sorted(os.listdir(tmp_path)) == ["scores.csv", "scores.json"]


@pytest.mark.parametrize("command", ["predict", "report", "json", "run"])
def test_outputs_where_a_file_is_in_the_way(
    call: Callable,
    experiment: Callable,
    undisturbed: Path,
    pair: list[object],
    model: Path,
    scan: Path,
    tmp_path: Path,
    command: str,
) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments: dict[str, list[object]] = {
        "predict": ["predict", model, scan, "--out", tmp_path / "file"],
        "report": ["report", undisturbed, "--out", tmp_path / "file" / "report.html"],
        "json": ["evaluate", *pair, "--json", tmp_path / "file" / "scores.json"],
        "run": experiment(tmp_path / "file"),
    }
    told(call(*arguments[command]), "file", "Not a directory|File exists|is no run folder")
    assert (tmp_path / "file").read_text() == "in the way"


# ------------------------------------------------------------------------------------------------------ a real disk


def mounted(folder: Path, *options: str) -> bool:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "msseg-test", str(folder)]
    return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if not mounted(tmp_path / "disk", "size=1m"):
        pytest.skip("mounting a tmpfs is not permitted here")
    yield tmp_path / "disk"
    subprocess.run(["umount", str(tmp_path / "disk")], check=True)


@pytest.mark.slow
def test_a_run_fills_a_disk(
    call: Callable, experiment: Callable, small_disk: Path, contents: Callable, undisturbed: Path
) -> None:
    """It is refused at once or in the middle, and goes on after the disk has grown."""
    run = small_disk / "runs" / "run"
    told(call(*experiment(run)), REASON)
    assert not run.exists()
    for size in ("3m", "4m", "5m"):
        subprocess.run(["mount", "-o", f"remount,size={size}", str(small_disk)], check=True)
        child = call(*experiment(run, "--resume"))
        if child.code:
            told(child, REASON)
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    last = call(*experiment(run, "--resume"))
    assert last.code == 0, last.err
    assert contents(run) == contents(undisturbed)


@pytest.mark.slow
def test_a_folder_that_may_only_be_read(
    call: Callable,
    experiment: Callable,
    small_disk: Path,
    undisturbed: Path,
    pair: list[object],
    model: Path,
    scan: Path,
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    read_only = "Read-only file system"
    told(call(*experiment(small_disk / "run")), "the run folder .* cannot be written", read_only)
    told(call("predict", model, scan, "--out", small_disk / "out"), "the output folder .* cannot be written", read_only)
    told(call("evaluate", *pair, "--json", small_disk / "scores.json"), "scores.json cannot be written", read_only)
    told(call("report", undisturbed, "--out", small_disk / "r.html"), "cannot be written", read_only)
