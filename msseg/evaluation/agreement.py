"""How far raters agree with each other, and a method with each of them and with what they hold together."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from msseg.atomic import write_text
from msseg.config.data import LabelMeaning
from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation, Settings
from msseg.evaluation.raters import Reading
from msseg.evaluation.scores import CaseScores
from msseg.evaluation.tasks import without_nan
from msseg.metrics.compare import Paired, compare_paired
from msseg.metrics.consensus import Consensus, consensus_mask
from msseg.metrics.lesions import LesionRules, lesion_report
from msseg.volumes.align import aligned
from msseg.volumes.files import output_suffix, read_label, write_volume
from msseg.volumes.labels import read_truth
from msseg.volumes.volume import Volume

PREDICTION, CONSENSUS = "prediction", "consensus"
Who = tuple[str, str]
"""Whose mask is judged, and against whose."""


@dataclass(frozen=True)
class Agreement:
    """Every rater with every other, and a prediction with all of them.

    Attributes:
        raters: Their names.
        evaluations: Scores of the first's masks against the second's, for each pair of raters, and for the prediction
            against each rater and against their consensus.
        like_a_rater: DSC per case, mean over the raters: a is of the raters with each other, b of the prediction with
            them; None without a prediction.
        consensus: How the consensus was made; None without a prediction, and where nobody asked for one.
        failed: Case -> why it could not be read.
    """

    raters: tuple[str, ...]
    evaluations: Mapping[Who, Evaluation]
    like_a_rater: Paired | None = None
    consensus: Consensus | None = None
    failed: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, path: Path) -> None:
        """Write everything to a JSON file, all or nothing; each evaluation as `msseg evaluate --json` writes it.

        Raises:
            InputError: The file cannot be written.
        """
        content: dict[str, Any] = {
            "raters": list(self.raters),
            "consensus": self.consensus,
            "like_a_rater": None if self.like_a_rater is None else without_nan(asdict(self.like_a_rater)),
            "comparisons": [
                {"judged": judged, "against": against, "evaluation": evaluation.to_json_dict()}
                for (judged, against), evaluation in self.evaluations.items()
            ],
            "failed": dict(self.failed),
        }
        write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@dataclass(frozen=True)
class Reader:
    """How masks are read and scored.

    Attributes:
        meaning: What the raters' values stand for.
        values: Which of them are foreground.
        threshold: A predicted voxel is foreground above this.
        rules: What counts as a lesion.
        consensus: What raters hold together.
        save: Folder for the consensus masks.
    """

    meaning: LabelMeaning = "mask"
    values: Sequence[int] | None = None
    threshold: float = 0.5
    rules: LesionRules = field(default_factory=LesionRules)
    consensus: Consensus = "staple"
    save: Path | None = None

    def volumes(self, reading: Reading) -> dict[str, Volume]:
        """Everyone's mask of a scan on the first rater's grid.

        Raises:
            InputError: A file cannot be read, lies on another grid, or the consensus cannot be written.
        """
        masks = {name: read_truth(path, self.meaning, values=self.values) for name, path in reading.raters.items()}
        first, *others = masks.values()
        for other in others:
            aligned(first, other, "refuse", way_out="bring all masks of a scan onto one grid")
        if reading.prediction is not None:
            mask = read_label(reading.prediction, self.threshold)
            masks[PREDICTION] = aligned(first, mask, "refuse", way_out="bring all masks of a scan onto one grid")
        if reading.prediction is not None or self.save is not None:
            together = consensus_mask([first.data, *(other.data for other in others)], self.consensus)
            masks[CONSENSUS] = replace(first, data=together)
        if self.save is not None:
            path = self.save / f"{reading.case}_consensus{output_suffix(next(iter(reading.raters.values())))}"
            write_volume(path, masks[CONSENSUS].data, first)
        return masks


def measure_agreement(
    readings: Sequence[Reading],
    reader: Reader | None = None,
    groups: Mapping[str, str] | None = None,
    bootstrap: int = 2000,
    on_done: Callable[[], None] = lambda: None,
) -> Agreement:
    """Score everyone against everyone.

    Args:
        readings: The scans; the raters of all are the same.
        reader: How masks are read and scored; None: as `Reader` has it.
        groups: The patient of each scan, in place of what the readings say.
        bootstrap: Bootstrap samples of the intervals; 0: none.
        on_done: Called after each scan.

    Raises:
        InputError: There is no scan, or none could be read.
    """
    if not readings:
        raise InputError("there is no scan of several raters")
    reader = reader or Reader()
    raters = tuple(readings[0].raters)
    taken = {PREDICTION, CONSENSUS} & set(raters)
    if taken:
        raise InputError(f"a rater is called {taken.pop()}, a name that is taken: rename the folder")
    pairs: list[Who] = [(judged, against) for place, against in enumerate(raters) for judged in raters[place + 1 :]]
    if readings[0].prediction is not None:
        pairs += [(PREDICTION, against) for against in (*raters, CONSENSUS)]
    scores: dict[Who, list[CaseScores]] = {pair: [] for pair in pairs}
    failed: dict[str, str] = {}
    for reading in readings:
        group = reading.group if groups is None else groups.get(reading.case, "")
        try:
            masks = reader.volumes(reading)
        except InputError as error:
            failed[reading.case] = str(error)
        else:
            for judged, against in pairs:
                truth = masks[against]
                report = lesion_report(masks[judged].data, truth.data, truth.spacing, reader.rules)
                judged_file, against_file = (str(_file(reading, who)) for who in (judged, against))
                scores[judged, against].append(
                    CaseScores(reading.case, report.values, group, judged_file, against_file)
                )
        on_done()
    if not scores[pairs[0]]:
        raise InputError(f"no scan could be read; first: {next(iter(failed.values()))}")
    settings = Settings(reader.threshold, bootstrap, 0, None, reader.meaning, lesions=reader.rules)
    evaluations = {pair: Evaluation.from_cases(of, failed, settings, "lesions") for pair, of in scores.items()}
    predicted = readings[0].prediction is not None
    like = _like_a_rater(raters, scores, bootstrap) if predicted else None
    return Agreement(raters, evaluations, like, reader.consensus if predicted or reader.save else None, failed)


def _file(reading: Reading, who: str) -> Path | str:
    return (reading.prediction or "") if who == PREDICTION else reading.raters.get(who, "")


def _like_a_rater(raters: Sequence[str], scores: Mapping[Who, Sequence[CaseScores]], bootstrap: int) -> Paired:
    """DSC of the prediction with the raters against that of the raters with each other, case by case."""
    between, of_prediction = (
        np.mean([[case.values["dsc"] for case in of] for who, of in scores.items() if wanted(who)], axis=0)
        for wanted in (
            lambda who: who[0] in raters,
            lambda who: who[0] == PREDICTION and who[1] in raters,
        )
    )
    groups = [case.group for case in next(iter(scores.values()))]
    return compare_paired(between, of_prediction, groups, samples=bootstrap)
