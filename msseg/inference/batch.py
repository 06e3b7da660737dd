"""Many cases with one model: the next is read and the last written while one is computed; a bad one stops no other."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from msseg.errors import InputError
from msseg.inference.bids import write_description
from msseg.inference.cost import resident_memory
from msseg.inference.dry_run import describe_dry_run
from msseg.inference.inputs import OUTPUT_ENDINGS, SUBMISSION_ENDING, Input
from msseg.inference.planning import forecast_case, planned, seconds_per_voxel
from msseg.inference.prediction import Prediction
from msseg.inference.predictor import Predictor, PreparedCase

MASK_ENDING, PROBABILITY_ENDING, INSTANCES_ENDING, _ = OUTPUT_ENDINGS


@dataclass(frozen=True)
class BatchResult:
    """What became of one case.

    Attributes:
        input: The case.
        outputs: The files that were written.
        seconds: From the end of the case before it to the end of this one.
        error: Why it failed (an `InputError` where its files are at fault), or None.
    """

    input: Input
    outputs: tuple[Path, ...]
    seconds: float
    error: Exception | None = None


def predict_batch(
    predictor: Predictor,
    inputs: Sequence[Input],
    out: Path | str,
    *,
    probability: bool = False,
    threshold: float | None = None,
    submission: bool = False,
) -> Iterator[BatchResult]:
    """Predict cases one after the other; what can be refused beforehand is refused before computing.

    Args:
        predictor: The model.
        inputs: The cases.
        out: Folder for `X_mask.nii.gz` (and `X_probability.nii.gz`, and `X_instances.nii.gz` where the model segments
            objects), or the same in TIFF; made if it is not there.
        probability: Write the probability as well.
        threshold: Instead of the model's own.
        submission: Write `X_isbi2012.tif` alone: the probability as the ISBI 2012 challenge takes it.

    Returns:
        The results in the order of `inputs`, each when its files are written and the next case is computed.

    Raises:
        InputError: The folder cannot be written to, an output would replace an input, or the threshold is
            impossible.
    """
    out = Path(out)
    endings = [SUBMISSION_ENDING] if submission else _endings(predictor, probability)
    threshold = predictor.threshold(threshold)
    predictor.smallest_lesion()  # refuses models that differ
    _refuse_replacing(inputs, out, endings)
    _require_writable(out)
    if any(item.bids is not None for item in inputs) and not submission:
        write_description(out)
    return _predict_each(predictor, inputs, out, endings, threshold)


def forecast_batch(predictor: Predictor, inputs: Sequence[Input]) -> str:
    """What `predict_batch` would do, and what that would cost: the cases are read, and one window is computed.

    Raises:
        InputError: A case cannot be used.
    """
    cases, seconds, resident = [], None, None
    for item in inputs:
        case = predictor.prepare(item.images, item.slices, item.series).prepared
        if seconds is None:
            resident = resident_memory()  # before networks compute, who may keep what they take
            seconds = [seconds_per_voxel(*model, case.data) for model in predictor.models]
        cases.append(forecast_case(item.name, case.data, case.grid.source_shape, predictor.models, seconds, resident))
    engine, settings, inference = predictor.models[0]
    chosen, _ = planned(engine, settings, inference, cases[0].crop, engine.on_cpu)
    return describe_dry_run(cases, engine.name, engine.precision, chosen.window)


def _endings(predictor: Predictor, probability: bool) -> list[str]:
    instances = [INSTANCES_ENDING] if predictor.segments else []
    return [MASK_ENDING, *([PROBABILITY_ENDING] if probability else []), *instances]


def _predict_each(
    predictor: Predictor, inputs: Sequence[Input], out: Path, endings: Sequence[str], threshold: float
) -> Iterator[BatchResult]:
    """While a case is computed, the next is read and the one before is written."""
    with ThreadPoolExecutor(max_workers=1) as reader, ThreadPoolExecutor(max_workers=1) as writer:
        submitted = (reader.submit(predictor.prepare, item.images, item.slices, item.series) for item in inputs)
        coming = next(submitted, None)
        begun = time.perf_counter()
        _require_engines(predictor, out)
        before: _Written | None = None
        for item in inputs:
            assert coming is not None
            current = coming
            wait([current])
            coming = next(submitted, None)  # is read from now on, while the current case is computed
            written = _predict_one(predictor, current, item, out, endings, threshold, writer)
            if before is not None:
                yield (result := before.result(begun))
                begun += result.seconds
            before = written
        if before is not None:
            yield before.result(begun)


def _require_engines(predictor: Predictor, out: Path) -> None:
    """Where networks cannot be loaded no case can be predicted, and no empty folder stays."""
    try:
        _ = predictor.engines
    except InputError:
        with contextlib.suppress(OSError):  # it holds something
            out.rmdir()
        raise


@dataclass(frozen=True)
class _Written:
    """A case that is being written, or has failed before."""

    input: Input
    files: Future[tuple[tuple[Path, ...], float]]

    def result(self, begun: float) -> BatchResult:
        """What became of it, once its files are there; `begun` is when the case before was done."""
        outputs: tuple[Path, ...] = ()
        error, ended = None, time.perf_counter()
        try:
            outputs, ended = self.files.result()
        except Exception as problem:  # also a fault of ours should not cost a night's batch
            error = problem
        return BatchResult(self.input, outputs, ended - begun, error)


def _predict_one(
    predictor: Predictor,
    reading: Future[PreparedCase],
    item: Input,
    out: Path,
    endings: Sequence[str],
    threshold: float,
    writer: ThreadPoolExecutor,
) -> _Written:
    """Compute a case, and have it written from now on."""
    try:
        prediction = predictor.predict_prepared(reading.result(), threshold)
    except Exception as problem:
        failed: Future[tuple[tuple[Path, ...], float]] = Future()
        failed.set_exception(problem)
        return _Written(item, failed)
    return _Written(item, writer.submit(_write, prediction, item, out, endings))


def _write(prediction: Prediction, item: Input, out: Path, endings: Sequence[str]) -> tuple[tuple[Path, ...], float]:
    """Write a case's files; gives them, and when they were there."""
    outputs = tuple(item.output(out, ending) for ending in endings)
    for path, ending in zip(outputs, endings, strict=True):
        save = {
            MASK_ENDING: prediction.save,
            PROBABILITY_ENDING: prediction.save_probability,
            INSTANCES_ENDING: prediction.save_instances,
            SUBMISSION_ENDING: prediction.save_probability,
        }[ending]
        save(path)
    return outputs, time.perf_counter()


def _refuse_replacing(inputs: Sequence[Input], out: Path, endings: Sequence[str]) -> None:
    images = {os.path.realpath(path) for item in inputs for path in item.images.values()}
    for item in inputs:
        for path in (item.output(out, ending) for ending in endings):
            if os.path.realpath(path) in images:
                raise InputError(f"the output {path} would replace an input: choose another output folder")


def _require_writable(folder: Path) -> None:
    trial = folder / f".{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise InputError(f"the output folder {folder} cannot be written to: {error.strerror or error}") from error
