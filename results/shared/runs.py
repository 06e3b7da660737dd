"""Finished runs, and the test slices that they predicted."""

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msseg.errors import InputError
from msseg.metrics.membranes import threshold_rows
from msseg.metrics.segments import label_segments
from msseg.metrics.slice_counts import SliceCounts
from msseg.report.collect import collect_runs
from msseg.report.contents import RunContent, TestedCase, TrainedModel
from msseg.report.sections import grey_levels
from msseg.volumes.files import read_volume
from msseg.volumes.labels import read_instances, read_truth

Labels = NDArray[np.int32]
Values = dict[str, Any]
"""What is known of one run, as it goes into scores.json."""


@dataclass(frozen=True)
class Finished:
    """A run of one model."""

    run: RunContent
    model: TrainedModel

    @property
    def scores(self) -> dict[str, float]:
        """Scores of all test slices taken together; empty where the run is not that far."""
        return {} if self.model.evaluation is None else self.model.evaluation.pooled

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        patches = self.run.config["patches"]
        return math.ceil(len(self.run.split["train"]) * patches["per_volume"] / patches["batch_size"])

    @property
    def steps(self) -> int:
        """Training steps of the whole run."""
        return len(self.model.epochs.get("epoch", ())) * self.steps_per_epoch

    @property
    def kept_steps(self) -> int | None:
        """Training steps of the weights that were kept."""
        return None if self.model.kept_epoch is None else (self.model.kept_epoch + 1) * self.steps_per_epoch

    @property
    def seconds_per_step(self) -> float:
        """Median over the epochs without validation; over all where each has one, which is then in it."""
        epochs = self.model.epochs
        pairs = list(zip(epochs.get("seconds", ()), epochs.get("val_loss", ()), strict=True))
        seconds = [one for one, validated in pairs if math.isnan(validated)] or [one for one, _ in pairs]
        return statistics.median(seconds) / self.steps_per_epoch if seconds else math.nan

    def v_rand_at(self, threshold: float) -> float:
        """V_rand of all test slices taken together at one threshold, 0.5 for instance: that of the mask."""
        assert self.model.evaluation is not None
        counts = [scores.counts for scores in self.model.evaluation.cases]
        rows = threshold_rows([one for one in counts if isinstance(one, SliceCounts)])
        return next(row["v_rand"]["f"] for row in rows if math.isclose(row["threshold"], threshold))

    def curve(self, column: str) -> tuple[list[int], list[float]]:
        """Training steps, and the values of a column of epochs.csv after them, where it has any."""
        epochs = self.model.epochs
        points = zip(epochs.get("epoch", ()), epochs.get(column, ()), strict=False)
        known = [((int(epoch) + 1) * self.steps_per_epoch, value) for epoch, value in points if math.isfinite(value)]
        return [step for step, _ in known], [value for _, value in known]

    def facts(self) -> Values:
        """What is told of every run besides its scores."""
        return {
            "parameters": self.model.facts.parameters,
            "steps": self.steps,
            "kept_steps": self.kept_steps,
            "seconds_step": self.seconds_per_step,
            "seconds_training": self.model.facts.seconds_training,
        }


def read_run(folder: Path) -> Finished | None:
    """The run in a folder, unfinished ones as far as they are; None with a note where there is none."""
    try:
        (run,) = collect_runs([folder])
    except InputError as error:
        print(f"left out: {error}")
        return None
    if not run.models:
        print(f"left out: {folder} has no trained model yet")
        return None
    (model,) = run.models
    if model.evaluation is None:
        print(f"{folder} is not scored yet")
    return Finished(run, model)


def image_of(case: TestedCase) -> NDArray[np.uint8]:
    """(H, W) grey values of a test slice."""
    (path,) = case.images.values()
    return grey_levels(_page(path, case.page))


def probability_of(case: TestedCase) -> NDArray[np.float32]:
    """(H, W) probability of being inside."""
    assert case.probability is not None
    return np.clip(_page(case.probability, case.predicted_page), 0, 1)


def instances_of(case: TestedCase) -> Labels:
    """(H, W) predicted objects."""
    assert case.instances is not None
    return _page(case.instances, case.predicted_page).astype(np.int32)


def truth_of(case: TestedCase, run: RunContent) -> Labels:
    """(H, W) true objects from 1, as the evaluation takes them."""
    assert case.label is not None
    pages = None if case.page is None else (case.page,)
    if run.task == "cells":
        return np.ascontiguousarray(read_instances(case.label, run.label_meaning, pages).data[:, :, 0])
    return label_segments(read_truth(case.label, run.label_meaning, run.membrane_width, pages).data[:, :, 0])


def _page(path: Path, page: int | None) -> NDArray[np.float32]:
    return np.ascontiguousarray(read_volume(path, pages=None if page is None else (page,)).data[:, :, 0])
