"""The whole job: for each model of an experiment train, predict the test cases, evaluate; then one report."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.find import channel_sets, find_cases
from msseg.cases.splits import Split, make_split, split_from_json
from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError, PartialFailureError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.pairs import Pair
from msseg.inference.batch import predict_batch
from msseg.inference.inputs import inputs_from_cases
from msseg.inference.predictor import load_model
from msseg.report.page import make_report
from msseg.runs import ModelRun, Run, open_run, write_json
from msseg.training.fit import train_model


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
    with open_run(out, config, resume) as run:
        split, models = _plan(run, console)
        failures: list[str] = []
        for channels in models:
            model_run = run.model_run(channels)
            train_model(config, channels, split, model_run, run.cache, console, resume)
            failures += _test(config, channels, split.test, model_run, console)
        make_report([run.folder], run.report)
        console.print(f"report: {run.report}", highlight=False, soft_wrap=True)
    if failures:
        raise PartialFailureError("; ".join(failures))
    return run.report


def train_experiment(config: ExperimentConfig, out: Path, console: Console, resume: bool = False) -> list[Path]:
    """Train all models of an experiment and return their model folders.

    Raises:
        InputError: Something that the user gave cannot be used.
    """
    with open_run(out, config, resume) as run:
        split, models = _plan(run, console)
        for channels in models:
            train_model(config, channels, split, run.model_run(channels), run.cache, console, resume)
        return [run.model_run(channels).model for channels in models]


def _plan(run: Run, console: Console) -> tuple[Split, Sequence[tuple[str, ...]]]:
    """Find the cases, split them (or read the split of the run that is resumed) and say who is where."""
    cases = find_cases(run.config.data, run.config.data.path())
    if run.split.exists():
        split = split_from_json(cases, json.loads(run.split.read_text(encoding="utf-8")))
    else:
        split = make_split(cases, run.config.split)
        write_json(run.split, split.to_json_dict())
    for role, part in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        groups = ", ".join(sorted({case.group for case in part}))
        count = f"{len(part)} case{'' if len(part) == 1 else 's'}"
        console.print(f"{role}: {count}{f' of {groups}' if groups else ''}", highlight=False, soft_wrap=True)
    return split, channel_sets(run.config.data)


def _test(
    config: ExperimentConfig, channels: tuple[str, ...], cases: Sequence[Case], run: ModelRun, console: Console
) -> list[str]:
    """Predict and evaluate the test cases of one model; returns what went wrong, case by case."""
    if not cases:
        console.print(f"{run.folder.name}: no test cases, so nothing is predicted or evaluated", highlight=False)
        return []
    if run.evaluation.exists() and run.evaluation.stat().st_mtime >= (run.model / "model.yaml").stat().st_mtime:
        console.print(f"{run.folder.name}: already evaluated", highlight=False)
        return []
    masks, failures = _predict(config, channels, cases, run, console)
    pairs = [Pair(case.id, masks[case.scan], case.label, case.group) for case in cases if case.label and case.scan in masks]
    if not pairs:
        raise InputError(f"no test case could be predicted: {failures[0]}")
    write_json(run.cases, [_case_entry(case, masks[case.scan], run.folder) for case in cases if case.scan in masks])
    evaluation = evaluate_pairs(pairs, bootstrap=config.evaluation.bootstrap, seed=config.evaluation.seed)
    evaluation.to_csv(run.folder / "evaluation.csv")
    evaluation.to_json(run.evaluation)
    dsc, iou = evaluation.summary["dsc"]["mean"], evaluation.summary["iou"]["mean"]
    console.print(f"{run.folder.name}: test DSC {dsc:.4f}, IoU {iou:.4f} ({len(pairs)} cases)", highlight=False)
    return failures + [f"{case}: {reason}" for case, reason in evaluation.failed.items()]


def _predict(
    config: ExperimentConfig, channels: tuple[str, ...], cases: Sequence[Case], run: ModelRun, console: Console
) -> tuple[dict[str, Path], list[str]]:
    """Masks by scan: two raters' cases of one scan share a prediction."""
    scans = {case.scan: case.images for case in cases}
    inputs = inputs_from_cases(list(scans.items()), channels)
    predictor = load_model(run.model, config.training.device, config.training.precision)
    masks: dict[str, Path] = {}
    failures: list[str] = []
    for result in predict_batch(predictor, inputs, run.predictions, probability=True):
        if result.error is None:
            masks[result.input.name] = result.outputs[0]
        elif isinstance(result.error, InputError):
            failures.append(f"{result.input.name}: {result.error}")
            console.print(f"[red]{failures[-1]}[/red]", highlight=False, soft_wrap=True)
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
