"""The report's first sentences: which network on which channel is best, and how sure that is."""

import math
from collections.abc import Sequence

from msseg.cases.names import counted, listing
from msseg.report.cells import number
from msseg.report.tables import SummaryRow

FEW_CASES = 5


def headline(lines: Sequence[SummaryRow]) -> list[str]:
    """One or a few plain sentences per test set; one that says so where nothing was evaluated."""
    ranked = [line for line in lines if not math.isnan(line.score)]
    if not ranked:
        return ["No test case has been scored yet, so there is no result to report."]
    sentences = []
    for test_set in dict.fromkeys(line.test_set for line in ranked):
        members = sorted((line for line in ranked if line.test_set == test_set), key=_score, reverse=True)
        found = _of_test_set(members, _needs_channel(ranked))
        sentences += found if test_set == ranked[0].test_set else [f"Test set {test_set}: {found[0]}", *found[1:]]
    return sentences


def _of_test_set(members: Sequence[SummaryRow], with_channel: bool) -> list[str]:
    best = members[0]
    names = [f"{line.row.label} on {line.row.channel}" if with_channel else line.row.label for line in members[:2]]
    score, cases = _score_text(best), counted(best.n, f"test {best.row.words.case}")
    if len(members) == 1:
        sentences = [f"{names[0]} reaches {score} on {cases}."]
    elif _level(best, members[1]):
        sentences = [f"{names[0]} and {names[1]} are level at {score} on {cases}."]
    else:
        sentences = [f"{names[0]} is best of {len(members)}: {score} on {cases}.", _against(best, members[1], names[1])]
    return [*sentences, *_caution(best)]


def _score_text(line: SummaryRow) -> str:
    """'mean DSC 0.71 (95 % interval 0.66–0.75)', or 'V_rand 0.984' of a stack."""
    words = line.row.words
    score = f"{words.main.title} {_short(line)}"
    if words.is_stack or line.n == 1:
        return score
    value = line.means[words.main.key]
    interval = (
        "" if math.isnan(value.ci_low) else f" (95 % interval {number(value.ci_low, 2)}–{number(value.ci_high, 2)})"
    )
    return f"mean {score}{interval}"


def _caution(line: SummaryRow) -> list[str]:
    """What keeps the score from being one of other patients or tissue."""
    words = line.row.words
    if not words.is_stack:
        return [words.few.format(n=line.n)] if line.n < FEW_CASES else []
    assert line.row.evaluation is not None
    stacks = list(line.row.evaluation.stacks)
    kind = words.group.lower()
    named = f"one {kind} ({stacks[0]})" if len(stacks) == 1 else f"{len(stacks)} {kind}s ({listing(stacks)})"
    return [words.few.format(groups=named)] if len(stacks) < FEW_CASES else []


def _level(first: SummaryRow, second: SummaryRow) -> bool:
    digits = first.row.words.main.digits
    return round(first.score, digits) == round(second.score, digits)


def _against(best: SummaryRow, second: SummaryRow, name: str) -> str:
    """The runner-up, and on how many of the same cases the best one is ahead of it."""
    scores = [_by_case(line) for line in (best, second)]
    ahead = sum(scores[0][case] > scores[1][case] for case in scores[0])
    behind = f"{name} follows with {_short(second)}"
    case = best.row.words.case
    return f"{behind}." if best.n == 1 else f"{behind}; {case} by {case}, the first is ahead in {ahead} of {best.n}."


def _by_case(line: SummaryRow) -> dict[str, float]:
    assert line.row.evaluation is not None
    key = line.row.words.main.key
    return {score.case: score.values.get(key, math.nan) for score in line.row.evaluation.cases}


def _short(line: SummaryRow) -> str:
    """The score in a sentence: patients differ in the second place already, networks on a stack in the third."""
    return number(line.score, 3 if line.row.words.is_stack else 2)


def _needs_channel(lines: Sequence[SummaryRow]) -> bool:
    """Slices mostly have one channel, whose name says nothing."""
    return not lines[0].row.words.is_stack or len({line.row.channel for line in lines}) > 1


def _score(line: SummaryRow) -> float:
    return line.score
