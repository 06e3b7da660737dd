"""Read pairs of files and score them; one bad pair does not stop the others."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from msseg.cases.names import counted
from msseg.config.data import LabelMeaning
from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.lesion_table import paint_errors, painted_name
from msseg.evaluation.pairs import Pair
from msseg.evaluation.predictions import read_probability, read_segments
from msseg.evaluation.scores import CaseScores
from msseg.evaluation.tasks import TaskName
from msseg.metrics.cells import CellCounts, count_cells
from msseg.metrics.lesions import LesionRules, lesion_report
from msseg.metrics.slice_counts import CHALLENGE_THRESHOLDS, SliceCounts, count_slice
from msseg.volumes.align import Align, aligned
from msseg.volumes.files import read_label
from msseg.volumes.labels import read_instances, read_truth

DEFAULT_MEANINGS: dict[TaskName, LabelMeaning] = {"lesions": "mask", "membranes": "inside", "cells": "instances"}


def evaluate_pairs(
    pairs: Sequence[Pair],
    *,
    task: TaskName = "lesions",
    label_meaning: LabelMeaning | None = None,
    label_values: Sequence[int] | None = None,
    membrane_width: int = 2,
    threshold: float = 0.5,
    thresholds: Sequence[float] = CHALLENGE_THRESHOLDS,
    warping: bool = True,
    rules: LesionRules | None = None,
    paint: Path | None = None,
    align: Align = "refuse",
    bootstrap: int = 2000,
    seed: int = 0,
    on_done: Callable[[Pair], None] | None = None,
) -> Evaluation:
    """Score predictions against truths.

    Args:
        pairs: Files and names; every case once. For membranes and cells a pair is a stack, and its slices are the
            cases: a stack 's' of several slices has the cases s_001, s_002, ..., numbered as the truth's pages.
        task: What was segmented.
        label_meaning: What the truth's values stand for; None: mask for lesions, inside for membranes, instances for
            cells.
        label_values: Which values of a truth that is a mask are foreground; None: all above 0.5.
        membrane_width: Of a truth of instances scored as membranes, the pixels between touching objects.
        threshold: A predicted voxel is foreground where its value is above this; for masks anything from 0 to
            below 1. Not for membranes.
        thresholds: Of membranes, all thresholds to try.
        warping: Of membranes, whether the warping error is measured (half of the time).
        rules: Of lesions, what counts as one and as found; None: the defaults.
        paint: Of lesions, the folder for CASE_errors.nii.gz (or the truth's family): 1 true positive voxels, 2 false
            positive, 3 false negative.
        align: Of lesions, what happens to a prediction that does not lie on its truth's grid: refused, or resampled
            onto it (the nearest voxel), with a warning.
        bootstrap: Bootstrap samples of the intervals; 0: none.
        seed: Seed of the bootstrap.
        on_done: Called after each pair, scored or not, for a progress bar.

    Returns:
        Scores of all pairs that could be read and lie on one grid; the others are named in `failed`, with the
        reason.

    Raises:
        InputError: There is no pair, a case occurs twice, a threshold is outside 0 to 1, or no pair at all could be
            scored.
    """
    if not pairs:
        raise InputError("there is nothing to evaluate: no pair of a prediction and a truth was given")
    repeated = [case for case, count in Counter(pair.case for pair in pairs).items() if count > 1]
    if repeated:
        raise InputError(f"the case {repeated[0]} occurs more than once; give every pair a name of its own")
    if paint is not None:
        _require_own_names(pairs)
    meaning = label_meaning or DEFAULT_MEANINGS[task]
    tried = _thresholds(thresholds) if task == "membranes" else None
    values = None if label_values is None else tuple(label_values)
    rules = (rules or LesionRules()) if task == "lesions" else None

    def score(pair: Pair) -> list[CaseScores]:
        match task:
            case "lesions":
                return [evaluate_pair(pair, threshold, meaning, values, rules, paint, align)]
            case "membranes":
                return _score_membranes(pair, meaning, values, membrane_width, tried or (), warping)
            case "cells":
                return _score_cells(pair, meaning, threshold)

    cases: list[CaseScores] = []
    failed: dict[str, str] = {}
    for pair in pairs:
        try:
            cases += score(pair)
        except InputError as error:
            failed[pair.case] = str(error)
        if on_done is not None:
            on_done(pair)
    if not cases:
        reason = next(iter(failed.values()))
        raise InputError(
            reason if len(pairs) == 1 else f"none of {len(pairs)} pairs could be evaluated; first: {reason}"
        )
    shown = None if task == "membranes" else threshold
    used = Settings(shown, bootstrap, seed, tried, label_meaning, values, rules)
    return Evaluation.from_cases(cases, failed, used, task)


def evaluate_pair(
    pair: Pair,
    threshold: float = 0.5,
    label_meaning: LabelMeaning = "mask",
    label_values: Sequence[int] | None = None,
    rules: LesionRules | None = None,
    paint: Path | None = None,
    align: Align = "refuse",
) -> CaseScores:
    """Score one prediction of lesions against its truth; the arguments are those of `evaluate_pairs`.

    Raises:
        InputError: A file cannot be read, the two do not lie on one grid, or the picture cannot be written.
    """
    truth = read_truth(pair.truth, label_meaning, pages=pair.pages, values=label_values)
    prediction = aligned(truth, read_label(pair.prediction, threshold), align, way_out="give --align resample")
    report = lesion_report(prediction.data, truth.data, truth.spacing, rules)
    if paint is not None:
        paint_errors(paint, pair.case, prediction.data, truth)
    files = str(pair.prediction), str(pair.truth)
    return CaseScores(pair.case, report.values, pair.group, *files, lesions=report.rows(pair.case, truth.affine))


def _require_own_names(pairs: Sequence[Pair]) -> None:
    """Refuse cases whose painted files would overwrite each other."""
    taken: dict[str, str] = {}
    for pair in pairs:
        other = taken.setdefault(painted_name(pair.case).casefold(), pair.case)
        if other != pair.case:
            raise InputError(
                f"the cases {other} and {pair.case} would be painted into one file; give them names that differ in"
                " letters or digits"
            )


def _score_membranes(
    pair: Pair,
    meaning: LabelMeaning,
    values: Sequence[int] | None,
    membrane_width: int,
    thresholds: Sequence[float],
    warping: bool,
) -> list[CaseScores]:
    truth = read_truth(pair.truth, meaning, membrane_width, pair.pages, values).data
    probability = read_probability(pair.prediction)
    _require_same_shape(pair, probability, truth)
    if not truth.any():
        raise InputError(
            f"{pair.truth} has no pixel inside a neurite, so nothing can be split or merged: give the right truth, or"
            f" another label meaning than {meaning}"
        )
    slices = zip(np.moveaxis(probability, -1, 0), np.moveaxis(truth, -1, 0), strict=True)
    return _cases(pair, [count_slice(one, true, thresholds, warping=warping) for one, true in slices])


def _score_cells(pair: Pair, meaning: LabelMeaning, threshold: float) -> list[CaseScores]:
    truth = read_instances(pair.truth, meaning, pair.pages).data
    segments = read_segments(pair.prediction, threshold)
    _require_same_shape(pair, segments, truth)
    if not truth.any():
        raise InputError(f"{pair.truth} has no cell, so SEG is not defined: give the right truth")
    slices = zip(np.moveaxis(segments, -1, 0), np.moveaxis(truth, -1, 0), strict=True)
    return _cases(pair, [count_cells(one, true) for one, true in slices])


def _cases(pair: Pair, counts: Sequence[SliceCounts | CellCounts]) -> list[CaseScores]:
    """The slices of a stack as cases, numbered as the pages of its truth; a single slice keeps the stack's name."""
    pages = pair.pages or (range(len(counts)) if len(counts) > 1 else None)
    names = [pair.case] if pages is None else [f"{pair.case}_{page + 1:03d}" for page in pages]
    files = str(pair.prediction), str(pair.truth)
    return [
        CaseScores(name, {}, pair.group or pair.case, *files, counts=one)
        for name, one in zip(names, counts, strict=True)
    ]


def _require_same_shape(pair: Pair, prediction: np.ndarray, truth: np.ndarray) -> None:
    if prediction.shape == truth.shape:
        return
    ours, theirs = (
        f"{rows} x {columns} pixels in {counted(slices, 'slice')}"
        for rows, columns, slices in (prediction.shape, truth.shape)
    )
    raise InputError(
        f"{pair.prediction} has {ours}, but its truth {pair.truth} {theirs}: give the truth of exactly these slices"
    )


def _thresholds(given: Sequence[float]) -> tuple[float, ...]:
    wrong = [threshold for threshold in given if not 0 <= threshold <= 1]
    if wrong or not len(given):
        raise InputError(
            f"the threshold {wrong[0]:g} lies outside 0 to 1" if wrong else "at least one threshold is needed"
        )
    return tuple(sorted(set(given)))
