"""Choose the threshold and the smallest lesion of a run's models on its validation cases, and write them down.

How fast the models may be predicted with is measured there as well, at the threshold that was chosen.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.find import find_cases
from msseg.cases.labels import label_meaning_of
from msseg.cases.names import listing
from msseg.cases.splits import split_from_json
from msseg.config.experiment import ExperimentConfig
from msseg.config.trust import Trust
from msseg.errors import InputError
from msseg.evaluation.tuning import Tuning, with_present
from msseg.evaluation.tuning_table import format_tuning
from msseg.inference.engines.base import Engine
from msseg.inference.engines.load import Wish, load_engine
from msseg.inference.inputs import inputs_from_cases
from msseg.inference.predictor import Predictor, load_model
from msseg.inference.progress import case_progress, say
from msseg.inference.trust import KnownCase, Way, describe_trust, judge, ways_to_judge
from msseg.metrics.lesions import LesionRules
from msseg.metrics.threshold_grid import score_grid
from msseg.model import SETTINGS_FILE, ModelSettings, read_settings, write_settings
from msseg.runs import CONFIG_FILE, ModelRun, Run, finished_run, versions, write_json
from msseg.volumes.align import aligned
from msseg.volumes.cache import Truth, cache_case
from msseg.volumes.labels import read_truth
from msseg.volumes.volume import Volume

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
SIZES_MM3 = (0.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0)
TUNING_FILE = "tuning.json"


@dataclass(frozen=True)
class Grid:
    """What is tried, and what decides.

    Attributes:
        criterion: One of `msseg.metrics.selection.CRITERIA`.
        thresholds: Thresholds to try besides the present one.
        sizes_mm3: Smallest lesions to try besides the present one.
    """

    criterion: str = "dsc"
    thresholds: tuple[float, ...] = THRESHOLDS
    sizes_mm3: tuple[float, ...] = SIZES_MM3

    def require_possible(self) -> None:
        """Refuse what cannot be tried.

        Raises:
            InputError: A threshold is outside 0 to 1, a size below 0, or there are none.
        """
        wrong = [threshold for threshold in self.thresholds if not 0 <= threshold <= 1]
        if wrong or not self.thresholds:
            raise InputError(f"thresholds lie between 0 and 1, but {wrong[0]:g} is given" if wrong else "no threshold")
        small = [size for size in self.sizes_mm3 if not 0 <= size < np.inf]
        if small or not self.sizes_mm3:
            raise InputError(f"sizes are 0 mm3 or more, but {small[0]:g} is given" if small else "no size is given")


def tune_run(
    folder: Path,
    console: Console,
    channels: Sequence[str] = (),
    grid: Grid | None = None,
    data: Path | None = None,
    device: str | None = None,
    dry_run: bool = False,
) -> dict[str, Tuning]:
    """Choose the threshold and the smallest lesion of a run's models by what its validation cases score.

    Each case is predicted once. The choice is written into `model.yaml` with what it was made on, and all scores into
    `tuning.json` beside the model's folder; test cases are not looked at. Then a few of the cases are predicted in the
    ways that may be faster, and how they compare with windows as in training in fp32 is written into `model.yaml`, too.

    Args:
        folder: The run folder, or a model's folder in it.
        console: Where progress and results are printed.
        channels: Models to tune, by their folders' names; none: all of the run.
        grid: What is tried, and what decides; None: as `Grid` has it.
        data: The data set's folder, in place of the run's `data.root`.
        device: In place of the run's.
        dry_run: Print, and write nothing.

    Returns:
        The scores, by the model's folder name.

    Raises:
        InputError: The run is in use, not finished, not one of lesions or without validation cases, a file cannot be
            used, or nothing can be written.
    """
    grid = grid or Grid()
    grid.require_possible()
    if not (folder / CONFIG_FILE).exists() and (folder.parent / CONFIG_FILE).exists():
        folder, channels = folder.parent, [folder.name, *channels]
    with finished_run(folder) as run:
        if run.config.task != "lesions":
            raise InputError(f"{folder} is a run of {run.config.task}; threshold and smallest lesion are for lesions")
        models = _models(run, channels)
        cases = _validation_cases(run, data)
        tunings = {}
        for model in models:
            tuning = _tune(run.config, model, cases, grid, device, console)
            tunings[model.folder.name] = tuning
            say(console, f"{model.folder.name}: {format_tuning(tuning)}")
            tuned = _tuned(read_settings(model.model), tuning)
            if not dry_run:
                tuned = tuned.model_copy(update={"trusted": _trusted(run.config, model, tuned, cases, device)})
                say(console, describe_trust(tuned.trusted))
            say(console, _write(model, tuning, tuned, dry_run))
        return tunings


def _models(run: Run, wanted: Sequence[str]) -> list[ModelRun]:
    """The chosen models, all of them trained."""
    names = ["+".join(part.strip() for part in name.split("+")) for name in wanted]
    known = sorted(path.parent.name for path in run.folder.glob("*/run.json"))
    for name in names or known:
        if name not in known:
            raise InputError(f"{run.folder} has no model of {name}; it has {listing(known)}")
        if not (run.folder / name / "model" / SETTINGS_FILE).exists():
            raise InputError(
                f"{name} in {run.folder} is not trained to its end: finish the run with --resume, or name another model"
                " with --channel"
            )
    if not known:
        raise InputError(f"{run.folder} has no trained model: finish the run with --resume")
    return [ModelRun(run.folder / name) for name in dict.fromkeys(names or known)]


def _validation_cases(run: Run, data: Path | None) -> list[Case]:
    if not run.split.exists():
        raise InputError(f"{run.split} is missing: who was validated on is not known")
    try:
        content = json.loads(run.split.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{run.split} is damaged ({error})") from error
    settings = run.config.data
    cases = split_from_json(find_cases(settings, data or settings.path()), content).validation
    if not cases:
        raise InputError(
            f"{run.folder} has no validation cases, and test cases are not for tuning: train with some"
            " (split.validation or split.fractions)"
        )
    if any(case.slice_index is not None for case in cases):
        raise InputError(f"{run.folder} is a run on slices; `msseg tune` works on whole volumes")
    return list(cases)


def _tune(
    config: ExperimentConfig, model: ModelRun, cases: Sequence[Case], grid: Grid, device: str | None, console: Console
) -> Tuning:
    settings = config.training
    predictor = load_model(model.model, device or settings.device, settings.precision, settings.threads)
    present = read_settings(model.model).inference
    thresholds = with_present(grid.thresholds, present.threshold)
    sizes = with_present(grid.sizes_mm3, present.smallest_lesion_mm3)
    rules = LesionRules.from_config(config.evaluation)
    scores: dict[str, np.ndarray] = {}
    with case_progress(console, f"{model.folder.name}: predicting and scoring", len(cases)) as done:
        for probability, of in _predicted(predictor, cases):
            for case in of:
                truth = _truth(config, case)
                there = aligned(truth, probability, config.preprocessing.align)
                scores[case.id] = score_grid(
                    there.data, truth.data, truth.spacing, thresholds, sizes, grid.criterion, rules
                )
                done()
    return Tuning(
        grid.criterion,
        thresholds,
        sizes,
        tuple(case.id for case in cases),
        tuple(case.group for case in cases),
        np.stack([scores[case.id] for case in cases]),
        (thresholds.index(present.threshold), sizes.index(present.smallest_lesion_mm3)),
    )


def _predicted(predictor: Predictor, cases: Sequence[Case]) -> Iterator[tuple[Volume, list[Case]]]:
    """The probability of each scan, and its cases: two raters' are two cases of one scan."""
    scans = list(dict.fromkeys(case.scan for case in cases))
    for scan, item in zip(scans, inputs_from_cases(cases, predictor.channels), strict=True):
        prediction = predictor.predict_prepared(predictor.prepare(item.images, item.slices, item.series))
        path = next(iter(item.images.values()))
        volume = Volume(prediction.probability, prediction.affine, prediction.header, path)
        yield volume, [case for case in cases if case.scan == scan]


def _truth(config: ExperimentConfig, case: Case) -> Volume:
    assert case.label is not None
    data = config.data
    return read_truth(case.label, label_meaning_of(data), data.membrane_width, values=data.label_values)


def _trusted(
    config: ExperimentConfig, model: ModelRun, tuned: ModelSettings, cases: Sequence[Case], device: str | None
) -> Trust | None:
    """How faster ways of predicting compare with windows as in training in fp32, at the threshold that was chosen."""
    unknown = tuned.model_copy(update={"trusted": None})

    @cache
    def engine(precision: str) -> Engine:
        wish = Wish("torch", device or config.training.device, precision, config.training.threads)
        return load_engine(model.model, unknown, wish)

    def predict(data: np.ndarray, way: Way) -> np.ndarray:
        in_these = tuned.inference.model_copy(update={"window": way.window})
        return engine(way.precision).probability(data, tuned.patch_size, in_these)

    ways = ways_to_judge(tuned.inference, engine("auto").precision, engine("auto").margin)
    with tempfile.TemporaryDirectory(prefix="msseg-tune-") as folder:
        return judge(_known(config, tuned, cases, Path(folder)), predict, tuned.inference, ways)


def _known(config: ExperimentConfig, settings: ModelSettings, cases: Sequence[Case], to: Path) -> Iterator[KnownCase]:
    """Each scan once, on the network's grid."""
    data = config.data
    truth = Truth(label_meaning_of(data), data.membrane_width, data.label_values)
    for case in {case.scan: case for case in cases}.values():
        cached = cache_case(case, settings.channels, settings.preprocessing, to, truth)
        yield KnownCase(case.id, np.array(cached.data()), np.array(cached.label()))


def _write(model: ModelRun, tuning: Tuning, tuned: ModelSettings, dry_run: bool) -> str:
    """Write the choice, unless it is the present one; tells what was done."""
    path = model.model / SETTINGS_FILE
    if dry_run:
        return "nothing was written (--dry-run)"
    write_json(model.folder / TUNING_FILE, tuning.to_json_dict())
    write_settings(model.model, tuned)
    if tuning.after == tuning.before:
        return f"the present settings are the best of those tried; {path} notes this"
    return (
        f"written to {path}; the run's scores of test cases are still those from before: `msseg run CONFIG --out"
        f" {model.folder.parent} --resume` makes them anew"
    )


def _tuned(settings: ModelSettings, tuning: Tuning) -> ModelSettings:
    """The settings with the choice, and on what it was made."""
    after, left_out = tuning.after, tuning.left_out()
    present, earlier = settings.inference, settings.provenance.get("tuning", {})
    untuned = {"threshold": present.threshold, "smallest_lesion_mm3": present.smallest_lesion_mm3}
    note = {
        "untuned": earlier.get("untuned", untuned),
        "metric": tuning.criterion,
        "before": tuning.before.to_json_dict(),
        "after": after.to_json_dict(),
        "score_on_patients_left_out": None if left_out is None else round(left_out, 6),
        "validation_cases": list(tuning.cases),
        "msseg": versions()["msseg"],
    }
    inference = settings.inference.model_copy(
        update={"threshold": after.threshold, "smallest_lesion_mm3": after.smallest_lesion_mm3}
    )
    return settings.model_copy(update={"inference": inference, "provenance": {**settings.provenance, "tuning": note}})
