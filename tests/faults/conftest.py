"""Real processes of msseg that can be killed, limited and patched without waiting for the imports of each."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from msseg.config.folder import config_folder

NURSERY = """
import json, os, signal, sys, traceback
import lightning.pytorch, nibabel, torchio, matplotlib.pyplot, msseg.experiment, msseg.cli.main
from rich.console import Console
import torch
torch.set_num_threads(1)

def child(order):
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, under which the tests may run, has it ignored
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))
    code = 0
    try:
        exec(order["before"], {})
        sys.argv = ["msseg", *order["arguments"]]
        msseg.cli.main.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code or 0)

signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    order = json.loads(line)
    if "arguments" in order:
        pid = os.fork()
        if not pid:
            child(order)
        print(pid, flush=True)
    else:
        pid, status = os.waitpid(order["pid"], os.WNOHANG)
        print(os.waitstatus_to_exitcode(status) if pid else "running", flush=True)
"""
"""Imports once and forks for every command: a new interpreter spends five seconds on the imports."""


@dataclass
class Child:
    """A command that runs in a process (and process group) of its own."""

    pid: int
    folder: Path
    ask: Callable[[dict[str, Any]], str]
    code: int | None = None
    """Exit code, or minus the signal that ended it; None while it runs."""

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(encoding="utf-8")

    def runs(self) -> bool:
        if self.code is None:
            answer = self.ask({"pid": self.pid})
            self.code = None if answer == "running" else int(answer)
        return self.code is None

    def send(self, number: signal.Signals) -> None:
        if self.runs():
            os.kill(self.pid, number)

    def until(self, text: str) -> None:
        """Wait until it has printed something."""
        assert wait_for(lambda: text in self.out or not self.runs()), f"not yet: {self.out} {self.err}"

    def wait(self, seconds: float = 120) -> "Child":
        assert wait_for(lambda: not self.runs(), seconds), f"still running: {self.out} {self.err}"
        return self


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture(scope="session")
def nursery() -> Iterator[Callable[[dict[str, Any]], str]]:
    """Takes orders to start a command or to say how one ended."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", NURSERY]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:

        def ask(order: dict[str, Any]) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield ask
        process.kill()


@pytest.fixture
def start(nursery: Callable[[dict[str, Any]], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable]:
    """Start a command: start("run", config, before="source that is executed first") -> Child; ended with the test."""
    children: list[Child] = []

    def begin(*arguments: object, before: str = "") -> Child:
        folder = tmp_path_factory.mktemp("child")
        for name in ("out", "err"):
            (folder / name).touch()
        order = {"out": str(folder / "out"), "err": str(folder / "err"), "before": before}
        children.append(Child(int(nursery(order | {"arguments": [*map(str, arguments)]})), folder, nursery))
        return children[-1]

    yield begin
    for child in children:
        if child.runs():
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@pytest.fixture
def call(start: Callable[..., Child]) -> Callable[..., Child]:
    """Run a command in a process of its own to its end."""
    return lambda *arguments, before="": start(*arguments, before=before).wait()


@pytest.fixture(scope="session")
def experiment(small_cohort: Path, tiny: tuple[str, ...]) -> Callable[..., list[object]]:
    """Arguments of a run of three short epochs in a folder: experiment(out, "training.epochs=9")."""

    def arguments(out: Path, *more: str, data: Path = small_cohort) -> list[object]:
        config = config_folder() / "demo" / "residual_unet3d.yaml"
        options = ["--data", data, "--out", out, "--channel", "FLAIR"]
        return ["run", config, *options, *tiny, "training.epochs=3", *more]

    return arguments


READERS: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".yaml": lambda path: yaml.safe_load(path.read_text(encoding="utf-8")),
    ".safetensors": load_file,
    ".ckpt": lambda path: torch.load(path, weights_only=False),
    ".npy": np.load,
    ".nii": lambda path: np.asarray(nib.load(path).dataobj).sum(),
}


@pytest.fixture(scope="session")
def unreadable() -> Callable[[Path], list[str]]:
    """The files of a run folder that are torn; temporary ones (hidden) and TensorBoard's log, which grows, aside."""

    def find(folder: Path) -> list[str]:
        return [str(path.relative_to(folder)) for path in visible_files(folder) if not is_whole(path)]

    return find


def visible_files(folder: Path) -> list[Path]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "tensorboard")
    return [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def is_whole(path: Path) -> bool:
    if path.suffix in READERS:
        try:
            READERS[path.suffix](path)
        except Exception:
            return False
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return len({len(row) for row in csv.reader(file)}) == 1 and path.read_bytes().endswith(b"\n")
    if path.suffix == ".html":
        return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    return path.stat().st_size > 0


@pytest.fixture(scope="session")
def temporary() -> Callable[[Path], list[str]]:
    """What is left of writes that did not end, in a folder; in a cache it may be another run's."""
    return lambda folder: [
        path.name for path in sorted(folder.rglob(".*")) if path.name != ".lock" and path.parent.name != "cache"
    ]


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, object]]:
    """What a finished run has found out: weights, settings, epochs, predictions and scores, without times and paths."""

    def gather(folder: Path) -> dict[str, object]:
        files = visible_files(folder / "FLAIR" / "model") + visible_files(folder / "FLAIR" / "predictions")
        # A first prediction leaves its export beside the weights, from which it can be made again at any time.
        kept = [path for path in files if not path.name.startswith("model.onnx")]
        found: dict[str, object] = {str(path.relative_to(folder)): path.read_bytes() for path in kept}
        with (folder / "FLAIR" / "epochs.csv").open(newline="", encoding="utf-8") as file:
            found["epochs"] = [{key: row[key] for key in row if key != "seconds"} for row in csv.DictReader(file)]
        found["evaluation"] = (folder / "FLAIR" / "evaluation.csv").read_text().replace(str(folder), "RUN")
        return found

    return gather


@pytest.fixture(scope="session")
def undisturbed(
    nursery: Callable[[dict[str, Any]], str],
    experiment: Callable[..., list[object]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The run that nothing happened to; not to be changed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    arguments = list(map(str, experiment(folder / "run")))
    order = {"arguments": arguments, "before": "", "out": str(folder / "out"), "err": str(folder / "err")}
    child = Child(int(nursery(order)), folder, nursery).wait()
    assert child.code == 0, child.err
    return folder / "run"
