"""Which pictures there are: each test case once, with every network and channel that was tested on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msseg.config.data import LabelMeaning
from msseg.report.collect import TestedCase
from msseg.report.rows import Row, channels_of, labels_of
from msseg.report.slices import Key
from msseg.report.tables import case_order
from msseg.report.wording import Words


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
        scores: Main score of the whole case per network label and channel.
        thresholds: Of membranes the threshold of the best V_rand per network label and channel.
        channels: Lines of the picture.
        labels: Networks, one column each.
        meaning: What the truth's values stand for.
        membrane_width: Pixels between touching objects of the truth that are membrane.
    """

    case: str
    group: str
    words: Words
    truth: Path | None
    images: Mapping[str, Path]
    page: int | None
    tested: Mapping[Key, TestedCase]
    scores: Mapping[Key, float]
    thresholds: Mapping[Key, float]
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    meaning: LabelMeaning
    membrane_width: int

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
    scores = _scores(rows)
    pictures = [_picture(case, truth, shown, scores) for (case, truth), shown in found.items()]
    return sorted(pictures, key=lambda picture: (places.get(picture.case, len(order)), picture.case))


def _picture(
    case: str,
    truth: Path | None,
    shown: Sequence[tuple[Row, TestedCase]],
    scores: Mapping[str, Mapping[Key, float]],
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
        scores=scores.get(case, {}),
        thresholds=_thresholds(rows),
        channels=tuple(channels),
        labels=tuple(labels_of(rows)),
        meaning=run.label_meaning,
        membrane_width=run.membrane_width,
    )


def _scores(rows: Sequence[Row]) -> dict[str, dict[Key, float]]:
    """The main score of each case by network and channel."""
    found: dict[str, dict[Key, float]] = {}
    for row in rows:
        for score in row.evaluation.cases if row.evaluation is not None else ():
            if row.words.main.key in score.values:
                found.setdefault(score.case, {})[row.label, row.channel] = score.values[row.words.main.key]
    return found


def _thresholds(rows: Sequence[Row]) -> dict[Key, float]:
    """Where each row's V_rand is measured."""
    best = {
        (row.label, row.channel): row.evaluation.pooled.get("v_rand_threshold", math.nan)
        for row in rows
        if row.evaluation is not None
    }
    return {key: threshold for key, threshold in best.items() if not math.isnan(threshold)}
