"""What is learned from a batch of patches, and how a whole validation volume is judged."""

import logging
import time
from typing import Any, NoReturn

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.inference.windows import predict_logits, window_size
from msseg.losses.registry import build_loss
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.training.finite import FiniteLosses
from msseg.training.optimisation import make_optimiser, make_schedule
from msseg.training.validation import validation_scores

LONG_VALIDATION = 0.5
"""Share of an epoch's time from which on its validation is said to take long."""
SECONDS_TOLD = 10.0
"""Validations shorter than this are not worth a word: their share of the time is chance."""

_LOG = logging.getLogger(__name__)


class SegmentationTask(L.LightningModule):
    """Binary segmentation: one network, one loss; validation with sliding windows over whole volumes."""

    def __init__(self, config: ExperimentConfig, network: SegmentationNetwork, dtype: torch.dtype) -> None:
        """Take the experiment, the network to train and the arithmetic of validation."""
        super().__init__()
        self.config, self.network, self.dtype_of_windows = config, network, dtype
        self.loss = build_loss(config.loss)
        self.scores = validation_scores(config)
        self.losses = FiniteLosses()
        self.epoch_begun = self.validation_begun = 0.0
        self.told = False

    def on_train_epoch_start(self) -> None:
        """Seed dropout anew each epoch, so that a resumed training repeats what an undisturbed one does."""
        self.epoch_begun = time.perf_counter()
        torch.manual_seed(hash((self.config.training.seed, self.current_epoch)) % 2**63)
        if self.current_epoch > 0:
            torch.empty((), dtype=torch.int64).random_()  # as loaders drew before they had a generator of their own

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        """Loss of a batch: image (B, C, X, Y, Z), label (B, 1, X, Y, Z), maps of the label's shape."""
        image = batch["image"].to(memory_format=torch.channels_last_3d)
        logits = self.network(image)
        margin = self.network.margin
        target = centre(batch["label"], margin)
        loss: Tensor = self.loss(logits, target, {name: centre(of, margin) for name, of in batch["maps"].items()})
        if (cases := self.losses.look(loss, batch["case"])) is not None:
            self._refuse("the loss is not finite", f"on a patch of {', '.join(cases)}")
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(image), sync_dist=True)
        return loss

    def validation_step(self, case: dict[str, Any], _: int) -> None:
        """Loss and scores of one whole volume: image (C, X, Y, Z), label (X, Y, Z)."""
        data, truth = case["image"], case["label"]
        settings = self.config.inference
        size = window_size(data.shape[1:], self.config.patches.size, settings.window, self.network.multiples)
        logits = predict_logits(
            self.network,
            data,
            size,
            self._validation_overlap(),
            settings.blending,
            device=self.device,
            dtype=self.dtype_of_windows,
        )
        maps = {name: of[None] for name, of in case["maps"].items()}
        loss = self.loss(logits[None, None], truth[None, None].float(), maps)
        if not torch.isfinite(loss):
            self._refuse("the loss is not finite", f"on the validation case {case['case']}")
        self.log("val_loss", loss, on_epoch=True, batch_size=1, sync_dist=True)
        self.scores.add(logits.sigmoid().float().cpu().numpy(), truth.cpu().numpy(), case["spacing"])

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the validation before."""
        self.validation_begun = time.perf_counter()
        self.scores = validation_scores(self.config)

    def on_validation_epoch_end(self) -> None:
        """Log what the whole validation set scores."""
        self.log_dict({f"val_{name}": score for name, score in self.scores.summary().items()}, sync_dist=True)
        self._tell_of_long_validation()

    def _tell_of_long_validation(self) -> None:
        """Once, and not of the first epoch alone: its patches wait for the workers to start."""
        now = time.perf_counter()
        validating, all_in_all = now - self.validation_begun, now - self.epoch_begun
        if self.told or not self.trainer.fit_loop.epoch_progress.current.ready > 1:
            return
        share = validating / (validating + (all_in_all - validating) * self.config.training.validate_every)
        if share > LONG_VALIDATION and validating > SECONDS_TOLD:
            self.told = True
            _LOG.warning(
                "validation takes %.0f %% of the time: a higher training.validate_every, or training.validation_overlap"
                " below %g, would leave more for training",
                100 * share,
                self._validation_overlap(),
            )

    def _validation_overlap(self) -> float:
        asked = self.config.training.validation_overlap
        return self.config.inference.overlap if asked is None else asked

    def on_train_epoch_end(self) -> None:
        """Refuse losses and weights that are not finite before they get into a checkpoint."""
        if (cases := self.losses.look_at_rest()) is not None:
            self._refuse("the loss is not finite", f"on a patch of {', '.join(cases)}")
        if not torch.stack([weights.isfinite().all() for weights in self.network.parameters()]).all():
            self._refuse("there is a value that is not finite", "in the weights")

    def _refuse(self, bad: str, where: str) -> NoReturn:
        raise InputError(
            f"{bad} {where} in epoch {self.current_epoch + 1}: try a lower optimiser.learning_rate,"
            " training.gradient_clip=1 or training.precision=fp32, and look at the case's intensities"
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Optimiser, and a schedule stepped once an epoch."""
        # In float16 gradients have to be scaled back before they are clipped, which a fused step would do too late.
        fused = self.device.type == "cuda" and self.dtype_of_windows != torch.float16
        optimiser = make_optimiser(self.network, self.config.optimiser, fused)
        schedule = make_schedule(optimiser, self.config.schedule, self.config.training.epochs)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch", "frequency": 1}}


def centre(volumes: Tensor, margin: int) -> Tensor:
    """What a network without padding says something about: (B, C, X, Y, Z) without `margin` at the sides of a slice."""
    return volumes[:, :, margin : volumes.shape[2] - margin, margin : volumes.shape[3] - margin]
