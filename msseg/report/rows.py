"""Which models are one row of a table: a network on a channel, with the folds of a cross-validation taken together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msseg.evaluation.evaluation import Evaluation
from msseg.report.collect import RunContent, TrainedModel
from msseg.report.wording import network_title

FOLD_KEYS = ("name", "split")
"""Sections of a config in which two folds of one cross-validation may differ."""
PLACES = ("root", "cache", "channels")
"""Keys of its section `data` that say where the files are, or which models a run trains."""


@dataclass(frozen=True)
class Fold:
    """A model together with the run it belongs to."""

    run: RunContent
    model: TrainedModel


@dataclass(frozen=True)
class Row:
    """A network on a channel.

    Attributes:
        label: The network's title, with the experiment's name where the title alone would be ambiguous.
        channel: 'FLAIR', or 'FLAIR+T1' for a network that sees both.
        folds: The model; several where the same settings were trained on several splits with disjoint test cases.
        evaluation: Scores of all test cases; None where no fold has any.
    """

    label: str
    channel: str
    folds: tuple[Fold, ...]
    evaluation: Evaluation | None

    @property
    def test_cases(self) -> frozenset[str]:
        """Ids of the cases that were scored."""
        return frozenset(score.case for score in self.evaluation.cases) if self.evaluation else frozenset()


def build_rows(runs: Sequence[RunContent]) -> list[Row]:
    """All rows of the report: networks in the order of the runs, each with its channels in theirs."""
    groups: dict[tuple[str, str], list[list[Fold]]] = {}
    for run in runs:
        for model in run.models:
            _place(Fold(run, model), groups.setdefault((model.facts.network, model.channel), []))
    rows = []
    for (network, channel), members in groups.items():
        for folds, suffix in zip(members, _suffixes(members), strict=True):
            rows.append(Row(network_title(network) + suffix, channel, tuple(folds), _scores(folds)))
    labels = list(dict.fromkeys(row.label for row in rows))
    channels = _merged_order(runs)
    return sorted(rows, key=lambda row: (labels.index(row.label), channels.index(row.channel)))


def channels_of(rows: Sequence[Row]) -> list[str]:
    """The rows' channels, each once: single ones first."""
    return sorted(dict.fromkeys(row.channel for row in rows), key=lambda channel: channel.count("+"))


def labels_of(rows: Sequence[Row]) -> list[str]:
    """The rows' networks, each once."""
    return list(dict.fromkeys(row.label for row in rows))


def _place(fold: Fold, members: list[list[Fold]]) -> None:
    """Put a model with the folds it belongs to, or open a row for it."""
    for folds in members:
        if all(_are_folds(fold, other) for other in folds):
            folds.append(fold)
            return
    members.append([fold])


def _are_folds(first: Fold, second: Fold) -> bool:
    """Whether two models have the same settings and were tested on different cases."""
    settings = [_settings(fold.run.config) for fold in (first, second)]
    tested = [_tested(fold.model) for fold in (first, second)]
    return bool(settings[0]) and settings[0] == settings[1] and all(tested) and not tested[0] & tested[1]


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without what differs between folds and without where the data lies."""
    settings = {key: value for key, value in config.items() if key not in FOLD_KEYS}
    data = settings.get("data")
    if isinstance(data, dict):
        settings["data"] = {key: value for key, value in data.items() if key not in PLACES}
    return settings


def _tested(model: TrainedModel) -> set[str]:
    return {score.case for score in model.evaluation.cases} if model.evaluation else set()


def _suffixes(members: list[list[Fold]]) -> list[str]:
    """What tells rows of one network and channel apart: nothing, the experiments' names, or the folders'."""
    if len(members) == 1:
        return [""]
    for name in (lambda run: run.name, lambda run: run.folder.name, lambda run: str(run.folder)):
        names = [name(folds[0].run) for folds in members]
        if len(set(names)) == len(names):
            return [f" · {name}" for name in names]
    return [f" · {number}" for number in range(1, len(members) + 1)]


def _scores(folds: Sequence[Fold]) -> Evaluation | None:
    evaluations = [fold.model.evaluation for fold in folds if fold.model.evaluation is not None]
    if len(evaluations) < 2:
        return evaluations[0] if evaluations else None
    return Evaluation.from_cases([score for evaluation in evaluations for score in evaluation.cases])


def _merged_order(runs: Sequence[RunContent]) -> list[str]:
    order = dict.fromkeys(model.channel for run in runs for model in run.models)
    return sorted(order, key=lambda channel: channel.count("+"))
