"""What the doctor found: findings, each with what to do, and the facts they rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from msseg.doctor.facts import CaseFacts, facts_from_json, facts_to_json
from msseg.errors import InputError

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first. error: training refuses the case, or its scores will be wrong. warning: look at it before training.
note: worth knowing."""

JSON_VERSION = 1


@dataclass(frozen=True)
class Finding:
    """One problem, with all cases that have it.

    Attributes:
        severity: How bad it is.
        kind: Its name; `msseg.doctor.kinds` lists them all.
        cases: Ids of the cases.
        files: The files that it is about.
        message: What is wrong, in one sentence with its figures.
        advice: What to do.
        repairs: What `--fix` wrote, or why it wrote nothing, a sentence for each file; empty without `--fix`.
    """

    severity: Severity
    kind: str
    cases: tuple[str, ...]
    files: tuple[Path, ...]
    message: str
    advice: str
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examination:
    """The result of examining a data set.

    Attributes:
        source: What was examined.
        layout: The layout's name; empty where files were given.
        rows: The facts of each case, in the order of the cases.
        findings: Worst first.
        skipped: What was not looked for, since there are too few cases, with the number that it takes.
    """

    source: str
    layout: str
    rows: tuple[CaseFacts, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many findings are of this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json_dict(self) -> dict[str, Any]:
        """Plain lists and values, for a JSON file."""
        return {
            "version": JSON_VERSION,
            "source": self.source,
            "layout": self.layout,
            "findings": [_plain(finding) for finding in self.findings],
            "cases": [facts_to_json(row) for row in self.rows],
            "skipped": list(self.skipped),
        }


def from_json_dict(values: Mapping[str, Any]) -> Examination:
    """The inverse of `Examination.to_json_dict`.

    Raises:
        InputError: The values are of something else.
    """
    try:
        if values["version"] != JSON_VERSION:
            raise InputError(f"the findings are of version {values['version']}; run msseg check again")
        return Examination(
            str(values["source"]),
            str(values["layout"]),
            tuple(facts_from_json(row) for row in values["cases"]),
            tuple(_finding(item) for item in values["findings"]),
            tuple(map(str, values["skipped"])),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"these are not the findings of msseg check (it lacks or garbles {error})") from error


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Worst first; of one severity, what touches most cases."""
    return tuple(sorted(findings, key=lambda of: (SEVERITIES.index(of.severity), -len(of.cases), of.kind)))


def _plain(finding: Finding) -> dict[str, Any]:
    return vars(finding) | {
        "cases": list(finding.cases),
        "files": [str(path) for path in finding.files],
        "repairs": list(finding.repairs),
    }


def _finding(values: Mapping[str, Any]) -> Finding:
    if values["severity"] not in SEVERITIES:
        raise TypeError(f"severity {values['severity']!r}")
    return Finding(
        values["severity"],
        str(values["kind"]),
        tuple(map(str, values["cases"])),
        tuple(map(Path, values["files"])),
        str(values["message"]),
        str(values["advice"]),
        tuple(map(str, values["repairs"])),
    )
