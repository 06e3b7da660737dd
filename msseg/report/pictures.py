"""Which pictures there are: each test case once, with every network and channel that was tested on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msseg.report.collect import TestedCase
from msseg.report.rows import Row, channels_of, labels_of
from msseg.report.slices import CaseSlice, Key, read_case_slice
from msseg.report.tables import case_order
from msseg.report.wording import DSC


@dataclass(frozen=True)
class CasePicture:
    """What is drawn of one test case: channels downwards; image, expert and networks across.

    Attributes:
        case: Id of the case.
        group: The patient.
        truth: Expert's mask; None where the run names none.
        images: File per single channel.
        predictions: Predicted mask per network label and channel.
        dsc: DSC of the whole case per network label and channel.
        channels: Lines of the picture.
        labels: Networks, one column each.
    """

    case: str
    group: str
    truth: Path | None
    images: Mapping[str, Path]
    predictions: Mapping[Key, Path]
    dsc: Mapping[Key, float]
    channels: tuple[str, ...]
    labels: tuple[str, ...]

    def read(self) -> CaseSlice:
        """Read the files.

        Raises:
            InputError: There is no expert's mask, or a file cannot be used.
        """
        return read_case_slice(self.case, self.group, self.images, self.truth, self.predictions)


def background_of(channel: str) -> str:
    """The single channel on which masks of a row's channel are drawn: 'FLAIR+T1' -> 'FLAIR'."""
    return channel.split("+")[0]


def case_pictures(rows: Sequence[Row]) -> list[CasePicture]:
    """The pictures of all test cases, lowest mean DSC first, unscored cases last."""
    found: dict[tuple[str, Path | None], list[tuple[Row, TestedCase]]] = {}
    for row in rows:
        for fold in row.folds:
            for case in fold.model.cases:
                found.setdefault((case.case, case.label), []).append((row, case))
    order = list(case_order(rows))
    places = {case: place for place, case in enumerate(order)}
    pictures = [_picture(case, truth, shown) for (case, truth), shown in found.items()]
    return sorted(pictures, key=lambda picture: (places.get(picture.case, len(order)), picture.case))


def _picture(case: str, truth: Path | None, shown: Sequence[tuple[Row, TestedCase]]) -> CasePicture:
    rows = [row for row, _ in shown]
    channels = channels_of(rows)
    images = {name: path for _, tested in shown for name, path in tested.images.items()}
    backgrounds = dict.fromkeys(background_of(channel) for channel in channels)
    predictions = {(row.label, row.channel): tested.prediction for row, tested in shown if tested.prediction}
    return CasePicture(
        case=case,
        group=shown[0][1].group,
        truth=truth,
        images={name: images[name] for name in backgrounds if name in images},
        predictions=predictions,
        dsc=_scores(case, rows),
        channels=tuple(channels),
        labels=tuple(labels_of(rows)),
    )


def _scores(case: str, rows: Sequence[Row]) -> dict[Key, float]:
    return {
        (row.label, row.channel): score.values[DSC.key]
        for row in rows
        if row.evaluation is not None
        for score in row.evaluation.cases
        if score.case == case and DSC.key in score.values
    }
