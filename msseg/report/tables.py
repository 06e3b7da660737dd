"""The numbers of the tables: network x channel, and one line per case, worst first."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msseg.evaluation.tasks import TASKS
from msseg.report.rows import Row
from msseg.report.wording import Metric


@dataclass(frozen=True)
class Value:
    """A metric over the test cases of a row, in the unit that is printed; NaN where it is not defined.

    Attributes:
        mean, std, median: Over the cases where the metric is defined.
        ci_low, ci_high: 95 % interval of the mean.
        undefined: Number of cases that are left out.
        cases: The single values, for the strip of points.
        best: Whether it is the best of its column (and test set).
    """

    mean: float
    std: float
    median: float
    ci_low: float
    ci_high: float
    undefined: int
    cases: tuple[float, ...]
    best: bool = False


@dataclass(frozen=True)
class SummaryRow:
    """One line of the table network x channel.

    Attributes:
        test_set: Number of the set of test cases, from 1; equal numbers mean the same cases.
        means: Over the cases, per metric of the task's `compared`.
        pooled: Scores of all cases taken together, per metric of the task's `pooled`, in `mean`.
    """

    row: Row
    test_set: int
    means: Mapping[str, Value]
    pooled: Mapping[str, Value]

    @property
    def n(self) -> int:
        """Number of test cases."""
        return len(self.row.test_cases)

    @property
    def score(self) -> float:
        """What the rows are ranked by: the mean of the task's main score, or the stack's."""
        words = self.row.words
        return (self.pooled if words.is_stack else self.means)[words.main.key].mean


@dataclass(frozen=True)
class CaseRow:
    """One line of the table of cases: what a network on a channel scored on one case, or on one stack."""

    case: str
    group: str
    row: Row
    values: Mapping[str, float]


def summary_rows(rows: Sequence[Row]) -> list[SummaryRow]:
    """The table network x channel: evaluated rows, largest test set first, the best values marked."""
    evaluated = [row for row in rows if row.evaluation is not None]
    sets = sorted(dict.fromkeys(row.test_cases for row in evaluated), key=lambda cases: -len(cases))
    table = [
        SummaryRow(row, sets.index(row.test_cases) + 1, _means(row), _pooled(row))
        for row in sorted(evaluated, key=lambda row: sets.index(row.test_cases))
    ]
    return [line for number in range(1, len(sets) + 1) for line in _marked([x for x in table if x.test_set == number])]


def measured_on_lesions(lines: Sequence[SummaryRow]) -> list[Metric]:
    """The scores on lesions, where any of the evaluations counted lesions; older ones did not."""
    metrics = lines[0].row.words.lesionwise if lines else ()
    measured = [metric for metric in metrics if any(not math.isnan(line.means[metric.key].mean) for line in lines)]
    return measured if any(metric.key == "ltpr" for metric in measured) else []


def case_rows(rows: Sequence[Row]) -> list[CaseRow]:
    """One line per case, network and channel; lowest main score first, equal ones by the cases' names."""
    return _worst_first(
        CaseRow(score.case, score.group, row, score.values)
        for row in rows
        if row.evaluation is not None
        for score in row.evaluation.cases
    )


def stack_rows(rows: Sequence[Row]) -> list[CaseRow]:
    """One line per stack, network and channel, each stack at its own best thresholds; none for a single stack."""
    lines = _worst_first(
        CaseRow(name, name, row, TASKS[row.evaluation.task].pool(slices))
        for row in rows
        if row.evaluation is not None
        for name, slices in row.evaluation.stacks.items()
    )
    return lines if len({line.case for line in lines}) > 1 else []


def case_order(rows: Sequence[Row]) -> dict[str, float]:
    """Mean main score of each test case over networks and channels, lowest first."""
    scores: dict[str, list[float]] = {}
    for line in case_rows(rows):
        scores.setdefault(line.case, []).append(_main(line))
    means = {case: sum(values) / len(values) for case, values in scores.items()}
    return dict(sorted(means.items(), key=lambda item: (_undefined_last(item[1]), item[0])))


def _means(row: Row) -> dict[str, Value]:
    assert row.evaluation is not None
    return {
        metric.key: _value(
            row.evaluation.summary.get(metric.key, {}),
            (score.values.get(metric.key, math.nan) for score in row.evaluation.cases),
            metric,
        )
        for metric in row.words.compared
    }


def _pooled(row: Row) -> dict[str, Value]:
    assert row.evaluation is not None
    return {
        metric.key: _value({"mean": row.evaluation.pooled.get(metric.key, math.nan)}, (), metric)
        for metric in row.words.pooled
    }


def _worst_first(lines: Iterable[CaseRow]) -> list[CaseRow]:
    return sorted(lines, key=lambda line: (_undefined_last(_main(line)), line.case))


def _main(line: CaseRow) -> float:
    return line.values.get(line.row.words.main.key, math.nan)


def _value(numbers: Mapping[str, float], cases: Iterable[float], metric: Metric) -> Value:
    def scaled(name: str) -> float:
        return numbers.get(name, math.nan) * metric.scale

    return Value(
        mean=scaled("mean"),
        std=scaled("std"),
        median=scaled("median"),
        ci_low=scaled("ci_low"),
        ci_high=scaled("ci_high"),
        undefined=int(numbers.get("undefined", 0)),
        cases=tuple(value * metric.scale for value in cases if not math.isnan(value)),
    )


def _marked(lines: list[SummaryRow]) -> list[SummaryRow]:
    """The rows of one test set with the best of each column marked; a single row has no rival."""
    if len(lines) < 2:
        return lines
    words = lines[0].row.words
    best_means = {metric.key: _best([line.means[metric.key] for line in lines], metric) for metric in words.compared}
    best_pooled = {metric.key: _best([line.pooled[metric.key] for line in lines], metric) for metric in words.pooled}
    return [
        replace(
            line,
            means={key: replace(value, best=best_means[key][place]) for key, value in line.means.items()},
            pooled={key: replace(value, best=best_pooled[key][place]) for key, value in line.pooled.items()},
        )
        for place, line in enumerate(lines)
    ]


def _best(values: Sequence[Value], metric: Metric) -> list[bool]:
    """Which values print as the best; those that leave out more cases than others do not compete."""
    fewest = min(value.undefined for value in values)
    rounded = [round(v.mean, metric.digits) if v.undefined == fewest else math.nan for v in values]
    defined = [number for number in rounded if not math.isnan(number)]
    if not defined:
        return [False] * len(values)
    winner = max(defined) if metric.higher_is_better else min(defined)
    return [number == winner for number in rounded]


def _undefined_last(value: float) -> float:
    return math.inf if math.isnan(value) else value
