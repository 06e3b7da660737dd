"""Which threshold and smallest lesion score best on some cases, and how much of it is luck."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msseg.metrics.selection import CRITERIA

Place = tuple[int, int]
"""Where a choice stands: number of its threshold, number of its smallest size."""

EQUAL = 1e-9
"""Scores that differ by less are equal: the sums behind them were taken in another order."""


@dataclass(frozen=True)
class Choice:
    """A threshold, a smallest lesion (mm^3), and what they score (mean over the cases)."""

    threshold: float
    smallest_lesion_mm3: float
    score: float

    def to_json_dict(self) -> dict[str, float]:
        """For JSON and YAML."""
        return {
            "threshold": self.threshold,
            "smallest_lesion_mm3": self.smallest_lesion_mm3,
            "score": round(self.score, 6),
        }


@dataclass(frozen=True, eq=False)
class Tuning:
    """Scores of all thresholds and smallest sizes on all cases.

    Attributes:
        criterion: What they are chosen by, one of `msseg.metrics.selection.CRITERIA`.
        thresholds: Rising.
        sizes_mm3: Smallest lesions that are kept, rising.
        cases: The cases.
        groups: Their patients.
        scores: (cases, thresholds, sizes).
        present: Place of the present choice.
    """

    criterion: str
    thresholds: tuple[float, ...]
    sizes_mm3: tuple[float, ...]
    cases: tuple[str, ...]
    groups: tuple[str, ...]
    scores: NDArray[np.float64]
    present: Place

    @property
    def means(self) -> NDArray[np.float64]:
        """(thresholds, sizes) means over the cases."""
        means: NDArray[np.float64] = self.scores.mean(axis=0)
        return means

    @property
    def before(self) -> Choice:
        """The present choice."""
        return self._choice(self.present)

    @property
    def after(self) -> Choice:
        """The best choice."""
        return self._choice(self.best(self.means))

    def best(self, means: NDArray[np.float64]) -> Place:
        """The place of the best mean.

        Of equal ones the present choice stays; else the one that takes out least (the smallest size), then the
        threshold nearest 0.5, then the lower one.
        """
        sign = -1 if CRITERIA[self.criterion].lower else 1
        top = (sign * means).max()
        if sign * means[self.present] >= top - EQUAL:
            return self.present
        places = [(int(row), int(column)) for row, column in np.argwhere(sign * means >= top - EQUAL)]
        return min(places, key=lambda place: (place[1], round(abs(self.thresholds[place[0]] - 0.5), 9), place[0]))

    def left_out(self) -> float | None:
        """The score to expect on others: each patient's cases at the choice that is best on the other patients.

        The best of many choices is partly the luckiest one, so that its score on the cases it was chosen on is too
        good. None with a single patient.
        """
        patients = list(dict.fromkeys(self.groups))
        if len(patients) < 2:
            return None
        owner = np.array([patients.index(group) for group in self.groups])
        scores = np.empty(len(self.cases))
        for number in range(len(patients)):
            own = owner == number
            scores[own] = self.scores[own][(slice(None), *self.best(self.scores[~own].mean(axis=0)))]
        return float(scores.mean())

    def at_edge(self) -> str | None:
        """The side of the grid that the best choice lies on, beyond which a better one may be; None inside."""
        row, column = self.best(self.means)
        if len(self.thresholds) > 1 and row in (0, len(self.thresholds) - 1):
            return f"the {'lowest' if row == 0 else 'highest'} threshold"
        if len(self.sizes_mm3) > 1 and column == len(self.sizes_mm3) - 1:
            return "the largest of the smallest sizes"
        return None

    def to_json_dict(self) -> dict[str, Any]:
        """Everything, for the run folder."""
        return {
            "metric": self.criterion,
            "better": "lower" if CRITERIA[self.criterion].lower else "higher",
            "before": self.before.to_json_dict(),
            "after": self.after.to_json_dict(),
            "score_on_patients_left_out": self.left_out(),
            "thresholds": list(self.thresholds),
            "smallest_lesion_mm3": list(self.sizes_mm3),
            "mean_scores": self.means.tolist(),
            "cases": [
                {"case": case, "group": group, "scores": scores.tolist()}
                for case, group, scores in zip(self.cases, self.groups, self.scores, strict=True)
            ],
        }

    def _choice(self, place: Place) -> Choice:
        row, column = place
        return Choice(self.thresholds[row], self.sizes_mm3[column], float(self.means[place]))


def with_present(values: Sequence[float], present: float) -> tuple[float, ...]:
    """The values to try in rising order, the present one among them."""
    return tuple(sorted({*values, present}))
