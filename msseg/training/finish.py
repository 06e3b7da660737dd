"""What is found out after training, on cases that are known: a calibration, where segments begin, and how fast a model
may be predicted with."""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from msseg.config.experiment import ExperimentConfig
from msseg.config.inference import InferenceConfig, Window
from msseg.config.trust import Arithmetic, Trust
from msseg.inference.device import has_fast_bf16
from msseg.inference.segments import connected_regions, watershed_segments
from msseg.inference.trust import SECONDS, KnownCase, Way, judge, ways_to_judge
from msseg.inference.windows import predict_windows, window_size
from msseg.metrics.cells import seg_score
from msseg.metrics.partition import count_pairs, rand_agreement, split_merge_f
from msseg.training.task import SegmentationTask
from msseg.volumes.cache import CachedCase

SEGMENT_THRESHOLDS = (*(round(0.05 * step, 2) for step in range(2, 20)), 0.97, 0.98, 0.99)
"""Tried for `inference.segment_threshold`; finer near 1, where the last gaps in membranes close."""
CALIBRATION_CASES = 8
"""Cases that a calibration is fitted on: each has a value for every pixel, so a few are plenty."""

Score = Callable[[np.ndarray, np.ndarray], tuple[float, int]]
"""Segments and truth (X, Y, Z), numbered, to a sum of scores and the number of its terms."""

_DTYPES: dict[Arithmetic, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_LOG = logging.getLogger(__name__)


def finish(
    config: ExperimentConfig, task: SegmentationTask, train: Sequence[CachedCase], validation: Sequence[CachedCase]
) -> InferenceConfig:
    """Calibrate a network that asks for it, and choose the threshold of its segments.

    Args:
        config: The experiment.
        task: The trained network, in evaluation mode; its calibration is changed in place.
        train: Training cases.
        validation: Validation cases; both fits prefer them, because the network has not learned them.

    Returns:
        The settings of prediction, with the chosen `segment_threshold`.
    """
    settings = config.inference
    fit_calibration = getattr(task.network, "fit_calibration", None)
    if fit_calibration is not None:
        fit_calibration(*_pixels(config, task, [*validation, *train][:CALIBRATION_CASES]))
    if settings.segment == "none" or settings.segment_threshold is not None:
        return settings
    if not validation:
        _LOG.warning(
            "without validation cases, inference.segment_threshold is set to inference.threshold (%g)",
            settings.threshold,
        )
        return settings.model_copy(update={"segment_threshold": settings.threshold})
    chosen = _best_threshold(config, list(_predicted(config, task, validation)))
    return settings.model_copy(update={"segment_threshold": chosen})


def trusted_ways(
    config: ExperimentConfig,
    task: SegmentationTask,
    validation: Sequence[CachedCase],
    inference: InferenceConfig,
    seconds: float = SECONDS,
) -> Trust | None:
    """How larger windows and a reduced precision compare with windows as in training in fp32, for `model.yaml`.

    Args:
        config: The experiment.
        task: The trained network, in evaluation mode.
        validation: Validation cases; none: nothing is known.
        inference: The settings of prediction, as `finish` gave them.
        seconds: About how long that may take.
    """
    fast: Arithmetic = "bf16" if has_fast_bf16(task.device) else "fp32"
    ways = ways_to_judge(inference, fast, task.network.margin)
    cases = (KnownCase(case.case, np.array(case.data()), np.array(case.label())) for case in validation)

    def predict(data: np.ndarray, way: Way) -> np.ndarray:
        return _probability(config, task, data, way.window, _DTYPES[way.precision])

    return judge(cases, predict, inference, ways, seconds=seconds)


def _predicted(
    config: ExperimentConfig, task: SegmentationTask, cases: Sequence[CachedCase]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Probability (X, Y, Z) and truth of each case."""
    for case in cases:
        data = np.array(case.data())
        probability = _probability(config, task, data, config.inference.window, task.dtype_of_windows)
        yield probability, np.array(case.label())


def _probability(
    config: ExperimentConfig, task: SegmentationTask, data: np.ndarray, window: Window, dtype: torch.dtype
) -> np.ndarray:
    """Probability (X, Y, Z) of a prepared volume (C, X, Y, Z)."""
    settings = config.inference
    size = window_size(data.shape[1:], config.patches.size, window, task.network.multiples, settings.overlap)
    probability = predict_windows(
        task.network,
        torch.from_numpy(data),
        size,
        settings.overlap,
        settings.blending,
        mirror=settings.mirror,
        rotate=settings.rotate,
        device=task.device,
        dtype=dtype,
    )
    return probability.cpu().numpy()


def _pixels(
    config: ExperimentConfig, task: SegmentationTask, cases: Sequence[CachedCase]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Probability and truth of all pixels of some cases, flat."""
    pairs = list(_predicted(config, task, cases))
    probability, truth = (torch.from_numpy(np.concatenate([pair[which].ravel() for pair in pairs])) for which in (0, 1))
    return probability, truth


def _best_threshold(config: ExperimentConfig, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The threshold whose segments score best: by V_rand for membranes, by SEG for cells and lesions."""
    score: Score = _v_rand if config.task == "membranes" else seg_score
    settings = config.inference
    numbered = [(probability, connected_regions(truth)) for probability, truth in pairs]
    best = (-1.0, 0.0)
    for threshold in SEGMENT_THRESHOLDS:
        parts = []
        for probability, truth in numbered:
            segments = watershed_segments(probability, threshold, settings.threshold, settings.smallest_segment)
            parts.append(score(segments, truth))
        total, count = np.sum(parts, axis=0)
        best = max(best, (total / max(count, 1), threshold))
    return best[1]


def _v_rand(segments: np.ndarray, truth: np.ndarray) -> tuple[float, int]:
    """Sum of V_rand over the slices that have an inside, and their number."""
    scores = []
    for z in range(truth.shape[2]):
        inside = truth[:, :, z] > 0
        if inside.any():
            agreement = rand_agreement(count_pairs(truth[:, :, z][inside], segments[:, :, z][inside]))
            scores.append(float(split_merge_f(np.array(agreement))[2]))
    return float(np.sum(scores)), len(scores)
