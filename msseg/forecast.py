"""What an experiment will cost on this machine: memory, time and disk, from one training step and one window."""

import math
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from msseg.cases.case import Case
from msseg.cases.find import channel_sets
from msseg.cases.labels import label_meaning_of
from msseg.cases.splits import make_split
from msseg.config.experiment import ExperimentConfig
from msseg.errors import InputError
from msseg.inference.device import autocast, choose_device
from msseg.inference.orientations import orientations
from msseg.inference.places import place_at
from msseg.inference.window_plan import plan_of_size
from msseg.inference.windows import predict_logits, window_size
from msseg.losses.registry import build_loss
from msseg.networks.registry import build_network, parameter_count, require_patch_fits
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.patches.datamodule import PatchDataModule
from msseg.training.optimisation import make_optimiser
from msseg.training.precision import training_precision
from msseg.training.task import centre
from msseg.volumes.cache import CachedCase, Truth, cache_case
from msseg.volumes.spacings import resolved

SLOW_STEP = 20.0
"""Seconds: what takes longer is not repeated; else the second time counts, when memory has grown."""


@dataclass(frozen=True)
class Forecast:
    """What was measured, and what follows from it.

    Attributes:
        channels: Of the model that was measured.
        models: How many the experiment trains, one after another.
        epochs: How many are trained at most.
        seconds_step: One training step, from a batch to new weights.
        seconds_drawing: Drawing and augmenting one batch, in one process.
        workers: Processes that draw patches beside the training.
        windows: Windows of one case that are not background.
        copies: Orientations that a prediction averages; validation does without.
        seconds_window: One window in all of them.
        memory: Peak of the process in bytes, or of the graphics card where that trains; None where it is not known.
        cache: Bytes of one prepared case.
        cases: Cases that are cached.
    """

    channels: tuple[str, ...]
    models: int
    device: str
    precision: str
    threads: int
    parameters: int
    validation_cases: int
    epochs: int
    steps: int
    seconds_step: float
    seconds_drawing: float
    workers: int
    windows: int
    copies: int
    seconds_window: float
    memory: int | None
    cache: int
    cases: int

    @property
    def seconds_prediction(self) -> float:
        """One case, without reading and writing its files."""
        return self.windows * self.seconds_window

    @property
    def seconds_epoch(self) -> float:
        """Training steps and validation; patches are drawn meanwhile where workers do it."""
        drawing = self.seconds_drawing / max(self.workers, 1)
        step = max(self.seconds_step, drawing) if self.workers else self.seconds_step + drawing
        return self.steps * step + self.validation_cases * self.seconds_prediction / self.copies

    def to_json_dict(self) -> dict[str, Any]:
        """Plain values, for a JSON file: seconds and bytes."""
        return asdict(self) | {"seconds_prediction": self.seconds_prediction, "seconds_epoch": self.seconds_epoch}


def forecast(config: ExperimentConfig, cases: Sequence[Case]) -> Forecast:
    """Measure an experiment's first model on the first usable one of its cases.

    Raises:
        InputError: No case has the channels and a label that can be used, or the network does not fit the patches.
    """
    sets = channel_sets(config.data)
    channels = sets[0]
    train, validation, used = _parts(config, [case for case in cases if set(channels) <= set(case.images)])
    config = resolved(config, train, channels)
    with tempfile.TemporaryDirectory(prefix="msseg-forecast-") as folder:
        case = _first_usable(train, channels, config, Path(folder))
        size = sum(path.stat().st_size for path in case.folder.iterdir())
        device = choose_device(config.training.device)
        require_patch_fits(config.network, config.patches.size)
        with _threads(config.training.threads), torch.random.fork_rng(devices=[]):
            network = build_network(config.network, in_channels=len(channels) * (2 * config.preprocessing.context + 1))
            dtype = training_precision(config.training.precision, device, config.patches.size, network)
            network = network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            drawing, step = _time_step(config, case, network, device, dtype)
            windows, window = _time_window(config, case, network, device, dtype)
            threads = torch.get_num_threads()
    return Forecast(
        channels=channels,
        models=len(sets),
        device=str(device),
        precision=str(dtype).removeprefix("torch."),
        threads=threads,
        parameters=parameter_count(network),
        validation_cases=validation,
        epochs=config.training.epochs,
        steps=math.ceil(len(train) * config.patches.per_volume / config.patches.batch_size),
        seconds_step=step,
        seconds_drawing=drawing,
        workers=config.training.workers,
        windows=windows,
        copies=_copies(config),
        seconds_window=window,
        memory=_peak_memory(device),
        cache=size,
        cases=used,
    )


def _parts(config: ExperimentConfig, cases: Sequence[Case]) -> tuple[tuple[Case, ...], int, int]:
    """Training cases, how many validate, and how many of both are cached; all train where no split can be made."""
    labelled = [case for case in cases if case.label is not None]
    if not labelled:
        raise InputError("nothing can be forecast: no case has all channels and a label")
    try:
        split = make_split(labelled, config.split)
    except InputError:
        return tuple(labelled), 0, len(labelled)
    return split.train, len(split.validation), len(split.train) + len(split.validation)


def _first_usable(cases: Sequence[Case], channels: tuple[str, ...], config: ExperimentConfig, to: Path) -> CachedCase:
    """The first case that can be prepared and has foreground."""
    truth = Truth(label_meaning_of(config.data), config.data.membrane_width, config.data.label_values)
    maps = build_loss(config.loss).maps
    problem: InputError | None = None
    for case in cases:
        try:
            cached = cache_case(case, channels, config.preprocessing, to, truth, maps)
        except InputError as error:
            problem = problem or error
            continue
        if len(cached.lesion_voxels()):
            return cached
    raise problem or InputError("nothing can be forecast: no training case has a voxel of foreground")


def _time_step(
    config: ExperimentConfig, case: CachedCase, network: SegmentationNetwork, device: torch.device, dtype: torch.dtype
) -> tuple[float, float]:
    """Seconds of drawing one batch, and of one step with it."""
    here = config.training.model_copy(update={"workers": 0, "device": str(device)})
    patches = config.patches.model_copy(update={"per_volume": 2 * config.patches.batch_size})
    loss, optimiser = build_loss(config.loss), make_optimiser(network, config.optimiser)
    short = config.model_copy(update={"training": here, "patches": patches})
    batches = iter(PatchDataModule(short, [case], [], loss.maps).train_dataloader())
    network.train()
    drawing = step = 0.0
    for _ in range(2):
        batch, drawing = _timed(partial(next, batches), device)
        _, step = _timed(partial(_step, network, loss, optimiser, batch, device, dtype), device)
        if step > SLOW_STEP:
            break
    return drawing, step


def _step(
    network: SegmentationNetwork,
    loss: Any,
    optimiser: torch.optim.Optimizer,
    batch: Mapping[str, Any],
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """As the trainer makes it: forward, loss, backward, new weights."""
    image = batch["image"].to(device, memory_format=torch.channels_last_3d)
    maps = {name: centre(of.to(device), network.margin) for name, of in batch["maps"].items()}
    with autocast(device, dtype):
        logits = network(image)
        value = loss(logits, centre(batch["label"].to(device), network.margin), maps)
    optimiser.zero_grad()
    value.backward()
    optimiser.step()


def _time_window(
    config: ExperimentConfig, case: CachedCase, network: SegmentationNetwork, device: torch.device, dtype: torch.dtype
) -> tuple[int, float]:
    """How many windows the case has, and seconds of one; a network without padding is timed on a whole slice."""
    settings = config.inference
    data = case.prepared().data
    size = window_size(data.shape[1:], config.patches.size, settings.window, network.multiples)
    plan = plan_of_size(np.any(data, axis=0), size, settings.overlap)
    places = [(slice(None),)] if network.margin else list(plan.places or (place_at((0, 0, 0), size),))
    window = torch.tensor(data[(slice(None), *places[0])])
    network.eval()
    run = partial(
        predict_logits,
        network,
        window,
        size,
        settings.overlap,
        settings.blending,
        mirror=settings.mirror,
        rotate=settings.rotate,
        device=device,
        dtype=dtype,
    )
    _, seconds = _timed(run, device)
    if seconds < SLOW_STEP:
        _, seconds = _timed(run, device)
    return len(places), seconds


def _copies(config: ExperimentConfig) -> int:
    shape = (1, 1, *config.patches.size)
    return len(orientations(shape, config.inference.mirror, config.inference.rotate))


def _timed(work: Any, device: torch.device) -> tuple[Any, float]:
    begun = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - begun


@contextmanager
def _threads(count: int | None) -> Any:
    """PyTorch's threads as the experiment sets them, and back."""
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if platform.system() == "Windows":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
