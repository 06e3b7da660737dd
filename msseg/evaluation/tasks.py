"""What is particular to a task: its metrics, and how the scores of cases become those of a cohort or a stack."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from msseg.evaluation.cohort import COHORT, STRATA, pooled_lesions
from msseg.evaluation.scores import COUNTS, EMPTY_MASK_RULE, METRICS, ONLY_IN_FILES, CaseScores, Metric
from msseg.evaluation.slice_metrics import (
    CELL_METRICS,
    CELL_RULE,
    MEMBRANE_METRICS,
    MEMBRANE_RULE,
    MEMBRANE_STACK,
)
from msseg.metrics.cells import IOU_THRESHOLDS, CellCounts
from msseg.metrics.lesions import overlap_scores
from msseg.metrics.membranes import best_thresholds, score_slices, slice_scores, threshold_rows
from msseg.metrics.overlap import Overlap
from msseg.metrics.slice_counts import SliceCounts

TaskName = Literal["lesions", "membranes", "cells"]
Cases = Sequence[CaseScores]
Scores = dict[str, float]


@dataclass(frozen=True)
class Task:
    """How one kind of segmentation is scored.

    Attributes:
        metrics: What is summarised over the cases, in the order of tables.
        empty_rule: What empty masks score.
        pool: The scores of all cases taken together.
        settle: The cases with the values that depend on the other cases.
        others: Further keys of cases and pools, with their definitions.
        rows: What else is reported of slices taken together: lists for the JSON file.
        counts: The type of the cases' counts; None where the cases are no slices.
        case: What a case is called.
        headline: The metrics to tell first.
        not_in_tables: Metrics that files alone hold.
    """

    metrics: Mapping[str, Metric]
    empty_rule: str
    pool: Callable[[Cases], Scores]
    settle: Callable[[Cases], list[CaseScores]] = list
    others: Mapping[str, str] = field(default_factory=dict)
    rows: Callable[[Cases], dict[str, Any]] = lambda _: {}
    counts: type[SliceCounts] | type[CellCounts] | None = None
    case: str = "case"
    headline: tuple[str, ...] = ()
    not_in_tables: tuple[str, ...] = ()

    def definitions(self, bootstrap: int) -> dict[str, str]:
        """What the keys of an evaluation's JSON file mean."""
        metrics = {key: metric.definition for key, metric in self.metrics.items()}
        interval = f"95 % percentile bootstrap interval of the mean, {bootstrap} draws of whole groups"
        drawn = "the patients; each case by itself where no group is named"
        together = {
            "pooled": "scores of all cases' voxels, and of all their lesions, taken together",
            **{f"cohort: {key}": definition for key, definition in COHORT.items()},
            "strata": STRATA,
            "lesions": "of a case, the lesions of truth and prediction one by one, largest first; centroid_mm in world"
            " space, verdict TP (found, or true), FN (missed) or FP (false), overlap_mm3 within the other's lesions",
        }
        if self.counts is not None:
            drawn = (
                "the stacks; slices of a single stack are drawn one by one, which makes the interval too narrow, as"
                " neighbouring slices resemble each other"
            )
            together = {
                "stack, pooled": "scores of all slices taken together as one stack, at its best thresholds",
                "stacks": "the same for each stack by itself, each at its own best thresholds",
                "slices": "scores of each slice, at the thresholds of stack; counts: what they were computed from",
            }
        return {
            **metrics,
            **self.others,
            "ci_low, ci_high": f"{interval} ({drawn})",
            "std": "standard deviation of the sample (n - 1)",
            "n": f"{self.case}s where the metric is defined; mean, std, median, min and max are over these",
            "undefined": f"{self.case}s left out because the metric is not defined for them",
            **together,
            "failed": "cases that could not be read or scored; they are in no mean",
        }


def task_of(cases: Cases) -> TaskName:
    """The task that cases were scored for, told by what was counted."""
    kinds = {type(case.counts) for case in cases}
    return next((name for name, task in TASKS.items() if task.counts in kinds and task.counts is not None), "lesions")


def _pool_lesions(cases: Cases) -> Scores:
    overlap = sum((case.overlap for case in cases), start=Overlap(0, 0, 0))
    voxels = {"tp": overlap.tp, "fp": overlap.fp, "fn": overlap.fn}
    return {**overlap_scores(overlap), **pooled_lesions(cases), **voxels}


def _slices(cases: Cases) -> list[SliceCounts]:
    return [case.counts for case in cases if isinstance(case.counts, SliceCounts)]


def _pool_membranes(cases: Cases) -> Scores:
    return _measured(score_slices(_slices(cases)), _slices(cases))


def _settle_membranes(cases: Cases) -> list[CaseScores]:
    """The slices' values at the thresholds that are best for all of them: their means belong to the stack's scores."""
    best = best_thresholds(_slices(cases))
    return [
        replace(case, values=_measured(slice_scores(counts, best), [counts]))
        for case, counts in zip(cases, _slices(cases), strict=True)
    ]


def _measured(scores: Scores, slices: Sequence[SliceCounts]) -> Scores:
    """The scores without the warping error where it was not asked for."""
    if any(one.warping is not None for one in slices):
        return scores
    return {key: value for key, value in scores.items() if not key.startswith("warping")}


def _membrane_rows(cases: Cases) -> dict[str, Any]:
    rows = threshold_rows(_slices(cases))
    return {"thresholds": [_measured(row, _slices(cases)) for row in rows]}


def _cells(cases: Cases) -> list[CellCounts]:
    return [case.counts for case in cases if isinstance(case.counts, CellCounts)]


def _together(cases: Cases) -> CellCounts:
    first, *others = _cells(cases)
    return sum(others, start=first)


def _settle_cells(cases: Cases) -> list[CaseScores]:
    return [replace(case, values=counts.scores()) for case, counts in zip(cases, _cells(cases), strict=True)]


def _cell_rows(cases: Cases) -> dict[str, Any]:
    values = zip(IOU_THRESHOLDS, _together(cases).ap_per_iou, strict=True)
    return {"ap_per_iou": [{"iou": iou, "ap": ap} for iou, ap in values]}


TASKS: dict[TaskName, Task] = {
    "lesions": Task(
        METRICS,
        EMPTY_MASK_RULE,
        _pool_lesions,
        others=COUNTS,
        headline=("dsc", "iou", "lesion_f1"),
        not_in_tables=ONLY_IN_FILES,
    ),
    "membranes": Task(
        MEMBRANE_METRICS,
        MEMBRANE_RULE,
        _pool_membranes,
        _settle_membranes,
        MEMBRANE_STACK,
        _membrane_rows,
        SliceCounts,
        case="slice",
        headline=("v_rand", "v_info", "dice"),
    ),
    "cells": Task(
        CELL_METRICS,
        CELL_RULE,
        lambda cases: _together(cases).scores(),
        _settle_cells,
        rows=_cell_rows,
        counts=CellCounts,
        case="slice",
        headline=("seg", "ap50"),
    ),
}


def without_nan(numbers: Any) -> Any:
    """Numbers for JSON, in nested dictionaries and lists: NaN becomes None."""
    if isinstance(numbers, Mapping):
        return {key: without_nan(value) for key, value in numbers.items()}
    if isinstance(numbers, list | tuple):
        return [without_nan(value) for value in numbers]
    return None if isinstance(numbers, float) and math.isnan(numbers) else numbers
