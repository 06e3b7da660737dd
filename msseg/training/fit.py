"""Train one model into its run folder."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.labels import label_meaning_of
from msseg.cases.splits import Split
from msseg.config.experiment import ExperimentConfig
from msseg.config.inference import InferenceConfig
from msseg.errors import InputError
from msseg.inference.device import choose_device
from msseg.inference.engines.export import save_export
from msseg.inference.progress import case_progress, say
from msseg.model import SETTINGS_FILE, ModelSettings, save_model
from msseg.networks.registry import build_network, parameter_count, require_patch_fits, set_prior_bias
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.patches.datamodule import PatchDataModule
from msseg.runs import ModelRun, versions, write_json
from msseg.training.checkpoints import BEST, LAST, require_whole
from msseg.training.finish import finish, trusted_ways
from msseg.training.memory import keep_freed_memory
from msseg.training.precision import training_precision
from msseg.training.progress import duration, read_epochs
from msseg.training.task import SegmentationTask
from msseg.training.trainer import fit, make_trainer
from msseg.volumes.cache import CachedCase, Truth, cache_case
from msseg.volumes.spacings import resolved

_LOG = logging.getLogger(__name__)

LARGEST_PRIOR = 0.5
"""A common class needs no head start, and may not get one: features behind a ReLU only add to the output's bias, and a
loss that hardly pulls at it (Dice, IoU or Tversky of a foreground of 78 %) left every pixel above a probability of
0.78 after 504 steps."""
MOST_PADDING = 0.5
"""Share of a patch that should lie in the volume."""
SMALLEST_PRIOR = 1e-5
"""Prior of a class that the training volumes hardly hold: the logit has to be finite."""


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
    config = _resolved(config, channels, split, console)
    checkpoint = _last_checkpoint(run) if resume else None
    network, device, dtype = _fresh_network(config, len(channels) * (2 * config.preprocessing.context + 1))
    task = SegmentationTask(config, network, dtype)
    maps = task.loss.maps
    prepare = partial(_prepare, channels=channels, config=config, cache=cache, maps=maps, console=console)
    begun = time.perf_counter()
    train = prepare(split.train, role="training")
    validation = prepare(split.validation, role="validation")
    set_prior_bias(network, _foreground_prior(train))
    _warn_of_padding(config, train)
    preparing, begun = round(time.perf_counter() - begun, 1), time.perf_counter()
    trainer = make_trainer(config, run, device, dtype, bool(validation), console)
    facts = _facts(config, channels, split, parameter_count(network), str(device), str(dtype))
    facts["seconds_preparing"] = preparing
    write_json(run.facts, facts)
    fit(trainer, task, PatchDataModule(config, train, validation, maps), checkpoint)
    provenance = _load_best(config, run, task, facts)
    inference = finish(config, task, train, validation)
    trusted = trusted_ways(config, task, validation, inference) if inference.window == "auto" else None
    settings = _model_settings(config, channels, inference, provenance)
    save_model(run.model, task.network, settings.model_copy(update={"trusted": trusted}))
    save_export(run.model)
    rows = read_epochs(run.epochs)
    seconds = round(sum(float(row["seconds"]) for row in rows), 1)
    write_json(run.facts, facts | {"seconds_training": seconds, "epochs": len(rows)})
    trained = duration(time.perf_counter() - begun)
    say(console, f"{run.folder.name}: trained in {trained}, the model is in {run.model}")


def _resolved(config: ExperimentConfig, channels: tuple[str, ...], split: Split, console: Console) -> ExperimentConfig:
    """The experiment with numbers for what it leaves to the training cases; they are shown."""
    numbers = resolved(config, split.train, channels)
    if numbers.preprocessing != config.preprocessing:
        spacing = numbers.preprocessing.spacing
        assert isinstance(spacing, tuple)
        say(console, f"{'+'.join(channels)}: spacing {' x '.join(f'{length:g}' for length in spacing)} mm")
    if numbers.network != config.network:
        strides = [list(steps) for steps in getattr(numbers.network, "strides", ())]
        say(console, f"{'+'.join(channels)}: strides {strides}")
    return numbers


def _fresh_network(config: ExperimentConfig, channels: int) -> tuple[SegmentationNetwork, torch.device, torch.dtype]:
    """A network with weights of the seed, and where and in which arithmetic it is trained."""
    training = config.training
    device = choose_device(training.device)
    if device.type == "cpu":
        keep_freed_memory()
    if training.threads:
        torch.set_num_threads(training.threads)
    L.seed_everything(training.seed, verbose=False)
    network = build_network(config.network, in_channels=channels)
    require_patch_fits(config.network, config.patches.size)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network, device, training_precision(training.precision, device, config.patches.size, network)


def _last_checkpoint(run: ModelRun) -> Path | None:
    """Where a training that was stopped goes on; None where no epoch was finished."""
    path = run.checkpoints / LAST
    if not path.exists():
        return None
    require_whole(path)
    return path


def _prepare(
    cases: Sequence[Case],
    channels: tuple[str, ...],
    config: ExperimentConfig,
    cache: Path,
    maps: Sequence[str],
    console: Console,
    role: str,
) -> list[CachedCase]:
    truth = Truth(label_meaning_of(config.data), config.data.membrane_width, config.data.label_values)
    prepared = []
    with case_progress(console, f"preparing {role} cases", len(cases)) as done:
        for case in cases:
            cached = cache_case(case, channels, config.preprocessing, cache, truth, maps)
            if not len(cached.lesion_voxels()):
                _LOG.warning("the %s case %s has no foreground voxel", role, case.id)
            prepared.append(cached)
            done()
    return prepared


def _foreground_prior(cases: Sequence[CachedCase]) -> float:
    """Share of foreground voxels in the training volumes, between `SMALLEST_PRIOR` and `LARGEST_PRIOR`."""
    foreground = sum(len(case.lesion_voxels()) for case in cases)
    if not foreground:
        names = ", ".join(case.case for case in cases[:5])
        raise InputError(
            f"no training case has a foreground voxel ({names}): there is nothing to learn; check the labels, and what"
            " their values mean (data.label_meaning)"
        )
    voxels = sum(int(np.prod(case.label().shape)) for case in cases)
    return min(max(foreground / voxels, SMALLEST_PRIOR), LARGEST_PRIOR)


def _warn_of_padding(config: ExperimentConfig, cases: Sequence[CachedCase]) -> None:
    """A patch of which less than half lies in a volume costs twice what it teaches."""
    size = config.patches.size
    shape = np.median([case.label().shape for case in cases], axis=0).astype(int)
    if np.prod(np.minimum(size, shape) / size) < MOST_PADDING:
        _LOG.warning(
            "patches.size %s is for the most part padding: the training volumes have about %s voxels, so %s would do",
            list(size),
            " x ".join(map(str, shape)),
            [min(patch, -(-length // 8) * 8) for patch, length in zip(size, shape.tolist(), strict=True)],
        )


def _load_best(
    config: ExperimentConfig, run: ModelRun, task: SegmentationTask, facts: dict[str, Any]
) -> dict[str, Any]:
    """Load the best state (or the last, where nothing was validated) and say where it comes from."""
    validated = (run.checkpoints / BEST).exists()
    source = run.checkpoints / (BEST if validated else LAST)
    require_whole(source)
    checkpoint = torch.load(source, map_location="cpu", weights_only=False)
    task.load_state_dict(checkpoint["state_dict"])
    task.network.eval()
    return {
        "experiment": config.name,
        "task": config.task,
        "train": facts["train"],
        "validation": facts["validation"],
        "epoch": int(checkpoint["epoch"]),
        "selected_by": config.training.select if validated else "last epoch",
        "seed": config.training.seed,
        "versions": versions(),
    }


def _model_settings(
    config: ExperimentConfig, channels: tuple[str, ...], inference: InferenceConfig, provenance: dict[str, Any]
) -> ModelSettings:
    return ModelSettings(
        network=config.network,
        channels=channels,
        preprocessing=config.preprocessing,
        patch_size=config.patches.size,
        inference=inference,
        provenance=provenance,
    )


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
