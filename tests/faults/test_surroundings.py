"""Where msseg runs: under a batch system, behind a pipe that nobody reads, in a terminal that goes away."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SLURM = """
import os
os.environ.update(
    SLURM_JOB_ID="7", SLURM_JOB_NAME="msseg", SLURM_NTASKS="4", SLURM_PROCID="0", SLURM_LOCALID="0",
    SLURM_NODEID="0", SLURM_NODELIST="node1", SLURM_JOB_NODELIST="node1", SLURM_CPUS_PER_TASK="2",
)
"""


def test_a_batch_system_changes_nothing(
    call: Callable, experiment: Callable, undisturbed: Path, contents: Callable, tmp_path: Path
) -> None:
    """Four tasks were asked for, and one process is started."""
    child = call(*experiment(tmp_path / "run"), before=SLURM)
    assert child.code == 0, child.err
    assert contents(tmp_path / "run") == contents(undisturbed)
    assert not list((tmp_path / "run").rglob("hpc_ckpt*"))


READ_A_LINE = "import sys; sys.stdin.readline(); sys.stdin.close()"


@pytest.mark.parametrize(
    "arguments",
    [("schema",), ("layouts",), pytest.param(("networks",), marks=pytest.mark.slow)],
    ids=lambda words: words[0],
)
def test_nobody_reads_on(arguments: tuple[str, ...]) -> None:
    """`msseg ... | head -1` is quiet."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-m", "msseg", *arguments], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


CLOSED = """
import os
reading, writing = os.pipe()
os.close(reading)
os.dup2(writing, 1)
"""


def test_nobody_reads_what_an_evaluation_prints(
    call: Callable, undisturbed: Path, small_cohort: Path, tmp_path: Path
) -> None:
    """Its files are written first."""
    (truth,) = small_cohort.rglob("training03_01_mask1.nii")
    prediction = undisturbed / "FLAIR" / "predictions" / "training03_01_mask.nii"
    arguments = ["evaluate", "--prediction", prediction, "--truth", truth, "--json", tmp_path / "scores.json"]
    child = call(*arguments, before=CLOSED)
    assert (child.code, child.err) == (141, "")
    json.loads((tmp_path / "scores.json").read_text())


@pytest.mark.slow
def test_nohup_outlives_its_terminal(start: Callable, experiment: Callable, tmp_path: Path) -> None:
    before = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    child = start(*experiment(tmp_path / "run"), before=before)
    child.until("epoch 1/")
    child.send(signal.SIGHUP)
    assert child.wait().code == 0, child.err
