"""Many cases with one model: the next is read while one is computed; a bad one does not stop the others."""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from msseg.errors import InputError
from msseg.inference.bids import write_description
from msseg.inference.inputs import OUTPUT_ENDINGS, SUBMISSION_ENDING, Input
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
        The results in the order of `inputs`, each as soon as its files are written.

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


def _endings(predictor: Predictor, probability: bool) -> list[str]:
    instances = [INSTANCES_ENDING] if predictor.segments else []
    return [MASK_ENDING, *([PROBABILITY_ENDING] if probability else []), *instances]


def _predict_each(
    predictor: Predictor, inputs: Sequence[Input], out: Path, endings: Sequence[str], threshold: float
) -> Iterator[BatchResult]:
    with ThreadPoolExecutor(max_workers=1) as reader:
        submitted = (reader.submit(predictor.prepare, item.images, item.slices, item.series) for item in inputs)
        coming = next(submitted, None)
        for item in inputs:
            assert coming is not None
            current, start = coming, time.perf_counter()
            wait([current])
            coming = next(submitted, None)  # is read from now on, while the current case is computed
            outputs: tuple[Path, ...] = ()
            error = None
            try:
                outputs = _predict_one(predictor, current, item, out, endings, threshold)
            except Exception as problem:  # also a fault of ours should not cost a night's batch
                error = problem
            yield BatchResult(item, outputs, time.perf_counter() - start, error)


def _predict_one(
    predictor: Predictor,
    reading: Future[PreparedCase],
    item: Input,
    out: Path,
    endings: Sequence[str],
    threshold: float,
) -> tuple[Path, ...]:
    prediction = predictor.predict_prepared(reading.result(), threshold)
    outputs = tuple(item.output(out, ending) for ending in endings)
    for path, ending in zip(outputs, endings, strict=True):
        save = {
            MASK_ENDING: prediction.save,
            PROBABILITY_ENDING: prediction.save_probability,
            INSTANCES_ENDING: prediction.save_instances,
            SUBMISSION_ENDING: prediction.save_probability,
        }[ending]
        save(path)
    return outputs


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
