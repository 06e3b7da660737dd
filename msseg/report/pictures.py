"""Which pictures there are: each test case once, with every network and channel that was tested on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msseg.config.data import LabelMeaning
from msseg.evaluation.scores import CaseScores
from msseg.report.contents import TestedCase
from msseg.report.rows import Row, channels_of, labels_of
from msseg.report.slices import Key
from msseg.report.tables import case_order
from msseg.report.wording import Words
from msseg.volumes.align import Align
from msseg.volumes.files import read_label
from msseg.volumes.labels import read_truth
from msseg.volumes.volume import Volume


@dataclass(frozen=True)
class CasePicture:
    """What is drawn of one test case.

    Attributes:
        case: Id of the case.
        group: The patient, or the stack.
        words: What is particular to the task.
        truth: What predictions are compared with; None where the run names none.
        images: File per single channel.
        page: Of a slice of a stack its place in images and truth, from 0.
        tested: The files of each network's label and channel.
        results: What was scored on the whole case per network label and channel.
        thresholds: Of membranes the threshold of the best V_rand per network label and channel.
        channels: Lines of the picture.
        labels: Networks, one column each.
        meaning: What the truth's values stand for.
        membrane_width: Pixels between touching objects of the truth that are membrane.
        label_values: Which values of the truth are foreground; None: those above 0.5.
        align: What is done with images on another grid than the truth.
    """

    case: str
    group: str
    words: Words
    truth: Path | None
    images: Mapping[str, Path]
    page: int | None
    tested: Mapping[Key, TestedCase]
    results: Mapping[Key, CaseScores]
    thresholds: Mapping[Key, float]
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    meaning: LabelMeaning
    membrane_width: int
    label_values: tuple[int, ...] | None
    align: Align

    def read_mask(self, path: Path) -> Volume:
        """The truth of a volume, as the evaluation reads it; a mask of several values as older runs did.

        Raises:
            InputError: The file cannot be read.
        """
        if self.meaning == "mask" and self.label_values is None:
            return read_label(path)
        return read_truth(path, self.meaning, self.membrane_width, values=self.label_values)

    @property
    def models(self) -> list[Key]:
        """Networks and channels that were tested on the case: network by network."""
        return [
            (label, channel) for label in self.labels for channel in self.channels if (label, channel) in self.tested
        ]

    @property
    def scores(self) -> dict[Key, float]:
        """Main score of the whole case per network label and channel."""
        key = self.words.main.key
        return {model: scored.values[key] for model, scored in self.results.items() if key in scored.values}

    @property
    def predictions(self) -> dict[Key, Path]:
        """Predicted masks."""
        return {key: tested.prediction for key, tested in self.tested.items() if tested.prediction is not None}


def background_of(channel: str) -> str:
    """The single channel on which masks of a row's channel are drawn: 'FLAIR+T1' -> 'FLAIR'."""
    return channel.split("+")[0]


def case_pictures(rows: Sequence[Row]) -> list[CasePicture]:
    """The pictures of all test cases, lowest mean main score first, unscored cases last."""
    found: dict[tuple[str, Path | None], list[tuple[Row, TestedCase]]] = {}
    for row in rows:
        for fold in row.folds:
            for case in fold.model.cases:
                found.setdefault((case.case, case.label), []).append((row, case))
    order = list(case_order(rows))
    places = {case: place for place, case in enumerate(order)}
    results = _results(rows)
    pictures = [_picture(case, truth, shown, results) for (case, truth), shown in found.items()]
    return sorted(pictures, key=lambda picture: (places.get(picture.case, len(order)), picture.case))


def _picture(
    case: str,
    truth: Path | None,
    shown: Sequence[tuple[Row, TestedCase]],
    results: Mapping[str, Mapping[Key, CaseScores]],
) -> CasePicture:
    rows = [row for row, _ in shown]
    channels = channels_of(rows)
    images = {name: path for _, tested in shown for name, path in tested.images.items()}
    backgrounds = dict.fromkeys(background_of(channel) for channel in channels)
    run = rows[0].folds[0].run
    return CasePicture(
        case=case,
        group=shown[0][1].group,
        words=rows[0].words,
        truth=truth,
        images={name: images[name] for name in backgrounds if name in images},
        page=shown[0][1].page,
        tested={(row.label, row.channel): tested for row, tested in shown},
        results=results.get(case, {}),
        thresholds=_thresholds(rows),
        channels=tuple(channels),
        labels=tuple(labels_of(rows)),
        meaning=run.label_meaning,
        membrane_width=run.membrane_width,
        label_values=run.label_values,
        align=run.align,
    )


def _results(rows: Sequence[Row]) -> dict[str, dict[Key, CaseScores]]:
    """What each case scored by network and channel."""
    found: dict[str, dict[Key, CaseScores]] = {}
    for row in rows:
        for scored in row.evaluation.cases if row.evaluation is not None else ():
            found.setdefault(scored.case, {})[row.label, row.channel] = scored
    return found


def _thresholds(rows: Sequence[Row]) -> dict[Key, float]:
    """Where each row's V_rand is measured."""
    best = {
        (row.label, row.channel): row.evaluation.pooled.get("v_rand_threshold", math.nan)
        for row in rows
        if row.evaluation is not None
    }
    return {key: threshold for key, threshold in best.items() if not math.isnan(threshold)}
