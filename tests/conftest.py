"""Fixtures shared by all tests: real data, a small phantom cohort, and one tiny experiment on it."""

import contextlib
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code. A check of a change draws the same examples
# each time, so that it fails for the change alone; elsewhere new ones are looked for.
settings.register_profile("msseg", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("msseg")

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = (ROOT.parent / "shared" / "data").resolve()

TINY = (
    "patches.size=[16,16,16]",
    "patches.per_volume=1",
    "network.base_channels=2",
    "training.epochs=1",
    "training.workers=0",
    "training.threads=1",
    "training.precision=fp32",
    "training.device=cpu",
    "evaluation.bootstrap=20",
)
"""Settings with which any experiment takes half a second."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data folder ../shared/data is not beside this checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides that make any experiment take half a second."""
    return TINY


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four phantom patients of one session in isbi2015's folders; rater 2 sees no lesion in training02."""
    from msseg.volumes.phantom.cohort import write_small_cohort

    folder = tmp_path_factory.mktemp("cohort") / "data"
    write_small_cohort(folder, patients=4, sessions=1, shape=(20, 22, 18))
    return folder


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def msseg() -> Callable[..., Answer]:
    """Run the command line in this process (a new one spends 5 seconds on imports): msseg("run", config, ...)."""
    return _call


def _call(*arguments: object) -> Answer:
    from msseg.cli.main import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["msseg", *map(str, arguments)])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # puts back what main replaces
        patch.setattr(logging.getLogger("msseg"), "handlers", [])
        patch.setattr(logging.getLogger("nibabel"), "level", logging.WARNING)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def trained_run(
    msseg: Callable[..., Answer], small_cohort: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Answer]:
    """A finished run with the models FLAIR and FLAIR+T2W, and what `msseg run` said; not to be changed."""
    out = tmp_path_factory.mktemp("trained") / "run"
    config = ROOT / "configs" / "demo" / "residual_unet3d.yaml"
    channels = ("--channel", "FLAIR", "--channel", "FLAIR+T2W")
    answer = msseg("run", config, "--data", small_cohort, "--out", out, *channels, *TINY)
    assert answer.code == 0, answer.err
    return out, answer
