"""Lightning's trainer with our callbacks, and its ways of ending made ours."""

import logging
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.patches.datamodule import PatchDataModule
from msseg.runs import ModelRun
from msseg.training.checkpoints import AtomicCheckpointIO, StopEarly, better, checkpoint_callbacks
from msseg.training.progress import EpochTable, TrainingProgress
from msseg.training.task import SegmentationTask
from msseg.training.validation import selected_score

TASK_SCORES = {"membranes": ("val_v_rand",), "cells": ("val_seg",)}
"""Scores besides the DSC that a task's validation has (see `msseg.training.validation`)."""


def make_trainer(
    config: ExperimentConfig,
    run: ModelRun,
    device: torch.device,
    dtype: torch.dtype,
    validated: bool,
    console: Console,
) -> L.Trainer:
    """The trainer of one model: checkpoints, epoch table, progress, early stopping and TensorBoard in its folder."""
    _quiet_lightning()
    settings = config.training
    table = EpochTable(run.epochs, TASK_SCORES.get(config.task, selected_score(config)))
    callbacks: list[L.Callback] = [
        *checkpoint_callbacks(run.checkpoints, settings.select, validated),
        table,
        TrainingProgress(run.folder.name, table, console),
    ]
    if validated and settings.patience:
        stop = StopEarly(settings.select, patience=settings.patience, mode=better(settings.select), check_finite=False)
        callbacks.append(stop)
    precision: Any = {torch.float32: "32-true", torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed"}[dtype]
    return L.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=settings.devices if device.type == "cuda" else 1,
        precision=precision,
        max_epochs=settings.epochs,
        check_val_every_n_epoch=settings.validate_every,
        limit_val_batches=1.0 if validated else 0,
        gradient_clip_val=settings.gradient_clip,
        num_sanity_val_steps=0,
        logger=TensorBoardLogger(run.folder, name="", version="tensorboard"),
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO(), *_environment(settings.devices)],
        default_root_dir=run.folder,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _environment(devices: int) -> list[ClusterEnvironment]:
    """Who starts processes: nobody for one device, whatever the batch system's variables say.

    Lightning's own way with SLURM is switched off: it would write checkpoints of its own in mid-epoch, prefer them when
    resuming, and put the job back into the queue by itself.
    """
    if devices == 1:
        return [LightningEnvironment()]
    return [SLURMEnvironment(auto_requeue=False)] if SLURMEnvironment.detect() else []


def fit(trainer: L.Trainer, task: SegmentationTask, data: PatchDataModule, checkpoint: Path | None) -> None:
    """Train, from a checkpoint if one is given.

    Raises:
        InputError: The task's, or a GPU's memory is too small.
        KeyboardInterrupt: Ctrl-C; what Lightning raises then would end the process with code 1.
    """
    try:
        with warnings.catch_warnings():
            _ignore_lightnings_advice()
            trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=False)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    except torch.OutOfMemoryError as error:
        raise InputError(
            "the GPU's memory does not hold a training step: try a smaller patches.size, patches.batch_size or"
            " network.base_channels, or training.precision=bf16"
        ) from error


def _quiet_lightning() -> None:
    """Lightning's lines about the hardware that it does not use are not a user's concern."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _ignore_lightnings_advice() -> None:
    """Advice on workers is for the config's author; the rest is between Lightning, PyTorch and Python's versions."""
    for message in (
        r"use of fork\(\) may lead to deadlocks",
        "does not have many workers",
        "Checkpoint directory",
        "num_workers",
        r"isinstance\(treespec, LeafSpec\)",
    ):
        warnings.filterwarnings("ignore", message=f".*{message}")
