"""Two evaluations of the same cases, metric by metric: which method is better, by how much, how surely."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from msseg.atomic import write_text
from msseg.cases.names import counted, listing
from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.scores import CaseScores, Metric
from msseg.evaluation.tasks import TASKS, TaskName, without_nan
from msseg.metrics.compare import SIGNIFICANT, Paired, compare_paired, groups_needed, smallest_p

SAMPLES = 10_000
"""Bootstrap samples of the differences' intervals."""
TRUTHS = ("volume_truth_voxels", "lesions_truth", "objects_truth")
"""What belongs to the truth alone, and so has to be the same in both evaluations of a case."""
NOT_COMPARED = {"bootstrap", "seed", "threshold", "thresholds"}
"""Settings in which two methods may differ without being measured differently."""
DEFINITIONS = {
    "difference": "mean over the cases of B - A",
    "ci_low, ci_high": "95 % percentile bootstrap interval of the mean difference; whole groups are drawn",
    "p_value": "two-sided sign-flip permutation test of the mean difference; A and B are exchanged in whole groups",
    "exact": "whether all exchanges were counted; otherwise 100,000 were drawn",
    "higher, lower, equal": "cases in which B is above, below, as A",
    "undefined": "cases left out, as the metric is not defined for A or for B",
}


@dataclass(frozen=True)
class Comparison:
    """Two methods, A and B, on their common cases.

    Attributes:
        names: What A and B are called.
        task: What was segmented.
        rows: The comparison of each metric, by its key.
        cases: The common cases.
        groups: Their patients or stacks, case by case; an empty name is one of its own.
        only: Cases that A alone has, and that B alone has.
        notes: What has to be read beside the numbers.
        values: Values of A and B by metric, in the order of `cases`.
    """

    names: tuple[str, str]
    task: TaskName
    rows: Mapping[str, Paired]
    cases: tuple[str, ...]
    groups: tuple[str, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]
    notes: tuple[str, ...]
    values: Mapping[str, tuple[Sequence[float], Sequence[float]]]

    @property
    def unit(self) -> str:
        """What is drawn and exchanged."""
        if TASKS[self.task].counts is None:
            return "patient" if any(self.groups) else "case"
        return "stack" if any(self.groups) else "slice"

    def to_json(self, path: Path) -> None:
        """Write everything to a JSON file that explains itself, all or nothing.

        Raises:
            InputError: The file cannot be written.
        """
        write_text(path, json.dumps(self.to_json_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def to_json_dict(self) -> dict[str, Any]:
        """A dictionary for JSON; what is not defined is None."""
        metrics = TASKS[self.task].metrics
        return {
            "task": self.task,
            "a": self.names[0],
            "b": self.names[1],
            "definitions": DEFINITIONS | {key: metrics[key].definition for key in self.rows},
            "unit": self.unit,
            "metrics": {
                key: {"better": metrics[key].better} | without_nan(asdict(row)) for key, row in self.rows.items()
            },
            "cases": [
                {"case": case, "group": group}
                | {
                    key: without_nan({"a": a[place], "b": b[place], "difference": b[place] - a[place]})
                    for key, (a, b) in self.values.items()
                }
                for place, (case, group) in enumerate(zip(self.cases, self.groups, strict=True))
            ],
            "only_a": list(self.only[0]),
            "only_b": list(self.only[1]),
            "notes": list(self.notes),
        }

    def to_csv(self, path: Path) -> None:
        """Write a line per case and metric: case, group, metric, a, b, difference; empty where not defined.

        Raises:
            InputError: The file cannot be written.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["case", "group", "metric", "a", "b", "difference"])
        for key, (a, b) in self.values.items():
            for case, group, first, second in zip(self.cases, self.groups, a, b, strict=True):
                numbers = without_nan([first, second, second - first])
                writer.writerow([case, group, key, *("" if number is None else number for number in numbers)])
        write_text(path, text.getvalue())


def compare_evaluations(
    a: Evaluation,
    b: Evaluation,
    names: tuple[str, str] = ("A", "B"),
    metrics: Sequence[str] = (),
    groups: Mapping[str, str] | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two evaluations over the cases that both have.

    Args:
        a, b: Evaluations of one task.
        names: What they are called in tables and messages.
        metrics: Keys of the metrics to compare; none: all that say which end is the good one.
        groups: The patient of each case, in place of what the evaluations say.
        samples: Bootstrap samples of the intervals; 0: none.
        seed: Of the bootstrap, and of the exchanges where there are too many patients to count them all.

    Raises:
        InputError: The tasks differ, no case is in both, a case belongs to different patients or was judged against
            different truths, or a metric is not in both.
    """
    if a.task != b.task:
        raise InputError(f"{names[0]} is an evaluation of {a.task} and {names[1]} of {b.task}: compare like with like")
    first, second = ({scores.case: scores for scores in evaluation.cases} for evaluation in (a, b))
    common = [case for case in first if case in second]
    only = [tuple(case for case in ours if case not in other) for ours, other in ((first, second), (second, first))]
    if not common:
        raise InputError(
            f"{names[0]} and {names[1]} have no case in common: the one has {listing(list(first))}, the other"
            f" {listing(list(second))}"
        )
    pairs = [(first[case], second[case]) for case in common]
    for pair in pairs:
        _require_same_truth(*pair, names)
    units = _groups(pairs, names) if groups is None else _given_groups(common, groups)
    if TASKS[a.task].counts is not None and len(set(units)) == 1:
        units = [""] * len(units)  # the slices of a single stack, one by one, as in its own evaluation
    keys = _chosen(metrics, TASKS[a.task].metrics, pairs, names)
    values = {key: (_column(pairs, 0, key), _column(pairs, 1, key)) for key in keys}
    rows = {key: compare_paired(*both, units, samples=samples, seed=seed) for key, both in values.items()}
    comparison = Comparison(names, a.task, rows, tuple(common), tuple(units), (only[0], only[1]), (), values)
    return replace(comparison, notes=tuple(_notes(comparison, a, b)))


def _column(pairs: Sequence[tuple[CaseScores, CaseScores]], side: int, key: str) -> list[float]:
    return [pair[side].values.get(key, math.nan) for pair in pairs]


def _require_same_truth(a: CaseScores, b: CaseScores, names: tuple[str, str]) -> None:
    for key in TRUTHS:
        ours, theirs = a.values.get(key), b.values.get(key)
        if ours is not None and theirs is not None and ours != theirs:
            raise InputError(
                f"{a.case} was judged against different truths: {key} is {ours:g} in {names[0]} and {theirs:g} in"
                f" {names[1]}; evaluate both against the same one, by the same rules"
            )


def _groups(pairs: Sequence[tuple[CaseScores, CaseScores]], names: tuple[str, str]) -> list[str]:
    """Each case's patient: what the two say, or the one of them that says something."""
    for a, b in pairs:
        if a.group and b.group and a.group != b.group:
            raise InputError(
                f"{a.case} is of the patient {a.group} in {names[0]} and of {b.group} in {names[1]}: evaluate both with"
                " the same groups"
            )
    return [a.group or b.group for a, b in pairs]


def _given_groups(cases: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    absent = [case for case in cases if not groups.get(case)]
    if absent:
        raise InputError(f"the given groups do not name the patient of {listing(absent)}")
    return [groups[case] for case in cases]


def _chosen(
    wanted: Sequence[str],
    known: Mapping[str, Metric],
    pairs: Sequence[tuple[CaseScores, CaseScores]],
    names: tuple[str, str],
) -> list[str]:
    there = [key for key in known if all(any(key in pair[side].values for pair in pairs) for side in (0, 1))]
    for key in wanted:
        if key not in known:
            raise InputError(f"there is no metric {key}; {names[0]} and {names[1]} have {', '.join(there)}")
        if key not in there:
            lacking = names[0] if not any(key in pair[0].values for pair in pairs) else names[1]
            raise InputError(f"{lacking} has no {key}: evaluate it anew with this version of msseg")
    return list(dict.fromkeys(wanted)) or [key for key in there if known[key].better]


def _rules(evaluation: Evaluation) -> dict[str, Any]:
    """How an evaluation measured; what it does not say of lesions is left out."""
    settings = asdict(evaluation.settings)
    lesions = settings.pop("lesions", None) or {}
    return {key: value for key, value in settings.items() if key not in NOT_COMPARED} | lesions


def _notes(comparison: Comparison, a: Evaluation, b: Evaluation) -> Iterator[str]:
    for name, cases in zip(comparison.names, comparison.only, strict=True):
        if cases:
            yield f"only in {name}, and not compared: {listing(cases, limit=20)}"
    ours, theirs = _rules(a), _rules(b)
    for key in sorted(ours.keys() & theirs.keys()):
        if ours[key] != theirs[key]:
            yield f"measured differently: {key} is {ours[key]} in {comparison.names[0]}, {theirs[key]} in the other"
    few = {key: row.groups for key, row in comparison.rows.items() if smallest_p(row.groups) >= SIGNIFICANT}
    if few:
        most = max(few.values())
        where = "" if len(few) == len(comparison.rows) else f" ({listing(list(few))})"
        yield (
            f"with {counted(most, comparison.unit)}{where} no p value can be below {smallest_p(most):g}, however large"
            f" the difference: p < {SIGNIFICANT:g} takes at least {groups_needed()} {comparison.unit}s"
        )
    if len(comparison.rows) > 1:
        yield (
            f"{len(comparison.rows)} metrics were tested: name the one that decides beforehand, or expect one in twenty"
            " below 0.05 by chance"
        )
    if TASKS[comparison.task].counts is not None and not any(comparison.groups):
        yield (
            "all slices are of one stack, where neighbours resemble each other: intervals are too narrow and p values"
            " too small"
        )
    if TASKS[comparison.task].counts is None and not any(comparison.groups):
        yield "no patient is named, so each case counts as one: with repeated scans of a patient p is too small"
