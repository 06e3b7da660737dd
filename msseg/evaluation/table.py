"""The summary of an evaluation as a table for a terminal."""

import math
from collections.abc import Sequence

from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.tasks import TASKS

HEADER = ("metric", "better", "mean", "95 % interval", "median", "pooled", "cases")
STRATA_HEADER = ("size (mm3)", "", "true", "found", "LTPR", "predicted", "false", "LFPR")
SLICE_HEADER = ("metric", "better", "stack", "mean of slices", "95 % interval", "median", "slices")
UNDEFINED = "-"

V_RAND_NOTE = (
    "V_rand and V_info: 1 is perfect. Their split scores fall when neurites are cut into pieces, their merge scores"
    " when neurites are joined."
)
STACK_NOTE = "stack: all slices taken together."
THRESHOLD_NOTE = "Each score is at the threshold that is best for all slices together."


def header(evaluation: Evaluation) -> tuple[str, ...]:
    """The heads of the columns."""
    return HEADER if TASKS[evaluation.task].counts is None else SLICE_HEADER


def summary_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """One row of text per metric, with the columns of `header`; what is not defined is a dash."""
    task = TASKS[evaluation.task]
    rows: list[tuple[str, ...]] = []
    for key, metric in task.metrics.items():
        if key not in evaluation.summary or key in task.not_in_tables:
            continue
        numbers = evaluation.summary[key]
        low, high = (_number(numbers[end], metric.decimals) for end in ("ci_low", "ci_high"))
        interval = UNDEFINED if UNDEFINED in (low, high) else f"{low} to {high}"
        mean, median = (_number(numbers[name], metric.decimals) for name in ("mean", "median"))
        pooled = _number(evaluation.pooled.get(key, math.nan), metric.decimals)
        left_out = f" ({numbers['undefined']:.0f} undefined)" if numbers["undefined"] else ""
        middle = (mean, interval, median, pooled) if task.counts is None else (pooled, mean, interval, median)
        rows.append((metric.label, metric.better or UNDEFINED, *middle, f"{numbers['n']:.0f}{left_out}"))
    return rows


def footnotes(evaluation: Evaluation) -> list[str]:
    """What has to stand below the table: how to read it, the rule for empty masks, and each case that failed."""
    notes = []
    if evaluation.task == "membranes":
        notes += [V_RAND_NOTE, f"{THRESHOLD_NOTE} {_best_threshold(evaluation)}", _best_alpha(evaluation)]
    if evaluation.stacks:
        notes.append(STACK_NOTE)
    if evaluation.cohort():
        notes.append(_cohort_note(evaluation))
    failed = [f"not scored: {case}: {reason}" for case, reason in evaluation.failed.items()]
    return [*notes, f"Empty masks: {TASKS[evaluation.task].empty_rule}.", *failed]


def format_table(evaluation: Evaluation) -> str:
    """The table with its footnotes as plain text."""
    tables = [[header(evaluation), *summary_rows(evaluation)]]
    if evaluation.lesions:
        tables.append([STRATA_HEADER, *strata_rows(evaluation)])
    return "\n".join([*(line for rows in tables for line in [*_table(rows), ""]), *footnotes(evaluation)])


def strata_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """One row of text per class of lesions by size, with the columns of `STRATA_HEADER`."""
    return [
        (
            stratum.stratum,
            "",
            str(stratum.lesions_truth),
            str(stratum.lesions_found),
            _number(stratum.ltpr, 4),
            str(stratum.lesions_predicted),
            str(stratum.lesions_false),
            _number(stratum.lfpr, 4),
        )
        for stratum in evaluation.strata()
    ]


def _cohort_note(evaluation: Evaluation) -> str:
    """The ISBI 2015 score of the cohort, or why there is none."""
    cohort = evaluation.cohort()
    correlation, score = cohort["volume_correlation"], cohort["isbi_score"]
    if math.isnan(correlation):
        return (
            "ISBI-2015 score: that of cases, without the volume correlation, which needs three cases of different"
            " volumes."
        )
    return (
        f"ISBI-2015 score of the cohort, with its volume correlation of {correlation:.4f}: {score:.4f}; that of cases"
        " in the table is without it."
    )


def _best_threshold(evaluation: Evaluation) -> str:
    """At which threshold V_rand is best, and what follows where that is the last one tried."""
    best, tried = evaluation.pooled["v_rand_threshold"], evaluation.settings.thresholds or ()
    note = f"V_rand is highest at the threshold {best:g}"
    if len(tried) > 1 and best == max(tried) < 1:
        note += (
            "; it is the last one tried, so finer ones above it may give more (--thresholds 0:0.9:0.1,0.95,0.98,0.99)"
        )
    return f"{note}."


def _best_alpha(evaluation: Evaluation) -> str:
    alpha, value = evaluation.pooled["best_alpha"], evaluation.pooled["v_rand_best_alpha"]
    return (
        f"Weighted V_rand is highest at alpha {alpha:g}: {value:.4f} (alpha 0.5: V_rand itself; 1: merge score alone)."
    )


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    head, *lines = (_line(row, widths).rstrip() for row in rows)
    return [head, "  ".join("-" * width for width in widths), *lines]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, second, *others = row
    left = [first.ljust(widths[0]), second.ljust(widths[1])]
    return "  ".join([*left, *(cell.rjust(width) for cell, width in zip(others, widths[2:], strict=True))])


def _number(value: float, decimals: int) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.{decimals}f}"
