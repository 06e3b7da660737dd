"""Train one model into its run folder."""

import logging
import time
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.splits import Split
from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.inference.device import choose_device
from msseg.inference.progress import case_progress, say
from msseg.model import ModelSettings, save_model
from msseg.networks.registry import build_network, parameter_count, set_prior_bias
from msseg.patches.datamodule import PatchDataModule
from msseg.runs import ModelRun, versions, write_json
from msseg.training.checkpoints import BEST, LAST, AtomicCheckpointIO, StopEarly, checkpoint_callbacks
from msseg.training.memory import keep_freed_memory
from msseg.training.precision import training_precision
from msseg.training.progress import EpochTable, TrainingProgress, duration, read_epochs
from msseg.training.task import SegmentationTask
from msseg.volumes.cache import CachedCase, cache_case

_LOG = logging.getLogger(__name__)

SMALLEST_PRIOR = 1e-5
"""Prior of the class lesion where the training volumes hold none: the logit has to be finite."""


def train_model(
    config: ExperimentConfig,
    channels: tuple[str, ...],
    split: Split,
    run: ModelRun,
    cache: Path,
    console: Console,
    resume: bool = False,
) -> None:
    """Train a network on the split's cases and write its model folder, tables, checkpoints and logs.

    Args:
        config: The experiment.
        channels: Input channels, in order.
        split: Training and validation cases.
        run: Folder of this model; a finished model in it is left alone when resuming.
        cache: Folder of preprocessed volumes.
        console: Where progress is shown.
        resume: Continue from the last checkpoint, if there is one.

    Raises:
        InputError: A case cannot be used, no training case holds a lesion, or the loss becomes non-finite.
    """
    if resume and (run.model / "model.yaml").exists():
        say(console, f"{run.folder.name}: already trained")
        return
    _quiet_lightning()
    checkpoint = _last_checkpoint(run) if resume else None
    train = _prepare(split.train, channels, config, cache, console, "training")
    validation = _prepare(split.validation, channels, config, cache, console, "validation")
    prior = _lesion_prior(train)
    L.seed_everything(config.training.seed, verbose=False)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)
    network = build_network(config.network, in_channels=len(channels))
    set_prior_bias(network, prior)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    device = choose_device(config.training.device)
    dtype = training_precision(config.training.precision, device, config.patches.size, network.multiple)
    if device.type == "cpu":
        keep_freed_memory()
    task = SegmentationTask(config, network, dtype)
    begun = time.perf_counter()
    trainer = _trainer(config, run, device, dtype, bool(validation), console)
    facts = _facts(config, channels, split, parameter_count(network), str(device), str(dtype))
    write_json(run.facts, facts)
    _fit(trainer, task, PatchDataModule(config, train, validation), checkpoint)
    _keep_model(config, channels, run, task, facts)
    rows = read_epochs(run.epochs)
    seconds = round(sum(float(row["seconds"]) for row in rows), 1)
    write_json(run.facts, facts | {"seconds_training": seconds, "epochs": len(rows)})
    trained = duration(time.perf_counter() - begun)
    say(console, f"{run.folder.name}: trained in {trained}, the model is in {run.model}")


def _last_checkpoint(run: ModelRun) -> Path | None:
    """Where a training that was stopped goes on; None where no epoch was finished."""
    path = run.checkpoints / LAST
    if not path.exists():
        return None
    if not zipfile.is_zipfile(path):
        raise InputError(f"the checkpoint {path} is damaged: delete {run.folder} to train this model from the start")
    return path


def _fit(trainer: L.Trainer, task: SegmentationTask, data: PatchDataModule, checkpoint: Path | None) -> None:
    try:
        with warnings.catch_warnings():
            _ignore_lightnings_advice()
            trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=False)
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning makes an exit with code 1 of Ctrl-C
            raise KeyboardInterrupt from None
        raise
    except torch.OutOfMemoryError as error:
        raise InputError(
            "the GPU's memory does not hold a training step: try a smaller patches.size, patches.batch_size or"
            " network.base_channels, or training.precision=bf16"
        ) from error


def _prepare(
    cases: Sequence[Case],
    channels: tuple[str, ...],
    config: ExperimentConfig,
    cache: Path,
    console: Console,
    role: str,
) -> list[CachedCase]:
    prepared = []
    with case_progress(console, f"preparing {role} cases", len(cases)) as done:
        for case in cases:
            cached = cache_case(case, channels, config.preprocessing, cache)
            if not len(cached.lesion_voxels()):
                _LOG.warning("the %s case %s has no lesion voxel", role, case.id)
            prepared.append(cached)
            done()
    return prepared


def _lesion_prior(cases: Sequence[CachedCase]) -> float:
    """Share of lesion voxels in the training volumes."""
    lesion = sum(len(case.lesion_voxels()) for case in cases)
    if not lesion:
        names = ", ".join(case.case for case in cases[:5])
        raise InputError(f"no training case has a lesion voxel ({names}): there is nothing to learn; check the labels")
    voxels = sum(int(np.prod(case.label().shape)) for case in cases)
    return min(max(lesion / voxels, SMALLEST_PRIOR), 1 - SMALLEST_PRIOR)


def _trainer(
    config: ExperimentConfig,
    run: ModelRun,
    device: torch.device,
    dtype: torch.dtype,
    validated: bool,
    console: Console,
) -> L.Trainer:
    settings = config.training
    table = EpochTable(run.epochs)
    callbacks: list[L.Callback] = [
        *checkpoint_callbacks(run.checkpoints, settings.select, validated, settings.validate_every),
        table,
        TrainingProgress(run.folder.name, table, console),
    ]
    if validated and settings.patience:
        mode = "max" if settings.select.endswith("dsc") else "min"
        callbacks.append(StopEarly(settings.select, patience=settings.patience, mode=mode, check_finite=False))
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
        plugins=[AtomicCheckpointIO()],
        default_root_dir=run.folder,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )


def _keep_model(
    config: ExperimentConfig,
    channels: tuple[str, ...],
    run: ModelRun,
    task: SegmentationTask,
    facts: dict[str, Any],
) -> None:
    """Write the best state (or the last, where nothing was validated) as the model folder."""
    validated = (run.checkpoints / BEST).exists()
    source = run.checkpoints / (BEST if validated else LAST)
    checkpoint = torch.load(source, map_location="cpu", weights_only=False)
    task.load_state_dict(checkpoint["state_dict"])
    provenance = {
        "experiment": config.name,
        "train": facts["train"],
        "validation": facts["validation"],
        "epoch": int(checkpoint["epoch"]),
        "selected_by": config.training.select if validated else "last epoch",
        "seed": config.training.seed,
        "versions": versions(),
    }
    settings = ModelSettings(
        network=config.network,
        channels=channels,
        preprocessing=config.preprocessing,
        patch_size=config.patches.size,
        inference=config.inference,
        provenance=provenance,
    )
    save_model(run.model, task.network, settings)


def _facts(
    config: ExperimentConfig,
    channels: tuple[str, ...],
    split: Split,
    parameters: int,
    device: str,
    dtype: str,
) -> dict[str, Any]:
    return {
        "config_name": config.name,
        "network": config.network.name,
        "channels": list(channels),
        "parameters": parameters,
        "train": [case.id for case in split.train],
        "validation": [case.id for case in split.validation],
        "test": [case.id for case in split.test],
        "device": device,
        "precision": dtype.removeprefix("torch."),
    }


def _quiet_lightning() -> None:
    """Lightning's lines about the hardware that it does not use are not a user's concern."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _ignore_lightnings_advice() -> None:
    """Advice on workers is for the config's author; the rest is between Lightning and PyTorch's newer versions."""
    for message in (
        "does not have many workers",
        "Checkpoint directory",
        "num_workers",
        r"isinstance\(treespec, LeafSpec\)",
    ):
        warnings.filterwarnings("ignore", message=f".*{message}")
