"""What a run holds: its settings, its models, and of each model the epochs, scores and files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from msseg.cases.labels import label_meaning_of
from msseg.config.data import DataConfig, LabelMeaning
from msseg.doctor.findings import Examination
from msseg.errors import InputError
from msseg.evaluation.evaluate import DEFAULT_MEANINGS
from msseg.evaluation.evaluation import Evaluation
from msseg.evaluation.tasks import TASKS, TaskName
from msseg.report.lenient import Columns, mapping
from msseg.volumes.align import Align


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class TestedCase(_Lenient):
    """One entry of `cases.json`: the files of a case that the model was tested on; paths are resolved.

    A case that is a slice of a stack has its page (from 0) in the stack's images and labels, and another in the stack
    of what was predicted.
    """

    case: str
    group: str = ""
    images: dict[str, Path] = {}
    label: Path | None = None
    prediction: Path | None = None
    probability: Path | None = None
    instances: Path | None = None
    page: int | None = None
    predicted_page: int | None = None


class ModelFacts(_Lenient):
    """The content of `run.json`."""

    config_name: str = ""
    network: str
    channels: tuple[str, ...]
    parameters: int | None = None
    test: tuple[str, ...] | None = None
    seconds_preparing: float | None = None
    seconds_training: float | None = None
    device: str | None = None


class Times(_Lenient):
    """The content of `times.json`: seconds for each scan, and for all of them."""

    seconds_predicting: dict[str, float] = {}
    seconds_evaluating: float | None = None


@dataclass(frozen=True)
class TrainedModel:
    """One trained model of a run: a network on one channel (or several together).

    Attributes:
        folder: RUN/FLAIR.
        facts: Network, channels, size, device.
        epochs: Columns of `epochs.csv`, epochs counted from 0.
        kept_epoch: The epoch whose weights are the model; None where that is not written.
        evaluation: Scores of the test cases; None where there are none.
        cases: Files of the test cases.
        missing: What is not there, in words.
        times: How long prediction and evaluation took; older runs do not say.
        settings_text: The model folder's `model.yaml`, in which every setting is a number; empty without a model.
    """

    folder: Path
    facts: ModelFacts
    epochs: Columns
    kept_epoch: int | None
    evaluation: Evaluation | None
    cases: tuple[TestedCase, ...]
    missing: tuple[str, ...]
    times: Times
    settings_text: str

    @property
    def channel(self) -> str:
        """The channels' names as the report writes them: 'FLAIR' or 'FLAIR+T1'."""
        return "+".join(self.facts.channels)


@dataclass(frozen=True)
class RunContent:
    """One run folder with its models.

    Attributes:
        written: When its last result was.
        check: What the data doctor found before the run; older runs have none.
    """

    folder: Path
    config_text: str
    config: Mapping[str, Any]
    split: Mapping[str, Any]
    versions: Mapping[str, Any]
    models: tuple[TrainedModel, ...]
    missing: tuple[str, ...]
    written: datetime | None
    check: Examination | None = None

    @property
    def name(self) -> str:
        """The experiment's name, or the folder's where the config has none."""
        return str(self.config.get("name") or self.folder.name)

    @property
    def task(self) -> TaskName:
        """What was segmented: by the config, or where it is lost by the scores."""
        named = self.config.get("task")
        scored = [model.evaluation.task for model in self.models if model.evaluation is not None]
        return next((task for task in TASKS if task == named), scored[0] if scored else "lesions")

    @property
    def label_meaning(self) -> LabelMeaning:
        """What the values of its truths stand for: by the config, or else as is usual for the task."""
        try:
            # As JSON, in which a list may stand for a tuple.
            return label_meaning_of(DataConfig.model_validate_json(json.dumps(self.config.get("data"), default=str)))
        except (ValidationError, InputError):
            return DEFAULT_MEANINGS[self.task]

    @property
    def label_values(self) -> tuple[int, ...] | None:
        """Which values of its truths are foreground; None: those above 0.5."""
        values = mapping(self.config.get("data")).get("label_values")
        whole = isinstance(values, list) and all(isinstance(value, int) for value in values)
        return tuple(values) if whole and values else None

    @property
    def align(self) -> Align:
        """What was done with channels and labels on another grid than the first channel."""
        given = mapping(self.config.get("preprocessing")).get("align")
        return "resample" if given == "resample" else "refuse"

    @property
    def membrane_width(self) -> int:
        """Pixels between touching objects of its truths that are membrane."""
        width = mapping(self.config.get("data")).get("membrane_width")
        return width if isinstance(width, int) else 2
