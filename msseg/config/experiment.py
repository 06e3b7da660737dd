"""One experiment: all sections of a YAML file together."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from msseg.config.data import DataConfig, SplitConfig
from msseg.config.inference import EvaluationConfig, InferenceConfig
from msseg.config.loss import BceDiceConfig, LossConfig
from msseg.config.network import NetworkConfig, ResidualUNet3dConfig
from msseg.config.patches import PAPER_ORDER, Augmentation, PatchesConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.config.section import Section
from msseg.config.training import SELECTED_FOR, OptimiserConfig, ScheduleConfig, TrainingConfig

NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*$"


def _can_name_a_folder(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(f"is '{name}'; allowed are letters, digits, dot, dash and underscore, a letter or digit first")
    return name


class ExperimentConfig(Section):
    """Everything that explains a run. Every key has a default: the settings of Choi et al. 2021."""

    name: Annotated[str, AfterValidator(_can_name_a_folder), Field(json_schema_extra={"pattern": NAME})] = "experiment"
    """Name of the experiment: letters, digits, dot, dash and underscore."""
    task: Literal["lesions", "membranes", "cells"] = "lesions"
    """What is segmented, and so how it is scored: lesions by overlap and distance, the inside of neurites between
    membranes by V_rand and V_info, cells by SEG."""
    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    patches: PatchesConfig = PatchesConfig()
    augmentation: tuple[Augmentation, ...] = PAPER_ORDER
    """Augmentations of training patches, in the order in which they are applied."""
    network: NetworkConfig = ResidualUNet3dConfig()
    loss: LossConfig = BceDiceConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _task_fits(self) -> Self:
        needed = SELECTED_FOR.get(self.training.select, self.task)
        if needed != self.task:
            raise ValueError(f"training.select {self.training.select} is measured for task {needed}, not {self.task}")
        return self

    @model_validator(mode="after")
    def _lesions_are_of_lesions(self) -> Self:
        if self.inference.smallest_lesion_mm3 and self.task != "lesions":
            raise ValueError(f"inference.smallest_lesion_mm3 is for task lesions; for {self.task} leave it at 0")
        return self

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.schedule.warmup_epochs >= self.training.epochs > 1:
            raise ValueError(
                f"schedule.warmup_epochs ({self.schedule.warmup_epochs}) has to be below training.epochs"
                f" ({self.training.epochs})"
            )
        return self
