"""Optimisers and learning rate schedules by name."""

import math

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from msseg.config.training import OptimiserConfig, ScheduleConfig

POLYNOMIAL_POWER = 0.9
NESTEROV_MOMENTUM = 0.99
WARMUP_START = 0.1


def make_optimiser(network: nn.Module, config: OptimiserConfig, fused: bool = False) -> Optimizer:
    """The optimiser that a configuration names, for all parameters of a network.

    `fused`: one kernel for all parameters in place of a dozen for each of them. On a GPU the many would take longer
    to launch than to run; on a CPU it is 1 % of a step, and the last digits would differ.
    """
    rate, decay = config.learning_rate, config.weight_decay
    match config.name:
        case "adam":
            return Adam(network.parameters(), lr=rate, weight_decay=decay, fused=fused or None)
        case "adamw":
            return AdamW(network.parameters(), lr=rate, weight_decay=decay, fused=fused or None)
        case "sgd":
            momentum = NESTEROV_MOMENTUM
            return SGD(
                network.parameters(), lr=rate, weight_decay=decay, momentum=momentum, nesterov=True, fused=fused or None
            )


def make_schedule(optimiser: Optimizer, config: ScheduleConfig, epochs: int) -> LambdaLR:
    """The schedule that a configuration names; it is stepped once an epoch."""
    return LambdaLR(optimiser, lambda epoch: rate_factor(epoch, config, epochs))


def rate_factor(epoch: int, config: ScheduleConfig, epochs: int) -> float:
    """Share of the configured learning rate in an epoch (from 0) of a training of `epochs`."""
    if epoch < config.warmup_epochs:
        return WARMUP_START + (1 - WARMUP_START) * epoch / config.warmup_epochs
    progress = (epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1)
    match config.name:
        case "constant":
            return 1.0
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(progress, 1)))
        case "polynomial":
            return float((1 - min(progress, 1)) ** POLYNOMIAL_POWER)
