"""The scores of a cohort: per case, summarised, pooled; and their way into JSON and CSV files and back."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from msseg.atomic import write_text
from msseg.errors import InputError
from msseg.evaluation.cohort import Stratum, by_size, cohort_scores
from msseg.evaluation.lesion_table import lesion_entry, lesion_from_entry, write_lesions
from msseg.evaluation.scores import CaseScores
from msseg.evaluation.tasks import TASKS, Task, TaskName, task_of, without_nan
from msseg.metrics.lesions import LesionRow, LesionRules
from msseg.metrics.summary import summarise

NAMES = ("case", "group", "prediction", "truth")
"""What a case's entry holds besides its values and its lesions."""


@dataclass(frozen=True)
class Settings:
    """How an evaluation was made; what does not apply to its task is None.

    Attributes:
        threshold: A predicted voxel is foreground where its value is above this.
        bootstrap: Bootstrap samples of the intervals; 0: none.
        seed: Seed of the bootstrap.
        thresholds: Of membranes, all thresholds that were tried.
        label_meaning: What the truth's values stand for.
        label_values: Which values of a mask are foreground.
        lesions: Of lesions, what counted as one and as found.
    """

    threshold: float | None = 0.5
    bootstrap: int = 2000
    seed: int = 0
    thresholds: tuple[float, ...] | None = None
    label_meaning: str | None = None
    label_values: tuple[int, ...] | None = None
    lesions: LesionRules | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores of a cohort, or of the slices of stacks.

    Attributes:
        cases: One entry per case that could be scored; of stacks one per slice.
        summary: For each metric mean, std, median, min, max, ci_low, ci_high, n and undefined, as
            `msseg.metrics.summary.summarise` gives them; NaN where there is none.
        pooled: The scores of all cases taken together: of lesions dsc, iou, sensitivity, precision, tp, fp and fn of
            all voxels, ltpr, lfpr, lesion_f1 and counts of all lesions; of slices those of one stack that holds them
            all.
        failed: Case -> why it could not be scored.
        settings: How it was made.
        task: What was segmented.
    """

    cases: list[CaseScores]
    summary: dict[str, dict[str, float]]
    pooled: dict[str, float]
    failed: dict[str, str] = field(default_factory=dict)
    settings: Settings = Settings()
    task: TaskName = "lesions"

    @classmethod
    def from_cases(
        cls,
        cases: Sequence[CaseScores],
        failed: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        task: TaskName | None = None,
    ) -> "Evaluation":
        """Summarise and pool the scores of at least one case; without a task that of what was counted.

        Raises:
            ValueError: There is no case.
        """
        if not cases:
            raise ValueError("an evaluation needs at least one case")
        settings, task = settings or Settings(), task or task_of(cases)
        settled = TASKS[task].settle(cases)
        pooled = TASKS[task].pool(settled)
        return cls(settled, _summary(settled, TASKS[task], settings), pooled, dict(failed or {}), settings, task)

    @property
    def stacks(self) -> dict[str, list[CaseScores]]:
        """The slices of each stack, by its name; empty for lesions."""
        found: dict[str, list[CaseScores]] = {}
        if TASKS[self.task].counts is not None:
            for scores in self.cases:
                found.setdefault(scores.group or scores.case, []).append(scores)
        return found

    @property
    def lesions(self) -> list[LesionRow]:
        """All lesions of all cases one by one; empty where they were not kept."""
        return [row for scores in self.cases for row in scores.lesions]

    def strata(self) -> list[Stratum]:
        """The lesions by size, smallest first; empty where they were not kept."""
        return by_size(self.lesions, self.settings.lesions) if self.settings.lesions else []

    def cohort(self) -> dict[str, float]:
        """What only several cases have: volume_correlation, and isbi_score with it; empty for slices."""
        return cohort_scores(self.cases) if self.task == "lesions" else {}

    def headline(self) -> str:
        """The scores to tell first, e.g. 'V_rand 0.9840, V_info 0.9877 (6 slices)'."""
        task = TASKS[self.task]
        numbers = {key: self.summary[key]["mean"] for key in task.headline if key in self.summary}
        if task.counts is not None:
            numbers = {key: self.pooled[key] for key in numbers}
        told = ", ".join(
            f"{task.metrics[key].label} {value:.{task.metrics[key].decimals}f}" for key, value in numbers.items()
        )
        return f"{told} ({len(self.cases)} {task.case}{'' if len(self.cases) == 1 else 's'})"

    def to_json_dict(self) -> dict[str, Any]:
        """A dictionary for JSON that explains itself; what is not defined is None."""
        task = TASKS[self.task]
        content: dict[str, Any] = {
            "task": self.task,
            "rule_empty_masks": task.empty_rule,
            "definitions": task.definitions(self.settings.bootstrap),
            "settings": {key: value for key, value in asdict(self.settings).items() if value is not None},
        }
        if task.counts is not None:
            content["stack"] = without_nan({**self.pooled, **task.rows(self.cases)})
            content["stacks"] = {
                name: without_nan({"slices": len(cases), **task.pool(cases)}) for name, cases in self.stacks.items()
            }
            content["slices"] = [_slice_entry(scores, task) for scores in self.cases]
        else:
            content["cohort"] = without_nan(self.cohort())
            content["strata"] = [without_nan(asdict(stratum)) for stratum in self.strata()]
        return content | {
            "cases": [_case_entry(scores) | _lesion_entries(scores) for scores in self.cases],
            "summary": without_nan(self.summary),
            "pooled": without_nan(self.pooled),
            "failed": dict(self.failed),
        }

    @classmethod
    def from_json_dict(cls, content: Mapping[str, Any]) -> "Evaluation":
        """The evaluation that `to_json_dict` described.

        Raises:
            KeyError, TypeError, ValueError: The content is not that of an evaluation.
        """
        task: TaskName = content["task"]
        cases = [_case_scores(entry) for entry in content["cases"]]
        kind = TASKS[task].counts
        if kind is not None:
            counts = [kind.from_json_dict(entry["counts"]) for entry in content["slices"]]
            cases = [replace(scores, counts=counted) for scores, counted in zip(cases, counts, strict=True)]
        return cls(
            cases=cases,
            summary={key: _with_nan(numbers) for key, numbers in content["summary"].items()},
            pooled=_with_nan(content["pooled"]),
            failed={str(case): str(reason) for case, reason in content.get("failed", {}).items()},
            settings=_settings(content.get("settings", {})),
            task=task,
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

        Of stacks there is a line per slice, then one per stack, then one for all of several, told apart by the column
        `level`.

        Raises:
            InputError: The file cannot be written.
        """
        lines = [*self._lines(), *({"case": case, "error": reason} for case, reason in self.failed.items())]
        names = ["case", "group", *(["level"] if self.stacks else [])]
        keys = dict.fromkeys(key for line in lines for key in line if key not in (*names, *NAMES, "error"))
        text = io.StringIO()
        writer = csv.DictWriter(text, [*names, *keys, "prediction", "truth", "error"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        write_text(Path(path), text.getvalue())

    def lesions_to_csv(self, path: Path | str) -> None:
        """Write one line per lesion of truth and prediction, all or nothing: where it lies, its size, whether found.

        Raises:
            InputError: The file cannot be written.
        """
        write_lesions(Path(path), self.lesions)

    def _lines(self) -> Iterator[dict[str, Any]]:
        level = {"level": "slice"} if self.stacks else {}
        yield from ({**_case_entry(scores), **level} for scores in self.cases)
        for name, cases in self.stacks.items():
            yield {"case": name, "group": name, "level": "stack", **without_nan(TASKS[self.task].pool(cases))}
        if len(self.stacks) > 1:
            yield {"case": "all", "level": "all", **without_nan(self.pooled)}


def _settings(content: Mapping[str, Any]) -> Settings:
    """The settings in a JSON file, which leaves out what is None."""
    read: dict[str, Any] = {"threshold": None} if content else {}
    read |= content
    read |= {key: tuple(read[key]) for key in ("thresholds", "label_values") if key in read}
    if "lesions" in read:
        rules = read["lesions"]
        read["lesions"] = LesionRules(**{**rules, "strata_mm3": tuple(rules["strata_mm3"])})
    return Settings(**read)


def _summary(cases: Sequence[CaseScores], task: Task, settings: Settings) -> dict[str, dict[str, float]]:
    groups: list[str] | None = [scores.group for scores in cases]
    if task.counts is not None and len(set(groups or ())) == 1:
        groups = None
    keys = [key for key in task.metrics if any(key in scores.values for scores in cases)]
    columns = {key: [scores.values.get(key, math.nan) for scores in cases] for key in keys}
    return {
        key: summarise(column, groups, samples=settings.bootstrap, seed=settings.seed)
        for key, column in columns.items()
    }


def _case_entry(scores: CaseScores) -> dict[str, Any]:
    names = {name: getattr(scores, name) for name in NAMES}
    return {"case": names.pop("case"), "group": names.pop("group"), **without_nan(scores.values), **names}


def _lesion_entries(scores: CaseScores) -> dict[str, Any]:
    return {"lesions": [lesion_entry(row) for row in scores.lesions]} if scores.lesions else {}


def _slice_entry(scores: CaseScores, task: Task) -> dict[str, Any]:
    assert scores.counts is not None
    rows = without_nan(task.rows([scores]))
    values = without_nan(scores.values)
    return {"case": scores.case, "group": scores.group, **values, **rows, "counts": scores.counts.to_json_dict()}


def _case_scores(entry: Mapping[str, Any]) -> CaseScores:
    case = str(entry["case"])
    values = _with_nan({key: value for key, value in entry.items() if key not in (*NAMES, "lesions")})
    group, prediction, truth = (str(entry.get(name, "")) for name in NAMES[1:])
    lesions = tuple(lesion_from_entry(case, row) for row in entry.get("lesions", ()))
    return CaseScores(case, values, group, prediction, truth, lesions=lesions)


def _with_nan(numbers: Mapping[str, float | None]) -> dict[str, float]:
    wrong = [key for key, value in numbers.items() if value is not None and not isinstance(value, int | float)]
    if wrong:
        raise ValueError(f"{wrong[0]} is not a number")
    return {key: math.nan if value is None else value for key, value in numbers.items()}
