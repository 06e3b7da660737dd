"""What there is: layouts, networks, losses, the schema; help, usage errors and exit codes."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.errors import InputError, PartialFailureError
from msseg.losses.registry import LOSSES
from msseg.networks.registry import NETWORKS

Msseg = Callable[..., Any]


def test_layouts_show_their_patterns(msseg: Msseg) -> None:
    out = msseg("layouts").out
    for path in (config_folder() / "layouts").glob("*.yaml"):
        assert f"{path.stem}: " in out
    assert "{patient}_{session}_{channel}_pp.nii[.gz]" in out


def test_networks_show_their_sizes_and_parameters(msseg: Msseg) -> None:
    out = msseg("networks").out
    for name in NETWORKS:
        assert f"{name}: " in out
    assert out.count("trained parameters") == len(NETWORKS)
    assert "deep_supervision: false  (" in out
    assert "None" not in out


def test_losses_show_their_parameters(msseg: Msseg) -> None:
    out = msseg("losses").out
    for name in LOSSES:
        assert f"{name}: " in out
    assert "smoothing: 1.0  (" in out


def test_the_schema_is_json_and_knows_the_settings(msseg: Msseg) -> None:
    schema = json.loads(msseg("schema").out)
    config = load_config(config_folder() / "ms" / "paper_unet3d.yaml")
    assert set(type(config).model_fields) == set(schema["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["predict", "-h"]])
def test_help_is_a_result(msseg: Msseg, arguments: list[str]) -> None:
    answer = msseg(*arguments)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Usage: msseg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "error: no such command 'rnu'. Did you mean 'run'? (`msseg --help` tells more)"),
        (["run"], "error: missing argument 'CONFIG' (`msseg run --help` tells more)"),
        (["predict", "m", "i"], "error: missing option '--out' (`msseg predict --help` tells more)"),
        (["demo", "x"], "error: got unexpected extra argument(s) (x) (`msseg demo --help` tells more)"),
    ],
)
def test_usage_errors_are_one_line(msseg: Msseg, arguments: list[str], message: str) -> None:
    answer = msseg(*arguments)
    assert (answer.code, answer.out, answer.err) == (2, "", f"{message}\n")


def test_no_command_shows_the_help(msseg: Msseg) -> None:
    answer = msseg()
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Usage: msseg")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("x.nii is bad"), 2, "error: x.nii is bad\n"),
        (PartialFailureError("1 of 2"), 3, "some cases failed: 1 of 2\n"),
        (ZeroDivisionError("by zero"), 1, "msseg crashed: ZeroDivisionError: by zero (--debug shows where"),
        (KeyboardInterrupt(), 130, "stopped; what is finished stays"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_how_errors_end(
    msseg: Msseg, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str, debug: bool
) -> None:
    import msseg.evaluation.pairs as pairs

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pairs, "pair_files", fail)
    answer = msseg("evaluate", *(["--debug"] if debug else []))
    assert (answer.code, answer.out) == (code, "")
    assert text in answer.err
    assert ("Traceback" in answer.err) is debug


@pytest.mark.parametrize("worker_dies", [False, True])
def test_sigterm_ends_cleanly(msseg: Msseg, monkeypatch: pytest.MonkeyPatch, worker_dies: bool) -> None:
    import msseg.evaluation.pairs as pairs

    def stop(*_: object, **__: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            if worker_dies:
                raise RuntimeError("DataLoader worker is killed by signal")

    monkeypatch.setattr(pairs, "pair_files", stop)
    answer = msseg("evaluate")
    assert answer.code == 143
    assert answer.err.startswith("stopped; what is finished stays")
