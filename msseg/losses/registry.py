"""Losses by name."""

from collections.abc import Callable

from torch import nn

from msseg.config.loss import LossConfig
from msseg.losses.combined import DeepSupervisionLoss, SumLoss
from msseg.losses.cross_entropy import BceLoss
from msseg.losses.overlap import DiceLoss


def _bce_dice(smoothing: float) -> nn.Module:
    return SumLoss(BceLoss(), DiceLoss(smoothing))


LOSSES: dict[str, Callable[..., nn.Module]] = {"bce": BceLoss, "dice": DiceLoss, "bce_dice": _bce_dice}
"""Name in a configuration -> function that makes the loss from the configuration's parameters."""


def build_loss(config: LossConfig) -> DeepSupervisionLoss:
    """Make the loss that `config` names.

    It maps (logits, target), both (B, C, ...), to a scalar; with deep supervision the logits are a list.
    """
    return DeepSupervisionLoss(LOSSES[config.name](**config.model_dump(exclude={"name"})))
