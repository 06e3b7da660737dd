"""What is learned from a batch of patches, and how a whole validation volume is judged."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.inference.windows import predict_logits, window_size
from msseg.losses.registry import build_loss
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.training.optimisation import make_optimiser, make_schedule
from msseg.training.validation import validation_scores


class SegmentationTask(L.LightningModule):
    """Binary segmentation: one network, one loss; validation with sliding windows over whole volumes."""

    def __init__(self, config: ExperimentConfig, network: SegmentationNetwork, dtype: torch.dtype) -> None:
        """Take the experiment, the network to train and the arithmetic of validation."""
        super().__init__()
        self.config, self.network, self.dtype_of_windows = config, network, dtype
        self.loss = build_loss(config.loss)
        self.scores = validation_scores(config)

    def on_train_epoch_start(self) -> None:
        """Seed dropout anew each epoch, so that a resumed training repeats what an undisturbed one does."""
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
        self._require_finite(loss, f"on a patch of {', '.join(batch['case'])}")
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
            settings.overlap,
            settings.blending,
            device=self.device,
            dtype=self.dtype_of_windows,
        )
        maps = {name: of[None] for name, of in case["maps"].items()}
        loss = self.loss(logits[None, None], truth[None, None].float(), maps)
        self._require_finite(loss, f"on the validation case {case['case']}")
        self.log("val_loss", loss, on_epoch=True, batch_size=1, sync_dist=True)
        self.scores.add(logits.sigmoid().float().cpu().numpy(), truth.cpu().numpy(), case["spacing"])

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the validation before."""
        self.scores = validation_scores(self.config)

    def on_validation_epoch_end(self) -> None:
        """Log what the whole validation set scores."""
        self.log_dict({f"val_{name}": score for name, score in self.scores.summary().items()}, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Refuse weights that are not finite before they get into a checkpoint."""
        for weights in self.network.parameters():
            self._require_finite(weights, "in the weights")

    def _require_finite(self, values: Tensor, where: str) -> None:
        if not torch.isfinite(values).all():
            bad = "the loss is not finite" if values.ndim == 0 else "there is a value that is not finite"
            raise InputError(
                f"{bad} {where} in epoch {self.current_epoch + 1}: try a lower optimiser.learning_rate,"
                " training.gradient_clip=1 or training.precision=fp32, and look at the case's intensities"
            )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Optimiser, and a schedule stepped once an epoch."""
        optimiser = make_optimiser(self.network, self.config.optimiser)
        schedule = make_schedule(optimiser, self.config.schedule, self.config.training.epochs)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "epoch", "frequency": 1}}


def centre(volumes: Tensor, margin: int) -> Tensor:
    """What a network without padding says something about: (B, C, X, Y, Z) without `margin` at the sides of a slice."""
    return volumes[:, :, margin : volumes.shape[2] - margin, margin : volumes.shape[3] - margin]
