"""What is learned from a batch of patches, and how a whole validation volume is judged."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.inference.windows import predict_logits, window_size
from msseg.losses.registry import build_loss
from msseg.metrics.overlap import count_overlap
from msseg.training.optimisation import make_optimiser, make_schedule


class SegmentationTask(L.LightningModule):
    """Binary segmentation: one network, one loss; validation with sliding windows over whole volumes."""

    def __init__(self, config: ExperimentConfig, network: nn.Module, dtype: torch.dtype) -> None:
        """Take the experiment, the network to train and the arithmetic of validation."""
        super().__init__()
        self.config, self.network, self.dtype_of_windows = config, network, dtype
        self.loss = build_loss(config.loss)

    def on_train_epoch_start(self) -> None:
        """Seed dropout anew each epoch, so that a resumed training repeats what an undisturbed one does."""
        torch.manual_seed(hash((self.config.training.seed, self.current_epoch)) % 2**63)
        if self.current_epoch > 0:
            torch.empty((), dtype=torch.int64).random_()  # as loaders drew before they had a generator of their own

    def training_step(self, batch: dict[str, Any], _: int) -> Tensor:
        """Loss of a batch: image (B, C, X, Y, Z), label (B, 1, X, Y, Z)."""
        image = batch["image"].to(memory_format=torch.channels_last_3d)
        loss: Tensor = self.loss(self.network(image), batch["label"])
        self._require_finite(loss, f"on a patch of {', '.join(batch['case'])}")
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(image), sync_dist=True)
        return loss

    def validation_step(self, case: dict[str, Any], _: int) -> None:
        """Loss and DSC of one whole volume: image (C, X, Y, Z), label (X, Y, Z)."""
        data, truth = case["image"], case["label"]
        settings = self.config.inference
        multiple = getattr(self.network, "multiple", 1)
        size = window_size(data.shape[1:], self.config.patches.size, settings.window, multiple)
        logits = predict_logits(
            self.network,
            data,
            size,
            settings.overlap,
            settings.blending,
            device=self.device,
            dtype=self.dtype_of_windows,
        )
        loss = self.loss(logits[None, None], truth[None, None].float())
        self._require_finite(loss, f"on the validation case {case['case']}")
        mask = logits.sigmoid() > settings.threshold
        score = count_overlap(mask.cpu().numpy(), truth.cpu().numpy()).dsc
        self.log_dict({"val_loss": loss, "val_dsc": score}, on_epoch=True, batch_size=1, sync_dist=True)

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
