"""Train one model into its run folder."""

import logging
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.splits import Split
from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.inference.device import choose_device
from msseg.inference.progress import case_progress, say
from msseg.model import SETTINGS_FILE, ModelSettings, save_model
from msseg.networks.registry import build_network, parameter_count, set_prior_bias
from msseg.networks.volume_network import VolumeNetwork
from msseg.patches.datamodule import PatchDataModule
from msseg.runs import ModelRun, versions, write_json
from msseg.training.checkpoints import BEST, LAST
from msseg.training.memory import keep_freed_memory
from msseg.training.precision import training_precision
from msseg.training.progress import duration, read_epochs
from msseg.training.task import SegmentationTask
from msseg.training.trainer import fit, make_trainer
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
    if resume and (run.model / SETTINGS_FILE).exists():
        say(console, f"{run.folder.name}: already trained")
        return
    checkpoint = _last_checkpoint(run) if resume else None
    network, device, dtype = _fresh_network(config, len(channels))
    train = _prepare(split.train, channels, config, cache, console, "training")
    validation = _prepare(split.validation, channels, config, cache, console, "validation")
    set_prior_bias(network, _lesion_prior(train))
    task = SegmentationTask(config, network, dtype)
    begun = time.perf_counter()
    trainer = make_trainer(config, run, device, dtype, bool(validation), console)
    facts = _facts(config, channels, split, parameter_count(network), str(device), str(dtype))
    write_json(run.facts, facts)
    fit(trainer, task, PatchDataModule(config, train, validation), checkpoint)
    _keep_model(config, channels, run, task, facts)
    rows = read_epochs(run.epochs)
    seconds = round(sum(float(row["seconds"]) for row in rows), 1)
    write_json(run.facts, facts | {"seconds_training": seconds, "epochs": len(rows)})
    trained = duration(time.perf_counter() - begun)
    say(console, f"{run.folder.name}: trained in {trained}, the model is in {run.model}")


def _fresh_network(config: ExperimentConfig, channels: int) -> tuple[VolumeNetwork, torch.device, torch.dtype]:
    """A network with weights of the seed, and where and in which arithmetic it is trained."""
    training = config.training
    device = choose_device(training.device)
    if device.type == "cpu":
        keep_freed_memory()
    if training.threads:
        torch.set_num_threads(training.threads)
    L.seed_everything(training.seed, verbose=False)
    network = build_network(config.network, in_channels=channels)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network, device, training_precision(training.precision, device, config.patches.size, network.multiple)


def _last_checkpoint(run: ModelRun) -> Path | None:
    """Where a training that was stopped goes on; None where no epoch was finished."""
    path = run.checkpoints / LAST
    if not path.exists():
        return None
    if not zipfile.is_zipfile(path):
        raise InputError(f"the checkpoint {path} is damaged: delete {run.folder} to train this model from the start")
    return path


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
