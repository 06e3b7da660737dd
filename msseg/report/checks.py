"""What the data doctor found before a run, as the page shows it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from msseg.cases.names import counted, listing
from msseg.doctor.facts import CaseFacts
from msseg.doctor.findings import SEVERITIES, Examination, Finding
from msseg.report.cells import number
from msseg.report.contents import RunContent

CASES_NAMED = 12
"""Cases of a finding that are named; of more their number is told."""
FACTS_SHOWN = 300
"""Cases whose facts the page lists; the run's check.json has all."""
FACT_HEADS = ("Voxels", "Spacing (mm)", "Axes", "Not zero (%)", "Objects", "Volume (mL)")


@dataclass(frozen=True)
class FindingView:
    """A finding: how bad, what is wrong with which cases, what to do."""

    severity: str
    message: str
    cases: tuple[str, ...]
    more: int
    advice: str


@dataclass(frozen=True)
class CheckView:
    """The examination of a data set.

    Attributes:
        title: The runs on it; empty where all runs of the report are.
        told: What was examined and how much was found.
        findings: Worst first.
        facts: For each case its name and what is known of it.
        facts_left: Cases beyond those.
        skipped: Checks that were left out, and why.
    """

    title: str
    told: str
    findings: tuple[FindingView, ...]
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    facts_left: int
    skipped: tuple[str, ...]


def check_views(runs: Sequence[RunContent]) -> list[CheckView]:
    """The examinations of the runs, each data set once; older runs have none."""
    found: list[tuple[Examination, list[str]]] = []
    for run in runs:
        if run.check is None:
            continue
        same = next((named for check, named in found if check == run.check), None)
        if same is None:
            found.append((run.check, [run.folder.name]))
        else:
            same.append(run.folder.name)
    return [
        _view(check, "" if len(named) == len(runs) else listing(list(dict.fromkeys(named)))) for check, named in found
    ]


def check_warnings(runs: Sequence[RunContent]) -> list[str]:
    """One sentence where errors were found: scores rest on these data."""
    findings = [finding for run in runs if run.check is not None for finding in run.check.findings]
    messages = dict.fromkeys(finding.message for finding in findings if finding.severity == "error")
    if not messages:
        return []
    return [f"The check of the data found {counted(len(messages), 'error')}, see below: {next(iter(messages))}"]


def _view(check: Examination, title: str) -> CheckView:
    return CheckView(
        title,
        _told(check),
        tuple(_finding(finding) for finding in check.findings),
        tuple((row.case, _facts(row)) for row in check.rows[:FACTS_SHOWN]),
        max(0, len(check.rows) - FACTS_SHOWN),
        check.skipped,
    )


def _told(check: Examination) -> str:
    numbers = [counted(check.count(severity), severity) for severity in SEVERITIES if check.count(severity)]
    layout = f" (layout {check.layout})" if check.layout else ""
    found = listing(numbers) if numbers else "nothing found"
    return f"{counted(len(check.rows), 'case')} of {check.source}{layout}: {found}."


def _finding(finding: Finding) -> FindingView:
    more = max(0, len(finding.cases) - CASES_NAMED)
    return FindingView(finding.severity, finding.message, finding.cases[:CASES_NAMED], more, finding.advice)


def _facts(row: CaseFacts) -> tuple[str, ...]:
    """Of the first channel: its grid; of the label: what it holds."""
    cells = ["–"] * len(FACT_HEADS)
    for image in list(row.images.values())[:1]:
        cells[0] = " × ".join(map(str, image.shape))
        cells[1] = " × ".join(f"{length:.3g}" for length in image.spacing)
        cells[2] = image.orientation or "–"
        cells[3] = number(100 * image.nonzero, 0)
    if row.label is not None:
        cells[4] = str(row.label.objects)
        volume = row.label.volume_mm3
        cells[5] = number(math.nan if volume is None else volume / 1000, 2)
    return tuple(cells)
