"""The loss functions' names and parameters."""

from typing import Annotated, Literal

from pydantic import Field

from msseg.config.section import ByName, Section


class BceConfig(Section):
    """Binary cross entropy on logits."""

    name: Literal["bce"] = "bce"


class DiceConfig(Section):
    """1 - (2 sum(y p) + s) / (sum y + sum p + s), summed over the whole batch."""

    name: Literal["dice"] = "dice"
    smoothing: float = Field(default=1.0, gt=0)
    """The s of the formula."""


class BceDiceConfig(Section):
    """Sum of bce and dice."""

    name: Literal["bce_dice"] = "bce_dice"
    smoothing: float = Field(default=1.0, gt=0)
    """The s of the Dice term."""


LossConfig = Annotated[BceConfig | DiceConfig | BceDiceConfig, Field(discriminator="name"), ByName()]
