"""The summary of an evaluation as a table for a terminal."""

import math
from collections.abc import Sequence

from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.scores import EMPTY_MASK_RULE, METRICS

HEADER = ("metric", "mean", "95 % interval", "median", "pooled", "cases")
UNDEFINED = "-"
IN_TABLE = tuple(key for key in METRICS if not key.endswith("_voxels"))


def summary_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """One row of text per metric, with the columns of `HEADER`; what is not defined is a dash."""
    rows: list[tuple[str, ...]] = []
    for key in IN_TABLE:
        if key not in evaluation.summary:
            continue
        metric, numbers = METRICS[key], evaluation.summary[key]
        low, high = (_number(numbers[end], metric.decimals) for end in ("ci_low", "ci_high"))
        interval = UNDEFINED if UNDEFINED in (low, high) else f"{low} to {high}"
        mean, median = (_number(numbers[name], metric.decimals) for name in ("mean", "median"))
        pooled = _number(evaluation.pooled.get(key, math.nan), metric.decimals)
        left_out = f" ({numbers['undefined']:.0f} undefined)" if numbers["undefined"] else ""
        rows.append((metric.label, mean, interval, median, pooled, f"{numbers['n']:.0f}{left_out}"))
    return rows


def footnotes(evaluation: Evaluation) -> list[str]:
    """What has to stand below the table: the empty-mask rule, and each case that failed."""
    failed = [f"not scored: {case}: {reason}" for case, reason in evaluation.failed.items()]
    return [f"Empty masks: {EMPTY_MASK_RULE}.", *failed]


def format_table(evaluation: Evaluation) -> str:
    """The table with its footnotes as plain text."""
    rows = [HEADER, *summary_rows(evaluation)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [_line(row, widths) for row in rows]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:], "", *footnotes(evaluation)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others])


def _number(value: float, decimals: int) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:.{decimals}f}"
