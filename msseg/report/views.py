"""What the page's template is told of runs and tables: everything in words, nothing left to compute."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msseg.cases.names import counted, listing
from msseg.report.cells import number, printed
from msseg.report.contents import RunContent, TrainedModel
from msseg.report.lenient import mapping, names
from msseg.report.rows import Row
from msseg.report.tables import CaseRow
from msseg.report.times import duration
from msseg.report.wording import Metric, network_title

PARTS = {"train": "Trained on", "validation": "Validated on", "test": "Tested on", "unused": "Unused"}


@dataclass(frozen=True)
class PartView:
    """One part of a split: how many cases of which patients."""

    title: str
    cases: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class RunView:
    """A run and who is in which part of its split."""

    content: RunContent
    parts: tuple[PartView, ...]


def cells_of(metrics: Sequence[Metric]) -> Callable[[CaseRow], tuple[str, ...]]:
    """What gives the values of one line of the table of cases, as printed."""

    def cells(line: CaseRow) -> tuple[str, ...]:
        return printed(line.values, metrics)

    return cells


def model_cells(model: TrainedModel) -> list[str]:
    """What is said of a model besides its scores: network, channel, parameters, epochs, time, device."""
    facts = model.facts
    epochs = len(model.epochs.get("epoch", ()))
    kept = "" if model.kept_epoch is None else f" (kept: {model.kept_epoch + 1})"
    return [
        network_title(facts.network),
        model.channel,
        "–" if facts.parameters is None else f"{facts.parameters:,}",
        f"{epochs}{kept}" if epochs else "–",
        "–" if facts.seconds_training is None else duration(facts.seconds_training),
        facts.device or "–",
    ]


def run_view(content: RunContent) -> RunView:
    """The run with its split in words; a split that is not there has no parts."""
    groups = mapping(content.split.get("groups"))
    parts = []
    for key, title in PARTS.items():
        cases = names(content.split.get(key))
        if cases or (content.split and key != "unused"):
            patients = dict.fromkeys(str(groups[case]) for case in cases if case in groups)
            parts.append(PartView(title, cases, tuple(patients)))
    return RunView(content, tuple(parts))


def missing_parts(runs: Sequence[RunContent]) -> list[tuple[str, str]]:
    """(where, what) for all that is not there; what several models of a run lack is said once."""
    found: list[tuple[str, str]] = []
    for run in runs:
        found += [(run.name, note) for note in run.missing]
        lacking: dict[str, list[str]] = {}
        for model in run.models:
            for note in model.missing:
                lacking.setdefault(note, []).append(model.channel)
        found += [(f"{run.name} ({listing(channels)})", note) for note, channels in lacking.items()]
    return found


def warnings_of(runs: Sequence[RunContent]) -> list[str]:
    """What the splits warn of, each sentence once."""
    return list(dict.fromkeys(warning for run in runs for warning in names(run.split.get("warnings"))))


def strip_label(row: Row) -> str:
    """The row's points in words, for readers who do not see them."""
    assert row.evaluation is not None
    main = row.words.main
    values = ", ".join(number(score.values.get(main.key, math.nan), main.digits) for score in row.evaluation.cases)
    return f"{main.title} of {counted(len(row.test_cases), row.words.case)}: {values}"
