"""The whole job: for each model of an experiment train, predict the test cases, evaluate; then one report."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.find import channel_sets, find_cases
from msseg.cases.names import counted, listing
from msseg.cases.splits import Split, make_split, split_from_json
from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError, PartialFailureError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.pairs import Pair
from msseg.inference.batch import predict_batch
from msseg.inference.inputs import inputs_from_cases
from msseg.inference.predictor import load_model
from msseg.inference.progress import case_progress, say
from msseg.model import SETTINGS_FILE
from msseg.report.page import make_report
from msseg.runs import CONFIG_FILE, ModelRun, Run, open_run, write_json
from msseg.training.fit import train_model

Models = Sequence[tuple[str, ...]]
"""The channels of each model."""


def run_experiment(config: ExperimentConfig, out: Path, console: Console, resume: bool = False) -> Path:
    """Train, predict, evaluate and report all models of an experiment.

    Args:
        config: The experiment; `data.channels` names the models.
        out: The run folder.
        console: Where progress and results are printed.
        resume: Continue a run in this folder; what is finished is not repeated.

    Returns:
        The report's path.

    Raises:
        InputError: Something that the user gave cannot be used.
        PartialFailureError: Some test cases could not be predicted or evaluated; the others are in the report.
    """
    with _opened(config, out, console, resume) as (run, split, models):
        failures: list[str] = []
        for channels in models:
            model_run = run.model_run(channels)
            train_model(config, channels, split, model_run, run.cache, console, resume)
            failures += _test(config, channels, split.test, model_run, console)
        make_report([run.folder], run.report)
        say(console, f"the report is {run.report}")
        if failures and not any(run.model_run(channels).evaluation.exists() for channels in models):
            raise InputError(f"no test case could be evaluated: {failures[0]}")
    if failures:
        raise PartialFailureError("; ".join(failures))
    return run.report


def train_experiment(config: ExperimentConfig, out: Path, console: Console, resume: bool = False) -> list[Path]:
    """Train all models of an experiment and return their model folders.

    Raises:
        InputError: Something that the user gave cannot be used.
    """
    with _opened(config, out, console, resume) as (run, split, models):
        for channels in models:
            train_model(config, channels, split, run.model_run(channels), run.cache, console, resume)
        return [run.model_run(channels).model for channels in models]


@contextmanager
def _opened(config: ExperimentConfig, out: Path, console: Console, resume: bool) -> Iterator[tuple[Run, Split, Models]]:
    """The run folder with its split and models; where nothing comes of a new run, the folder goes again."""
    cases = find_cases(config.data, config.data.path())
    models = channel_sets(config.data)
    new, made = not (out / CONFIG_FILE).exists(), not out.exists()
    drawn = make_split(cases, config.split) if new else None
    with open_run(out, config, resume) as run:
        try:
            split = drawn or _stored_split(run, cases)
            if not run.split.exists():
                write_json(run.split, split.to_json_dict())
            _introduce(split, console)
            yield run, split, models
        except InputError:
            if new and not any(run.folder.glob("*/checkpoints/*")):
                _discard(run, models, made)
            raise


def _stored_split(run: Run, cases: Sequence[Case]) -> Split:
    """The split of a run that is resumed, or a new one where the run was stopped before it."""
    if not run.split.exists():
        return make_split(cases, run.config.split)
    return split_from_json(cases, json.loads(run.split.read_text(encoding="utf-8")))


def _introduce(split: Split, console: Console) -> None:
    for role, part in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        groups = listing(sorted({case.group for case in part}), limit=20)
        say(console, f"{role}: {counted(len(part), 'case')} of {groups}" if part else f"{role}: no case")


def _discard(run: Run, models: Models, whole: bool) -> None:
    """Remove what a refused run has written, and nothing else; a cache elsewhere is whole and stays."""
    for folder in (run.folder / "cache", *(run.model_run(channels).folder for channels in models)):
        shutil.rmtree(folder, ignore_errors=True)
    for name in (CONFIG_FILE, run.split.name, "versions.json", ".lock"):
        (run.folder / name).unlink(missing_ok=True)
    if whole:
        with suppress(OSError):
            run.folder.rmdir()


def _test(
    config: ExperimentConfig,
    channels: tuple[str, ...],
    cases: Sequence[Case],
    run: ModelRun,
    console: Console,
) -> list[str]:
    """Predict and evaluate the test cases of one model; returns what went wrong, case by case."""
    name = run.folder.name
    if not cases:
        say(console, f"{name}: no test cases, so nothing is predicted or evaluated")
        return []
    if _is_tested(run, cases):
        say(console, f"{name}: already evaluated")
        return []
    masks, failures = _predict(config, channels, cases, run, console)
    pairs = [
        Pair(case.id, masks[case.scan], case.label, case.group) for case in cases if case.label and case.scan in masks
    ]
    if not pairs:
        return failures
    write_json(run.cases, [_case_entry(case, masks[case.scan], run.folder) for case in cases if case.scan in masks])
    try:
        evaluation = evaluate_pairs(pairs, bootstrap=config.evaluation.bootstrap, seed=config.evaluation.seed)
    except InputError as error:  # not one pair can be scored
        return [*failures, f"{name}: {error}"]
    evaluation.to_csv(run.folder / "evaluation.csv")
    evaluation.to_json(run.evaluation)
    dsc, iou = evaluation.summary["dsc"]["mean"], evaluation.summary["iou"]["mean"]
    say(console, f"{name}: test DSC {dsc:.4f}, IoU {iou:.4f} ({counted(len(evaluation.cases), 'case')})")
    return [*failures, *(f"{name} {case}: {reason}" for case, reason in evaluation.failed.items())]


def _is_tested(run: ModelRun, cases: Sequence[Case]) -> bool:
    """Whether all cases were evaluated with the model as it is now."""
    if not run.evaluation.exists() or run.evaluation.stat().st_mtime < (run.model / SETTINGS_FILE).stat().st_mtime:
        return False
    return {case.id for case in cases} <= {scores.case for scores in Evaluation.from_json(run.evaluation).cases}


def _predict(
    config: ExperimentConfig,
    channels: tuple[str, ...],
    cases: Sequence[Case],
    run: ModelRun,
    console: Console,
) -> tuple[dict[str, Path], list[str]]:
    """Masks by scan: two raters' cases of one scan share a prediction."""
    scans = {case.scan: case.images for case in cases}
    inputs = inputs_from_cases(list(scans.items()), channels)
    training = config.training
    predictor = load_model(run.model, training.device, training.precision, training.threads)
    masks: dict[str, Path] = {}
    failures: list[str] = []
    with case_progress(console, f"{run.folder.name}: predicting", len(inputs)) as done:
        results = predict_batch(predictor, inputs, run.predictions, probability=True)
        for scan, result in zip(scans, results, strict=True):
            done()
            if result.error is None:
                masks[scan] = result.outputs[0]
            elif isinstance(result.error, InputError):
                failures.append(f"{run.folder.name} {scan}: {result.error}")
                say(console, failures[-1], "red")
            else:
                raise result.error
    return masks, failures


def _case_entry(case: Case, mask: Path, folder: Path) -> dict[str, object]:
    return {
        "case": case.id,
        "group": case.group,
        "images": {channel: str(path.resolve()) for channel, path in case.images.items()},
        "label": str(case.label.resolve()) if case.label else None,
        "prediction": os.path.relpath(mask, folder),
    }
