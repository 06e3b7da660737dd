"""Signals that ask: the process stops soon, tidies up, tells by its exit code, and `--resume` goes on."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

STOPPED = "stopped; what is finished stays, and --resume continues a run\n"

PAUSE = """
import time
import {module} as module
original, calls = {what}, []

def pause(*arguments, **named):
    calls.append(1)
    if len(calls) < {call}:
        return original(*arguments, **named)
    print("now", flush=True)
    for _ in range(400):
        time.sleep(0.02)

{what} = pause
"""
"""Stays for 8 seconds where a phase has its work to do, at the first or a later call."""

PHASES = {
    "reading cases": ("msseg.volumes.cache", "module.prepare"),
    "validating": ("msseg.training.task", "module.SegmentationTask.validation_step"),
    "training": ("msseg.training.task", "module.SegmentationTask.training_step"),
    "writing a checkpoint": ("torch", "module.save"),
    "writing the model": ("msseg.training.fit", "module.save_model"),
    "predicting": ("msseg.inference.predictor", "module.planned_probability"),
    "writing a prediction": ("msseg.inference.prediction", "module.Prediction.save"),
    "evaluating": ("msseg.experiment", "module.evaluate_pairs"),
    "reporting": ("msseg.experiment", "module.make_report"),
}
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
FAST = {("writing a checkpoint", signal.SIGTERM), ("predicting", signal.SIGINT)}


@pytest.mark.parametrize(
    ("phase", "number", "code"),
    [
        pytest.param(
            phase, number, code, id=f"{number.name} {phase}", marks=() if (phase, number) in FAST else pytest.mark.slow
        )
        for phase in PHASES for number, code in SIGNALS.items()
    ],
)  # fmt: skip
def test_stopped_in_each_phase(
    start: Callable,
    call: Callable,
    experiment: Callable,
    undisturbed: Path,
    contents: Callable,
    unreadable: Callable,
    tmp_path: Path,
    phase: str,
    number: signal.Signals,
    code: int,
) -> None:
    module, what = PHASES[phase]
    run = tmp_path / "run"
    child = start(*experiment(run), before=PAUSE.format(module=module, what=what, call=1))
    child.until("now")
    child.send(number)
    child.wait(15)
    assert (child.code, child.err) == (code, STOPPED), child.out
    assert unreadable(run) == []
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]  # there was time to tidy up
    resumed = call(*experiment(run, "--resume"))
    assert resumed.code == 0, resumed.err
    assert contents(run) == contents(undisturbed)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGHUP, 129), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in list(SIGNALS.items())[:2])],
)
@pytest.mark.parametrize("command", ["predict", pytest.param("evaluate", marks=pytest.mark.slow)])
def test_a_batch_is_stopped(
    start: Callable, undisturbed: Path, small_cohort: Path, tmp_path: Path, command: str, number: int, code: int
) -> None:
    """What was finished before stays, and nothing else is there."""
    scans, out = tmp_path / "in", tmp_path / "out"
    scans.mkdir()
    for name in "abc":
        shutil.copy(next(small_cohort.rglob("training01_01_flair_pp.nii")), scans / f"{name}.nii")
    if command == "predict":
        before = PAUSE.format(module="msseg.inference.prediction", what="module.Prediction.save", call=2)
        child = start("predict", undisturbed / "FLAIR" / "model", scans, "--out", out, before=before)
    else:
        before = PAUSE.format(module="msseg.evaluation.evaluation", what="module.Evaluation.to_csv", call=1)
        truth = next(small_cohort.rglob("training01_01_mask1.nii"))
        scores = ["--json", out / "a.json", "--csv", out / "b.csv"]
        child = start("evaluate", "--prediction", truth, "--truth", truth, *scores, before=before)
    child.until("now")
    child.send(number)
    assert (child.wait(15).code, child.err) == (code, STOPPED), child.out
    assert [path.name for path in out.iterdir()] == (["a_mask.nii"] if command == "predict" else ["a.json"])
