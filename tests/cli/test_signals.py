"""Ctrl-C and SIGTERM in a real process: it stops within seconds, and `--resume` goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msseg.config.folder import config_folder

CONFIG = config_folder() / "demo" / "residual_unet3d.yaml"
STOPPED = "stopped; what is finished stays, and --resume continues a run\n"


def hear_ctrl_c() -> None:
    """A shell's job in the background ignores Ctrl-C, and so do all that it starts: the tests may be such a job."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not get that far"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "whole_group"),
    [
        (signal.SIGINT, 130, False),
        (signal.SIGINT, 130, True),
        (signal.SIGTERM, 143, False),
        (signal.SIGTERM, 143, True),
    ],
    ids=["SIGINT", "Ctrl-C in a terminal", "SIGTERM", "SIGTERM from a batch system"],
)
def test_a_training_stops_and_is_resumed(
    small_cohort: Path,
    tmp_path: Path,
    tiny: tuple[str, ...],
    msseg: Callable[..., Any],
    number: signal.Signals,
    code: int,
    whole_group: bool,
) -> None:
    """Terminals and batch systems send their signals to the workers as well."""
    out, epochs = tmp_path / "run", tmp_path / "run" / "FLAIR" / "epochs.csv"
    arguments = ["run", CONFIG, "--data", small_cohort, "--out", out, "--channel", "FLAIR", *tiny, "training.workers=2"]
    # Long enough to be stopped, and then short: the run may not be resumed with other settings, so the file tells.
    command = [*map(str, arguments), "training.epochs=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "msseg", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_ctrl_c,
    )  # fmt: skip
    try:
        wait_for(lambda: epochs.exists() and len(epochs.read_text().splitlines()) > 3, process)
        sent = time.monotonic()
        (os.killpg if whole_group else os.kill)(process.pid, number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert time.monotonic() - sent < 60  # 2 s on an idle machine
    assert (process.returncode, stderr) == (code, STOPPED)
    assert "Traceback" not in stdout
    assert not [path for path in out.rglob(".*") if path.name != ".lock"]  # nothing half-written
    done = len(epochs.read_text().splitlines()) - 1
    config = out / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 100000", f"epochs: {done + 2}"))
    answer = msseg(*arguments, f"training.epochs={done + 2}", "--resume")
    assert answer.code == 0, answer.err
    assert f"epoch {done + 2}/{done + 2}" in answer.out
    assert "epoch 1/" not in answer.out
    assert len(epochs.read_text().splitlines()) - 1 == done + 2
    assert (out / "report.html").exists()
