"""Losses by name."""

from collections.abc import Callable

from msseg.config.loss import LossConfig, terms_of
from msseg.losses.centreline import CentrelineTerm
from msseg.losses.combined import BackgroundLoss, DeepSupervisionLoss, SumLoss
from msseg.losses.cross_entropy import BalancedBceLoss, BceLoss, FocalLoss, WeightedBceLoss
from msseg.losses.distances import BorderWeightedBceLoss, BoundaryTerm, DistancePenalisedBceLoss, HausdorffLoss
from msseg.losses.exponential_logarithmic import ExponentialLogarithmicLoss
from msseg.losses.loss import Loss
from msseg.losses.overlap import DiceLoss, IouLoss, TverskyLoss
from msseg.losses.squared_error import MseLoss, SensitivitySpecificityLoss


def _bce_dice(smoothing: float = 1.0) -> Loss:
    return SumLoss(BceLoss(), DiceLoss(smoothing))


def _boundary(region: str, alpha: float, reach: float) -> Loss:
    return SumLoss(LOSSES[region](), BoundaryTerm(reach), weights=(1, alpha))


def _cldice(of: str, alpha: float, iterations: int, smoothing: float) -> Loss:
    both = SumLoss(DiceLoss(smoothing), CentrelineTerm(iterations, smoothing), weights=(1 - alpha, alpha))
    return both if of == "foreground" else BackgroundLoss(both)


LOSSES: dict[str, Callable[..., Loss]] = {
    "bce": BceLoss,
    "dice": DiceLoss,
    "bce_dice": _bce_dice,
    "focal": FocalLoss,
    "iou": IouLoss,
    "tversky": TverskyLoss,
    "mse": MseLoss,
    "weighted_bce": WeightedBceLoss,
    "balanced_bce": BalancedBceLoss,
    "distance_penalised_bce": DistancePenalisedBceLoss,
    "border_weighted_bce": BorderWeightedBceLoss,
    "sensitivity_specificity": SensitivitySpecificityLoss,
    "hausdorff": HausdorffLoss,
    "boundary": _boundary,
    "exponential_logarithmic": ExponentialLogarithmicLoss,
    "cldice": _cldice,
}
"""Name in a configuration -> function that makes the loss from the configuration's parameters."""


def build_loss(config: LossConfig) -> DeepSupervisionLoss:
    """Make the loss, or the weighted sum of losses, that `config` names.

    It maps (logits, target, maps), where logits and target are (B, C, ...), to a scalar; with deep supervision the
    logits are a list. Its attribute `maps` names the maps of the truth that have to be given, often none.
    """
    terms = terms_of(config)
    losses = [LOSSES[term.name](**term.model_dump(exclude={"name", "weight"})) for term in terms]
    return DeepSupervisionLoss(SumLoss(*losses, weights=[term.weight for term in terms]))
