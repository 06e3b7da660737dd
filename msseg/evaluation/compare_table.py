"""The comparison of two methods as a table for a terminal."""

import math
from collections.abc import Sequence

from msseg.cases.names import counted
from msseg.evaluation.compare import Comparison
from msseg.evaluation.scores import Metric
from msseg.evaluation.table import UNDEFINED
from msseg.evaluation.tasks import TASKS
from msseg.metrics.compare import DRAWS, EXACT_GROUPS, Paired

HEADER = (
    "metric", "better", "A", "B", "B - A", "95 % interval", "p", "median A", "median B", "median B - A", "B better in",
)  # fmt: skip


def format_comparison(comparison: Comparison) -> str:
    """The table, what A and B are, and the notes, as plain text."""
    metrics = TASKS[comparison.task].metrics
    rows = [HEADER, *(_row(metrics[key], paired) for key, paired in comparison.rows.items())]
    return "\n".join([*_introduction(comparison), "", *table_lines(rows), "", *_footnotes(comparison)])


def _introduction(comparison: Comparison) -> list[str]:
    noun = TASKS[comparison.task].case
    over = counted(len(comparison.cases), noun)
    if any(comparison.groups):
        over += f" of {counted(len(set(comparison.groups)), comparison.unit)}"
    return [f"A: {comparison.names[0]}", f"B: {comparison.names[1]}", f"over {over} that both have"]


def _footnotes(comparison: Comparison) -> list[str]:
    most = max((row.groups for row in comparison.rows.values()), default=0)
    counting = "all exchanges counted" if most <= EXACT_GROUPS else f"{DRAWS:,} random exchanges"
    return [
        "A, B, B - A: means over the cases; 95 % interval: bootstrap of the mean difference, by"
        f" {comparison.unit}; p: two-sided permutation test, A and B exchanged by {comparison.unit} ({counting}).",
        *(f"Note: {note}." for note in comparison.notes),
    ]


def _row(metric: Metric, paired: Paired) -> tuple[str, ...]:
    def number(value: float, sign: str = "") -> str:
        return UNDEFINED if math.isnan(value) else f"{value:{sign}.{metric.decimals}f}"

    ends = number(paired.ci_low, "+"), number(paired.ci_high, "+")
    return (
        metric.label,
        metric.better or UNDEFINED,
        number(paired.mean_a),
        number(paired.mean_b),
        number(paired.difference, "+"),
        UNDEFINED if UNDEFINED in ends else " to ".join(ends),
        p_text(paired.p_value),
        number(paired.median_a),
        number(paired.median_b),
        number(paired.median_difference, "+"),
        _wins(metric, paired),
    )


def _wins(metric: Metric, paired: Paired) -> str:
    """'6 of 8', or '5 of 8 (1 equal, 2 undefined)'."""
    if not metric.better:
        return UNDEFINED
    won = paired.higher if metric.better == "higher" else paired.lower
    others = [f"{count} {what}" for count, what in ((paired.equal, "equal"), (paired.undefined, "undefined")) if count]
    return f"{won} of {paired.cases}" + (f" ({', '.join(others)})" if others else "")


def p_text(p: float) -> str:
    """A p value with as many digits as it has to say something: 0.41, 0.031, 0.00001."""
    if math.isnan(p):
        return UNDEFINED
    return f"{p:.2f}" if p >= 0.095 else f"{p:.3f}" if p >= 0.001 else f"{p:.5f}"


def table_lines(rows: Sequence[Sequence[str]], left: int = 2) -> list[str]:
    """Lines of a table of text, the first row its head: the first columns on the left, the others on the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
