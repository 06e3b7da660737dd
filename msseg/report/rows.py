"""Which models are one row of a table: a network on a channel, folds of a cross-validation taken together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from msseg.evaluation.evaluation import Evaluation
from msseg.report.contents import RunContent, TrainedModel
from msseg.report.lesion_words import LESIONS
from msseg.report.vocabulary import WORDS
from msseg.report.wording import Words, network_title

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
        folds: The model; several where the same settings were trained on splits with disjoint test cases.
        evaluation: Scores of all test cases; None where no fold has any.
    """

    label: str
    channel: str
    folds: tuple[Fold, ...]
    evaluation: Evaluation | None

    @property
    def words(self) -> Words:
        """What is particular to the row's task."""
        return WORDS[self.folds[0].run.task]

    @property
    def test_cases(self) -> frozenset[str]:
        """Ids of the cases that were scored."""
        return frozenset(score.case for score in self.evaluation.cases) if self.evaluation else frozenset()


def build_rows(runs: Sequence[RunContent]) -> list[Row]:
    """All rows of the report: networks in the order of the runs, each with its channels in theirs."""
    rows = []
    for network, series in _series_by_network(runs).items():
        for name, members in zip(_names(series), series, strict=True):
            label = network_title(network) + (f" · {name}" if name else "")
            for channel in _order(fold.model.channel for fold in members):
                folds = tuple(fold for fold in members if fold.model.channel == channel)
                rows.append(Row(label, channel, folds, _scores(folds)))
    labels = labels_of(rows)
    return sorted(rows, key=lambda row: (labels.index(row.label), row.channel.count("+")))


def channels_of(rows: Sequence[Row]) -> list[str]:
    """The rows' channels, each once: single ones first."""
    return _order(row.channel for row in rows)


def labels_of(rows: Sequence[Row]) -> list[str]:
    """The rows' networks, each once."""
    return list(dict.fromkeys(row.label for row in rows))


def words_of(rows: Sequence[Row]) -> Words:
    """What is particular to the rows' task; they are all of one."""
    return rows[0].words if rows else LESIONS


def _series_by_network(runs: Sequence[RunContent]) -> dict[str, list[list[Fold]]]:
    """For each network its series: models of one run, together with those of the other folds of the same settings."""
    found: dict[str, list[list[Fold]]] = {}
    for run in runs:
        for network in dict.fromkeys(model.facts.network for model in run.models):
            models = [Fold(run, model) for model in run.models if model.facts.network == network]
            series = found.setdefault(network, [])
            joined = next((other for other in series if _are_folds(models, other)), None)
            if joined is None:
                series.append(models)
            else:
                joined += models
    return found


def _are_folds(models: Sequence[Fold], others: Sequence[Fold]) -> bool:
    """Whether models have the settings of others, another split, and no test case of theirs."""
    config = models[0].run.config
    if not config or any(_settings(other.run.config) != _settings(config) for other in others):
        return False
    if any(other.run.config.get("split") == config.get("split") for other in others):
        return False
    return not any(
        _tested(fold.model) & _tested(other.model)
        for fold in models
        for other in others
        if fold.model.channel == other.model.channel
    )


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without what differs between folds and without where the data lies."""
    settings = {key: value for key, value in config.items() if key not in FOLD_KEYS}
    data = settings.get("data")
    if isinstance(data, dict):
        settings["data"] = {key: value for key, value in data.items() if key not in PLACES}
    return settings


def _tested(model: TrainedModel) -> set[str]:
    scored = model.evaluation.cases if model.evaluation else ()
    return {*(model.facts.test or ()), *(score.case for score in scored)}


def _names(series: Sequence[Sequence[Fold]]) -> list[str]:
    """What tells the series of one network apart: nothing where no channel occurs twice, else names of the runs."""
    channels = [channel for members in series for channel in {fold.model.channel for fold in members}]
    if len(set(channels)) == len(channels):
        return [""] * len(series)
    for name in (lambda run: run.name, lambda run: run.folder.name):
        names = [_common([name(fold.run) for fold in members]) for members in series]
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(number) for number in range(1, len(series) + 1)]


def _common(names: Sequence[str]) -> str:
    """What the names of folds begin with: 'unet_fold1', 'unet_fold2' -> 'unet_fold'."""
    if len(set(names)) == 1:
        return names[0]
    shared = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in shared).rstrip("-_. ")


def _scores(folds: Sequence[Fold]) -> Evaluation | None:
    evaluations = [fold.model.evaluation for fold in folds if fold.model.evaluation is not None]
    if len(evaluations) < 2:
        return evaluations[0] if evaluations else None
    first = evaluations[0]
    cases = [score for one in evaluations for score in one.cases]
    return Evaluation.from_cases(cases, settings=first.settings, task=first.task)


def _order(channels: Iterable[str]) -> list[str]:
    """Each channel once; single ones first."""
    return sorted(dict.fromkeys(channels), key=lambda channel: channel.count("+"))
