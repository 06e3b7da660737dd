"""How a network is trained: optimiser, schedule, length, precision."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from msseg.config.section import Section, Seed

Positive = Annotated[float, Field(gt=0)]


def _as_column(name: object) -> object:
    """`isbi_score` stands for the column that it is logged in, `val_isbi_score`."""
    return f"val_{name}" if f"val_{name}" in get_args(Selected) else name


Selected = Literal[
    "val_loss",
    "val_dsc",
    "val_v_rand",
    "val_seg",
    "val_iou",
    "val_isbi_score",
    "val_lesion_f1",
    "val_msseg_f1",
    "val_ltpr",
    "val_lfpr",
    "val_surface_dsc",
    "val_hd95",
    "val_assd",
    "val_volume_difference",
]
"""Columns of the epoch table that models can be selected by."""
_SPELLINGS = [spelling for name in get_args(Selected) for spelling in (name, name.removeprefix("val_"))]
Selection = Annotated[
    Selected, BeforeValidator(_as_column), WithJsonSchema({"type": "string", "enum": _SPELLINGS}, mode="validation")
]
SELECTED_LOW: frozenset[Selected] = frozenset({"val_loss", "val_lfpr", "val_hd95", "val_assd", "val_volume_difference"})
"""Those of which the lower value is the better one."""
SELECTED_FOR: Mapping[str, str] = {"val_v_rand": "membranes", "val_seg": "cells"} | dict.fromkeys(
    get_args(Selected)[4:], "lesions"
)
"""Which task each of the others than `val_loss` and `val_dsc` is measured for."""


class OptimiserConfig(Section):
    """The gradient method."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    """`adam`, `adamw` (decoupled weight decay) or `sgd` (with Nesterov momentum 0.99)."""
    learning_rate: Positive = 1e-4
    """Step size at the start."""
    weight_decay: float = Field(default=1e-10, ge=0)
    """L2 penalty on the weights."""


class ScheduleConfig(Section):
    """How the learning rate changes over the epochs."""

    name: Literal["constant", "cosine", "polynomial"] = "constant"
    """`constant`, `cosine` (to 0) or `polynomial` (power 0.9, to 0)."""
    warmup_epochs: int = Field(default=0, ge=0)
    """Epochs over which the rate rises linearly from a tenth."""


class TrainingConfig(Section):
    """Length, validation, precision and seed of a training."""

    epochs: int = Field(default=100, ge=1)
    """Most epochs to train; an epoch is `patches.per_volume` patches from every training volume."""
    validate_every: int = Field(default=1, ge=1)
    """Epochs between validations (sliding windows over whole validation volumes)."""
    validation_overlap: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of a window that the next one covers again in validations while training: 0 takes an eighth of the windows
    of 0.5 in a large volume, and scores a little worse near their borders; null: `inference.overlap`."""
    patience: int | None = Field(default=5, ge=1)
    """Stop after this many validations without improvement; null: never."""
    select: Selection = "val_loss"
    """What improvement is measured by; the best state by this is the model that is kept. `val_loss` and `val_dsc` are
    for every task, `val_v_rand` is for membranes, `val_seg` for cells, the others are for lesions: means over the
    validation cases, the lower the better for `val_lfpr`, `val_hd95`, `val_assd` and `val_volume_difference` (its
    absolute value). `val_` may be left out."""
    gradient_clip: Positive | None = None
    """Largest norm of the gradient; null: not clipped."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of forward and backward passes; `auto`: bf16 where the device computes it fast, else fp32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    devices: int = Field(default=1, ge=1)
    """Number of GPUs (distributed data parallel)."""
    workers: int = Field(default=1, ge=0)
    """Processes that prepare patches; 0: in the training process."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the training process; null: PyTorch's choice."""
    seed: Annotated[Seed, Field(lt=2**32)] = 0
    """Seed of weights, patches and augmentation."""

    @model_validator(mode="after")
    def _can_work(self) -> Self:
        if self.validate_every > self.epochs:
            raise ValueError(f"validate_every ({self.validate_every}) has to be at most epochs ({self.epochs})")
        if self.precision == "fp16" and self.device == "cpu":
            raise ValueError("precision fp16 is not computed on device cpu; give bf16, fp32 or auto")
        return self
