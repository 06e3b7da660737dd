"""Scores of the validation cases, by task: what models are selected by."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from msseg.config.experiment import ExperimentConfig
from msseg.config.training import SELECTED_FOR
from msseg.inference.lesion_size import without_small_lesions
from msseg.inference.segments import connected_regions
from msseg.metrics.cells import seg_score
from msseg.metrics.lesions import LesionRules
from msseg.metrics.membranes import v_rand_per_threshold
from msseg.metrics.overlap import count_overlap
from msseg.metrics.selection import criterion_score


class Scores(Protocol):
    """Scores that gather case by case."""

    def add(self, probability: np.ndarray, truth: np.ndarray, spacing: Sequence[float] = (1, 1, 1)) -> None:
        """Take one case: probability float32 and truth bool, both (X, Y, Z), voxel edges in mm."""

    def summary(self) -> dict[str, float]:
        """Scores of all cases so far, by name."""


class OverlapScores:
    """Mean DSC."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.dsc: list[float] = []

    def add(self, probability: np.ndarray, truth: np.ndarray, spacing: Sequence[float] = (1, 1, 1)) -> None:
        """Count one case."""
        self.dsc.append(count_overlap(probability > self.threshold, truth).dsc)

    def summary(self) -> dict[str, float]:
        """`dsc`, the mean over the cases."""
        return {"dsc": float(np.mean(self.dsc))} if self.dsc else {}


class LesionScores(OverlapScores):
    """Mean DSC, and the mean of the score that models are selected by, of masks as a predictor makes them."""

    def __init__(self, config: ExperimentConfig) -> None:
        super().__init__(config.inference.threshold)
        self.smallest_mm3 = config.inference.smallest_lesion_mm3
        self.rules = LesionRules.from_config(config.evaluation)
        self.selected = [name.removeprefix("val_") for name in selected_score(config)]
        self.values: list[float] = []

    def add(self, probability: np.ndarray, truth: np.ndarray, spacing: Sequence[float] = (1, 1, 1)) -> None:
        """Score one case; surfaces and lesions are looked at only where models are selected by them."""
        mask = without_small_lesions(probability > self.threshold, spacing, self.smallest_mm3)
        self.dsc.append(count_overlap(mask, truth).dsc)
        self.values += [criterion_score(name, mask, truth, spacing, self.rules) for name in self.selected]

    def summary(self) -> dict[str, float]:
        """`dsc`, and the score that models are selected by."""
        selected = {name: float(np.mean(self.values)) for name in self.selected if self.values}
        return {**super().summary(), **selected}


def selected_score(config: ExperimentConfig) -> tuple[str, ...]:
    """The column of the score of lesions that models are selected by, where it is another one than loss or DSC."""
    select = config.training.select
    return (select,) if SELECTED_FOR.get(select) == "lesions" else ()


class MembraneScores(OverlapScores):
    """Mean DSC, and V_rand as it is reported: with thinned borders, the highest over the thresholds."""

    def __init__(self, threshold: float, thresholds: tuple[float, ...]) -> None:
        super().__init__(threshold)
        self.thresholds = thresholds
        self.v_rand: list[np.ndarray] = []

    def add(self, probability: np.ndarray, truth: np.ndarray, spacing: Sequence[float] = (1, 1, 1)) -> None:
        """Score the slices of one case."""
        super().add(probability, truth)
        for z in range(truth.shape[2]):
            self.v_rand.append(v_rand_per_threshold(probability[:, :, z], truth[:, :, z], self.thresholds))

    def summary(self) -> dict[str, float]:
        """`dsc` and `v_rand`, which is NaN where no slice has an inside."""
        defined = [scores for scores in self.v_rand if not np.isnan(scores).any()]
        best = float(np.mean(defined, axis=0).max()) if defined else math.nan
        return {**super().summary(), "v_rand": best}


class CellScores(OverlapScores):
    """Mean DSC, and SEG of the connected regions above the threshold against those of the truth."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold)
        self.total, self.objects = 0.0, 0

    def add(self, probability: np.ndarray, truth: np.ndarray, spacing: Sequence[float] = (1, 1, 1)) -> None:
        """Match the cells of one case."""
        super().add(probability, truth)
        total, objects = seg_score(connected_regions(probability > self.threshold), connected_regions(truth))
        self.total += total
        self.objects += objects

    def summary(self) -> dict[str, float]:
        """`dsc` and `seg`."""
        return {**super().summary(), "seg": self.total / max(self.objects, 1)}


def validation_scores(config: ExperimentConfig) -> Scores:
    """An empty collection of the scores that an experiment's task is validated by."""
    threshold = config.inference.threshold
    match config.task:
        case "membranes":
            return MembraneScores(threshold, config.evaluation.thresholds)
        case "cells":
            return CellScores(threshold)
        case "lesions":
            return LesionScores(config)
