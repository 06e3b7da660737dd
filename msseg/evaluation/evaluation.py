"""The scores of a cohort: per case, summarised, pooled; and their way into JSON and CSV files and back."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from msseg.atomic import write_text
from msseg.errors import InputError
from msseg.evaluation.scores import COUNTS, EMPTY_MASK_RULE, METRICS, CaseScores, overlap_scores
from msseg.metrics.overlap import Overlap
from msseg.metrics.summary import summarise

NAMES = ("case", "group", "prediction", "truth")
"""What a case's entry holds besides its values."""


@dataclass(frozen=True)
class Settings:
    """How an evaluation was made.

    Attributes:
        threshold: A predicted voxel is foreground where its value is above this.
        bootstrap: Bootstrap samples of the intervals; 0: none.
        seed: Seed of the bootstrap.
    """

    threshold: float = 0.5
    bootstrap: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Evaluation:
    """Scores of a cohort.

    Attributes:
        cases: One entry per case that could be scored.
        summary: For each metric mean, std, median, min, max, ci_low, ci_high, n and undefined, as
            `msseg.metrics.summary.summarise` gives them; NaN where there is none.
        pooled: dsc, iou, sensitivity, precision, tp, fp and fn of all cases' voxels taken together.
        failed: Case -> why it could not be scored.
        settings: How it was made.
        task: What was segmented.
    """

    cases: list[CaseScores]
    summary: dict[str, dict[str, float]]
    pooled: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    settings: Settings = Settings()
    task: str = "lesions"

    @classmethod
    def from_cases(
        cls,
        cases: Sequence[CaseScores],
        failed: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        task: str = "lesions",
    ) -> "Evaluation":
        """Summarise and pool the scores of at least one case.

        Raises:
            ValueError: There is no case.
        """
        if not cases:
            raise ValueError("an evaluation needs at least one case")
        settings = settings or Settings()
        overlap = sum((scores.overlap for scores in cases), start=Overlap(0, 0, 0))
        pooled = {**overlap_scores(overlap), "tp": overlap.tp, "fp": overlap.fp, "fn": overlap.fn}
        return cls(list(cases), _summary(cases, settings), pooled, dict(failed or {}), settings, task)

    def to_json_dict(self) -> dict[str, Any]:
        """A dictionary for JSON that explains itself; what is not defined is None."""
        interval = f"95 % percentile bootstrap interval of the mean, {self.settings.bootstrap} draws of whole groups"
        return {
            "task": self.task,
            "rule_empty_masks": EMPTY_MASK_RULE,
            "definitions": {
                **{key: metric.definition for key, metric in METRICS.items()},
                **COUNTS,
                "ci_low, ci_high": interval + " (the patients; each case by itself where no group is named)",
                "std": "standard deviation of the sample (n - 1)",
                "n": "cases where the metric is defined; mean, std, median, min and max are over these",
                "undefined": "cases left out because the metric is not defined for them",
                "pooled": "scores of all cases' voxels taken together",
                "failed": "cases that could not be read or scored; they are in no mean",
            },
            "settings": asdict(self.settings),
            "cases": [_case_entry(scores) for scores in self.cases],
            "summary": {key: _without_nan(numbers) for key, numbers in self.summary.items()},
            "pooled": _without_nan(self.pooled),
            "failed": dict(self.failed),
        }

    @classmethod
    def from_json_dict(cls, content: Mapping[str, Any]) -> "Evaluation":
        """The evaluation that `to_json_dict` described.

        Raises:
            KeyError, TypeError, ValueError: The content is not that of an evaluation.
        """
        return cls(
            cases=[_case_scores(entry) for entry in content["cases"]],
            summary={key: _with_nan(numbers) for key, numbers in content["summary"].items()},
            pooled=_with_nan(content["pooled"]),
            failed={str(case): str(reason) for case, reason in content.get("failed", {}).items()},
            settings=Settings(**content.get("settings", {})),
            task=str(content["task"]),
        )

    def to_json(self, path: Path | str) -> None:
        """Write the JSON file, all or nothing.

        Raises:
            InputError: The file cannot be written.
        """
        write_text(Path(path), json.dumps(self.to_json_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def from_json(cls, path: Path | str) -> "Evaluation":
        """Read what `to_json` wrote.

        Raises:
            InputError: The file is missing, unreadable or no evaluation.
        """
        try:
            return cls.from_json_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} is no evaluation that msseg wrote ({type(error).__name__}: {error}); evaluate anew"
            ) from error

    def to_csv(self, path: Path | str) -> None:
        """Write one line per case, all or nothing: names, values, error; what is not defined stays empty.

        Raises:
            InputError: The file cannot be written.
        """
        keys = list(dict.fromkeys(key for scores in self.cases for key in scores.values))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["case", "group", *keys, "prediction", "truth", "error"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(_case_entry(scores) for scores in self.cases)
        writer.writerows({"case": case, "error": reason} for case, reason in self.failed.items())
        write_text(Path(path), text.getvalue())


def _summary(cases: Sequence[CaseScores], settings: Settings) -> dict[str, dict[str, float]]:
    groups = [scores.group for scores in cases]
    keys = dict.fromkeys(key for scores in cases for key in scores.values if key not in COUNTS)
    columns = {key: [scores.values.get(key, math.nan) for scores in cases] for key in keys}
    return {
        key: summarise(column, groups, samples=settings.bootstrap, seed=settings.seed)
        for key, column in columns.items()
    }


def _case_entry(scores: CaseScores) -> dict[str, Any]:
    names = {name: getattr(scores, name) for name in NAMES}
    return {"case": names.pop("case"), "group": names.pop("group"), **_without_nan(scores.values), **names}


def _case_scores(entry: Mapping[str, Any]) -> CaseScores:
    values = _with_nan({key: value for key, value in entry.items() if key not in NAMES})
    return CaseScores(values=values, case=str(entry["case"]), **{name: str(entry.get(name, "")) for name in NAMES[1:]})


def _without_nan(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in numbers.items()}


def _with_nan(numbers: Mapping[str, float | None]) -> dict[str, float]:
    wrong = [key for key, value in numbers.items() if value is not None and not isinstance(value, int | float)]
    if wrong:
        raise ValueError(f"{wrong[0]} is not a number")
    return {key: math.nan if value is None else value for key, value in numbers.items()}
