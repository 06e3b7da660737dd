"""Scores of the validation cases, by task: what models are selected by."""

import math
from typing import Protocol

import numpy as np

from msseg.config.experiment import ExperimentConfig
from msseg.inference.segments import connected_regions
from msseg.metrics.cells import seg_score
from msseg.metrics.membranes import v_rand_per_threshold
from msseg.metrics.overlap import count_overlap


class Scores(Protocol):
    """Scores that gather case by case."""

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
        """Take one case: probability float32 and truth bool, both (X, Y, Z)."""

    def summary(self) -> dict[str, float]:
        """Scores of all cases so far, by name."""


class OverlapScores:
    """Mean DSC."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.dsc: list[float] = []

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
        """Count one case."""
        self.dsc.append(count_overlap(probability > self.threshold, truth).dsc)

    def summary(self) -> dict[str, float]:
        """`dsc`, the mean over the cases."""
        return {"dsc": float(np.mean(self.dsc))} if self.dsc else {}


class MembraneScores(OverlapScores):
    """Mean DSC, and V_rand as it is reported: with thinned borders, the highest over the thresholds."""

    def __init__(self, threshold: float, thresholds: tuple[float, ...]) -> None:
        super().__init__(threshold)
        self.thresholds = thresholds
        self.v_rand: list[np.ndarray] = []

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
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

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
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
            return OverlapScores(threshold)
