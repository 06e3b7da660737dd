"""The report's first sentences: which network on which channel is best, and how sure that is."""

import math
from collections.abc import Sequence

from msseg.cases.names import counted
from msseg.report.cells import number
from msseg.report.tables import SummaryRow
from msseg.report.wording import DSC


def headline(lines: Sequence[SummaryRow]) -> list[str]:
    """One or a few plain sentences per test set; one that says so where nothing was evaluated."""
    ranked = [line for line in lines if not math.isnan(_dsc(line))]
    if not ranked:
        return ["No test case has been scored yet, so there is no result to report."]
    sentences = []
    for test_set in dict.fromkeys(line.test_set for line in ranked):
        members = sorted((line for line in ranked if line.test_set == test_set), key=_dsc, reverse=True)
        found = _of_test_set(members)
        sentences += found if test_set == ranked[0].test_set else [f"Test set {test_set}: {found[0]}", *found[1:]]
    return sentences


def _of_test_set(members: Sequence[SummaryRow]) -> list[str]:
    best = members[0]
    cases = counted(best.n, "test case")
    score = f"DSC {number(_dsc(best), 2)}"
    if best.n > 1:
        score = f"mean {score}"
        value = best.means[DSC.key]
        if not math.isnan(value.ci_low):
            score += f" (95 % interval {number(value.ci_low, 2)}–{number(value.ci_high, 2)})"
    if len(members) == 1:
        sentences = [f"{_name(best)} reaches {score} on {cases}."]
    elif _level(best, members[1]):
        sentences = [f"{_name(best)} and {_name(members[1])} are level at {score} on {cases}."]
    else:
        sentences = [
            f"{_name(best)} is best of {len(members)}: {score} on {cases}.",
            _against(best, members[1]),
        ]
    if best.n < 5:
        sentences.append(f"So few cases ({best.n}) say little about other patients.")
    return sentences


def _level(first: SummaryRow, second: SummaryRow) -> bool:
    return round(_dsc(first), DSC.digits) == round(_dsc(second), DSC.digits)


def _against(best: SummaryRow, second: SummaryRow) -> str:
    """The runner-up, and on how many of the same cases the best one is ahead of it."""
    scores = [_by_case(line) for line in (best, second)]
    ahead = sum(scores[0][case] > scores[1][case] for case in scores[0])
    behind = f"{_name(second)} follows with {number(_dsc(second), 2)}"
    return f"{behind}." if best.n == 1 else f"{behind}; case by case, the first is ahead in {ahead} of {best.n}."


def _by_case(line: SummaryRow) -> dict[str, float]:
    assert line.row.evaluation is not None
    return {score.case: score.values.get(DSC.key, math.nan) for score in line.row.evaluation.cases}


def _dsc(line: SummaryRow) -> float:
    return line.means[DSC.key].mean


def _name(line: SummaryRow) -> str:
    return f"{line.row.label} on {line.row.channel}"
