"""What is in the run folders: settings, epochs, scores and files of each trained model, and what is not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from msseg.cases.names import listing
from msseg.doctor.findings import Examination, from_json_dict
from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation
from msseg.model import SETTINGS_FILE, read_settings
from msseg.report.contents import ModelFacts, RunContent, TestedCase, Times, TrainedModel
from msseg.report.lenient import mapping, parse_yaml, read_columns, read_json, read_text
from msseg.runs import CONFIG_FILE, ModelRun

CHECK_FILE = "check.json"
"""What the data doctor found before the run."""


def collect_runs(paths: Sequence[Path]) -> list[RunContent]:
    """Read run folders, or folders of single models in them.

    Args:
        paths: Run folders (`RUN`) and model folders (`RUN/FLAIR`), mixed; what is named twice is read once.

    Raises:
        InputError: No path is given, one is neither kind of folder, or the runs are of different tasks.
    """
    if not paths:
        raise InputError("no run folder given: name at least one folder that `msseg run --out` wrote")
    wanted: dict[Path, dict[Path, None]] = {}
    for path in paths:
        run, models = _what_is_meant(path)
        wanted.setdefault(run, {}).update(dict.fromkeys(models))
    runs = [_read_run(folder, list(models)) for folder, models in wanted.items()]
    by_task: dict[str, list[str]] = {}
    for content in runs:
        by_task.setdefault(content.task, []).append(content.folder.name)
    if len(by_task) > 1:
        named = "; ".join(f"{task}: {listing(folders, limit=5)}" for task, folders in by_task.items())
        raise InputError(f"the runs are of different tasks, which no score compares ({named}): report each task alone")
    return runs


def _what_is_meant(path: Path) -> tuple[Path, list[Path]]:
    """The run folder that a path belongs to, and the model folders that it stands for."""
    folder = path.resolve()
    if not folder.is_dir():
        raise InputError(f"{path} is no run folder: {'it is a file' if folder.exists() else 'it does not exist'}")
    inside = [child for child in sorted(folder.iterdir()) if child.is_dir() and _is_model_folder(child)]
    if (folder / CONFIG_FILE).is_file() or inside:
        return folder, inside
    if _is_model_folder(folder):
        return folder.parent, [folder]
    raise InputError(
        f"{path} is no run folder: it holds neither {CONFIG_FILE} nor a trained model's folder with run.json;"
        " give a folder that `msseg run --out` wrote"
    )


def _is_model_folder(folder: Path) -> bool:
    run = ModelRun(folder)
    return any(part.exists() for part in (run.facts, run.epochs, run.evaluation, run.cases, run.checkpoints))


def _read_run(folder: Path, model_folders: list[Path]) -> RunContent:
    missing: list[str] = []
    text = read_text(folder / CONFIG_FILE, missing)
    config = mapping(parse_yaml(text, CONFIG_FILE, missing))
    split = mapping(read_json(folder / "split.json", missing))
    versions = mapping(read_json(folder / "versions.json", missing))
    models = [_read_model(ModelRun(model), config) for model in model_folders]
    models.sort(key=lambda model: _channel_order(model, config))
    if not models:
        missing.append("no model has been trained yet")
    check = _read_check(folder / CHECK_FILE, missing)
    written = _written(folder, model_folders)
    return RunContent(folder, text, config, split, versions, tuple(models), tuple(missing), written, check)


def _read_model(run: ModelRun, config: Mapping[str, Any]) -> TrainedModel:
    missing: list[str] = []
    facts = _read_facts(run, config, missing)
    epochs = read_columns(run.epochs, "epoch", missing)
    kept = _kept_epoch(run, missing)
    settings = read_text(run.model / SETTINGS_FILE, []) if kept is not None else ""
    if facts.test == ():
        missing.append("no test cases: the split leaves none, so nothing was predicted and scored")
        return TrainedModel(run.folder, facts, epochs, kept, None, (), tuple(missing), Times(), settings)
    evaluation = _read_evaluation(run, missing)
    cases, times = _read_cases(run, missing), _read_times(run, missing)
    return TrainedModel(run.folder, facts, epochs, kept, evaluation, cases, tuple(missing), times, settings)


def _read_facts(run: ModelRun, config: Mapping[str, Any], missing: list[str]) -> ModelFacts:
    """`run.json`; where it is not there (yet), what the config and the folder's name tell."""
    given = mapping(read_json(run.facts, missing))
    network = mapping(config.get("network")).get("name", "unknown network")
    guess = {
        "config_name": config.get("name", ""),
        "network": network,
        "channels": run.folder.name.split("+"),
    }
    try:
        return ModelFacts.model_validate({**guess, **given})
    except ValidationError as error:
        missing.append(f"run.json does not have the expected form ({_first(error)})")
        return ModelFacts.model_validate(guess)


def _kept_epoch(run: ModelRun, missing: list[str]) -> int | None:
    try:
        epoch = read_settings(run.model).provenance.get("epoch")
    except InputError:
        missing.append("no trained model: the training was interrupted, or its folder is damaged")
        return None
    return epoch if isinstance(epoch, int) else None


def _read_evaluation(run: ModelRun, missing: list[str]) -> Evaluation | None:
    if not run.evaluation.is_file():
        missing.append(
            "no evaluation.json: the run stopped before its test cases were scored"
            " (msseg run with --resume completes it)"
        )
        return None
    try:
        evaluation = Evaluation.from_json(run.evaluation)
    except InputError as error:
        missing.append(str(error))
        return None
    missing += [f"case {case} was not scored: {reason}" for case, reason in evaluation.failed.items()]
    if not evaluation.cases:
        missing.append("no test case was scored")
        return None
    return evaluation


def _read_cases(run: ModelRun, missing: list[str]) -> tuple[TestedCase, ...]:
    entries = read_json(run.cases, missing)
    cases = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            case = TestedCase.model_validate(entry)
        except ValidationError as error:
            missing.append(f"cases.json has an entry of unknown form ({_first(error)})")
            continue
        cases.append(_with_resolved_paths(case, run.folder))
    return tuple(cases)


def _read_times(run: ModelRun, missing: list[str]) -> Times:
    """`times.json`, which older runs have not."""
    given = read_json(run.times, missing) if run.times.exists() else {}
    try:
        return Times.model_validate(mapping(given))
    except ValidationError as error:
        missing.append(f"times.json does not have the expected form ({_first(error)})")
        return Times()


def _read_check(path: Path, missing: list[str]) -> Examination | None:
    """What the data doctor found; older runs have no such file."""
    given = read_json(path, missing) if path.exists() else None
    if given is None:
        return None
    try:
        return from_json_dict(mapping(given))
    except (InputError, ValueError) as error:
        missing.append(f"{path.name} cannot be used: {error}")
        return None


def _with_resolved_paths(case: TestedCase, folder: Path) -> TestedCase:
    """Relative paths count from the model's folder; data that does not lie there from the working folder."""

    def resolved(path: Path) -> Path:
        return folder / path if (folder / path).exists() else path

    files = ("label", "prediction", "probability", "instances")
    return case.model_copy(
        update={
            "images": {channel: resolved(path) for channel, path in case.images.items()},
            **{name: resolved(path) for name in files if (path := getattr(case, name)) is not None},
        }
    )


def _channel_order(model: TrainedModel, config: Mapping[str, Any]) -> tuple[int, int, str]:
    """Single channels first, in the config's order, then combinations."""
    listed = list(mapping(config.get("data")).get("channels") or ())
    place = listed.index(model.channel) if model.channel in listed else len(listed)
    return len(model.facts.channels), place, model.channel


def _written(folder: Path, models: list[Path]) -> datetime | None:
    runs = [ModelRun(model) for model in models]
    results = [path for run in runs for path in (run.evaluation, run.facts, run.epochs)]
    found = [path.stat().st_mtime for path in [*results, folder / CONFIG_FILE] if path.is_file()]
    return datetime.fromtimestamp(max(found)) if found else None


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
