"""The whole job: for each model of an experiment train, predict the test cases, evaluate; then one report."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.find import channel_sets, find_cases
from msseg.cases.labels import label_meaning_of
from msseg.cases.names import counted, listing
from msseg.cases.splits import Split, make_split, split_from_json
from msseg.config.experiment import ExperimentConfig
from msseg.doctor.examine import Subject, examine, settings_of, sides_of
from msseg.errors import InputError, PartialFailureError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.pairs import Pair
from msseg.inference.batch import predict_batch
from msseg.inference.failures import failure_table
from msseg.inference.inputs import inputs_from_cases
from msseg.inference.predictor import load_model
from msseg.inference.progress import case_progress, say
from msseg.metrics.lesions import LesionRules
from msseg.model import SETTINGS_FILE
from msseg.report.page import make_report
from msseg.runs import CONFIG_FILE, ModelRun, Run, open_run, write_json
from msseg.training.fit import train_model
from msseg.volumes.files import volume_stem

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
        failures: dict[str, str] = {}
        for channels in models:
            model_run = run.model_run(channels)
            train_model(config, channels, split, model_run, run.cache, console, resume)
            failures |= _test(config, channels, split.test, model_run, console)
        make_report([run.folder], run.report)
        say(console, f"the report is {run.report}")
        if failures and not any(run.model_run(channels).evaluation.exists() for channels in models):
            case, reason = next(iter(failures.items()))
            raise InputError(f"no test case could be evaluated: {case}: {reason}")
    if len(failures) == 1:
        raise PartialFailureError(": ".join(*failures.items()))
    if failures:
        raise PartialFailureError(f"{len(failures)} are not in the report\n{failure_table(failures)}")
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
            _examine(config, split, run, console)
            yield run, split, models
        except InputError:
            if new and not any(run.folder.glob("*/checkpoints/*")):
                _discard(run, models, made)
            raise


def _stored_split(run: Run, cases: Sequence[Case]) -> Split:
    """The split of a run that is resumed, or a new one where the run was stopped before it."""
    if not run.split.exists():
        return make_split(cases, run.config.split)
    try:
        return split_from_json(cases, json.loads(run.split.read_text(encoding="utf-8")))
    except (ValueError, InputError) as error:
        raise InputError(f"{run.split} cannot be used: {error}") from error


def _introduce(split: Split, console: Console) -> None:
    for role, part in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        groups = listing(sorted({case.group for case in part}), limit=20)
        say(console, f"{role}: {counted(len(part), 'case')} of {groups}" if part else f"{role}: no case")


def _examine(config: ExperimentConfig, split: Split, run: Run, console: Console) -> None:
    """Look the data over once, for the report; what is wrong is told, and decides about nothing."""
    if run.check.exists():
        return
    cases = [*split.train, *split.validation, *split.test]
    subject = Subject(str(config.data.root or config.data.table), config.data.layout or "", sides=sides_of(split))
    with case_progress(console, "checking the data", len(cases)) as done:
        examination = examine(cases, settings_of(config), subject, done)
    write_json(run.check, examination.to_json_dict())
    for finding in examination.findings:
        if finding.severity != "note":
            say(console, f"{finding.severity}: {finding.message}", "red" if finding.severity == "error" else "yellow")


def _discard(run: Run, models: Models, whole: bool) -> None:
    """Remove what a refused run has written, and nothing else; a cache elsewhere is whole and stays."""
    for folder in (run.folder / "cache", *(run.model_run(channels).folder for channels in models)):
        shutil.rmtree(folder, ignore_errors=True)
    for name in (CONFIG_FILE, run.split.name, run.check.name, "versions.json", ".lock"):
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
) -> dict[str, str]:
    """Predict and evaluate the test cases of one model; returns what went wrong, case by case."""
    name = run.folder.name
    if not cases:
        say(console, f"{name}: no test cases, so nothing is predicted or evaluated")
        return {}
    if _is_tested(run, cases):
        say(console, f"{name}: already evaluated")
        return {}
    outputs, seconds, failures = _predict(config, channels, cases, run, console)
    predicted = [case for case in cases if case.label and case.scan in outputs]
    if not predicted:
        return failures
    pairs = [_pair(of, _judged(config, outputs[of[0].scan])) for of in _judged_together(predicted)]
    write_json(run.cases, list(_case_entries(predicted, outputs, run.folder)))
    begun = time.perf_counter()
    try:
        evaluation = evaluate_pairs(
            pairs,
            task=config.task,
            label_meaning=label_meaning_of(config.data),
            label_values=config.data.label_values,
            membrane_width=config.data.membrane_width,
            threshold=config.inference.threshold,
            thresholds=config.evaluation.thresholds,
            rules=LesionRules.from_config(config.evaluation),
            align=config.preprocessing.align,
            bootstrap=config.evaluation.bootstrap,
            seed=config.evaluation.seed,
        )
    except InputError as error:  # not one pair can be scored
        return failures | {name: str(error)}
    evaluation.to_csv(run.folder / "evaluation.csv")
    evaluation.to_json(run.evaluation)
    if evaluation.task == "lesions":
        evaluation.lesions_to_csv(run.folder / "lesions.csv")
    evaluating = round(time.perf_counter() - begun, 2)
    write_json(run.times, {"seconds_predicting": seconds, "seconds_evaluating": evaluating})
    say(console, f"{name}: test {evaluation.headline()}")
    return failures | {f"{name} {case}": reason for case, reason in evaluation.failed.items()}


def _judged_together(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases that are one pair of files: the slices of a stack, or a case by itself."""
    pairs: dict[tuple[object, ...], list[Case]] = {}
    for case in cases:
        pairs.setdefault((case.id,) if case.page is None else (case.scan, case.label), []).append(case)
    return list(pairs.values())


def _pair(cases: Sequence[Case], prediction: Path) -> Pair:
    first = cases[0]
    assert first.label is not None
    if first.page is None:
        return Pair(first.id, prediction, first.label, first.group)
    pages = tuple(sorted(case.page for case in cases if case.page is not None))
    return Pair(first.scan, prediction, first.label, first.group, pages)


def _judged(config: ExperimentConfig, outputs: Sequence[Path]) -> Path:
    """The file that is scored: membranes by probability, cells by their numbers, all else by the mask."""
    wanted = {"membranes": "_probability", "cells": "_instances", "lesions": "_mask"}[config.task]
    return next((path for path in outputs if volume_stem(path).endswith(wanted)), outputs[0])


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
) -> tuple[dict[str, tuple[Path, ...]], dict[str, float], dict[str, str]]:
    """Output files, seconds, failures, by scan: two raters' cases of one scan share a prediction, as do slices."""
    scans = list(dict.fromkeys(case.scan for case in cases))
    zero = config.data.missing == "zero"
    inputs = inputs_from_cases(cases, channels, incomplete=zero)
    training = config.training
    predictor = load_model(
        run.model, training.device, training.precision, training.threads, missing="zero" if zero else "error"
    )
    outputs: dict[str, tuple[Path, ...]] = {}
    seconds: dict[str, float] = {}
    failures: dict[str, str] = {}
    with case_progress(console, f"{run.folder.name}: predicting", len(inputs)) as done:
        results = predict_batch(predictor, inputs, run.predictions, probability=True)
        for scan, result in zip(scans, results, strict=True):
            done()
            if result.error is None:
                outputs[scan], seconds[scan] = result.outputs, round(result.seconds, 2)
            elif isinstance(result.error, InputError):
                case = f"{run.folder.name} {scan}"
                failures[case] = str(result.error)
                say(console, f"{case}: {result.error}", "red")
            else:
                raise result.error
    return outputs, seconds, failures


def _case_entries(
    cases: Sequence[Case], outputs: Mapping[str, Sequence[Path]], folder: Path
) -> Iterator[dict[str, object]]:
    """What the report needs to show a case: files, and for a slice of a stack its page in them."""
    for case in cases:
        files = {volume_stem(path).rsplit("_", 1)[-1]: os.path.relpath(path, folder) for path in outputs[case.scan]}
        entry: dict[str, object] = {
            "case": case.id,
            "group": case.group,
            "images": {channel: str(path.resolve()) for channel, path in case.images.items()},
            "label": str(case.label.resolve()) if case.label else None,
            "prediction": files["mask"],
            "probability": files.get("probability"),
            "instances": files.get("instances"),
        }
        if case.page is not None:
            pages = sorted(other.page or 0 for other in cases if other.scan == case.scan)
            entry |= {"page": case.page, "predicted_page": pages.index(case.page)}
        yield entry
