"""How one model predicts one volume: windows that it is trusted with, in the memory there is, and what that costs."""

import math
from collections.abc import Sequence

import numpy as np

from msseg.config.inference import InferenceConfig
from msseg.errors import InputError
from msseg.inference.cost import (
    available_memory,
    largest_window,
    network_cost,
    peak_memory,
    resident_memory,
    seconds_of_window,
)
from msseg.inference.dry_run import CaseForecast
from msseg.inference.engines.base import Engine
from msseg.inference.orientations import orientations
from msseg.inference.places import windows_at_once
from msseg.inference.trust import chosen_window
from msseg.inference.window_plan import WindowPlan, make_plan
from msseg.model import ModelSettings


def planned(
    engine: Engine, settings: ModelSettings, inference: InferenceConfig, shape: Sequence[int], on_cpu: bool = True
) -> tuple[InferenceConfig, int | None]:
    """Settings in which the windows are no longer `auto`, and how many voxels a window of `fit` may have.

    Args:
        engine: What computes the model.
        settings: The model's, with the figures on which it is trusted.
        inference: Windows and threshold that hold.
        shape: The volume (X, Y, Z) on the network's grid.
        on_cpu: Whether the engine computes in the main memory; else windows of `fit` are not limited.
    """
    window = chosen_window(inference, settings.trusted, engine.name, engine.precision)
    largest = None
    if window == "fit" and on_cpu:
        cost = network_cost(settings.network, settings.in_channels, engine.name, engine.precision)
        largest = largest_window(cost, shape, settings.in_channels, available_memory())
    return inference.model_copy(update={"window": window}), largest


def planned_probability(
    engine: Engine, data: np.ndarray, settings: ModelSettings, inference: InferenceConfig
) -> np.ndarray:
    """One model's probability (X, Y, Z) of a volume (C, X, Y, Z) on the network's grid, in the planned windows.

    Raises:
        InputError: The network's output is not finite.
    """
    chosen, largest = planned(engine, settings, inference, data.shape[1:], engine.on_cpu)
    probability = engine.probability(data, settings.patch_size, chosen, largest)
    if not np.isfinite(probability).all():
        raise InputError(
            f"the network's output is not finite in {engine.precision}: try the precision fp32;"
            " if it stays so, the weights are unusable"
        )
    return probability


def forecast_case(
    name: str,
    data: np.ndarray,
    source: Sequence[int],
    models: Sequence[tuple[Engine, ModelSettings, InferenceConfig]],
    seconds_per_voxel: Sequence[float] | None = None,
    resident: int | None = None,
) -> CaseForecast:
    """What predicting a prepared case takes.

    Args:
        name: The case.
        data: Channels (C, X, Y, Z) on the network's grid.
        source: Shape of the files' own grid.
        models: Engine, settings and the inference settings that hold, for each model that is averaged.
        seconds_per_voxel: Of each model, as `seconds_per_voxel` measured it; None: the time is not told.
        resident: Bytes that the process had before a network computed; None: it has not yet, and what it has counts.
    """
    plans = [_plan(engine, settings, inference, data) for engine, settings, inference in models]
    memory = max(
        _memory(engine, settings, plan, source) for (engine, settings, _), plan in zip(models, plans, strict=True)
    )
    copies = [
        len(orientations((1, 1, *plan.size), inference.mirror, inference.rotate))
        for plan, (_, _, inference) in zip(plans, models, strict=True)
    ]
    seconds = None
    if seconds_per_voxel is not None:
        voxels = [len(plan.places) * times * math.prod(plan.size) for plan, times in zip(plans, copies, strict=True)]
        seconds = math.fsum(each * of for each, of in zip(seconds_per_voxel, voxels, strict=True))
    resident = resident if resident is not None else resident_memory() or 0
    available = available_memory()
    return CaseForecast(
        name=name,
        source=tuple(source),
        crop=data.shape[1:],
        window=plans[0].size,
        windows=len(plans[0].places),
        copies=copies[0],
        models=len(models),
        seconds=seconds,
        memory=resident + memory,
        available=None if available is None else resident + available,
    )


def seconds_per_voxel(engine: Engine, settings: ModelSettings, inference: InferenceConfig, data: np.ndarray) -> float:
    """Time of one window of this case by its voxels, measured here and now; other cases' follow from it."""
    size = _plan(engine, settings, inference, data).size
    return seconds_of_window(engine, size, data.shape[0]) / math.prod(size)


def _plan(engine: Engine, settings: ModelSettings, inference: InferenceConfig, data: np.ndarray) -> WindowPlan:
    chosen, largest = planned(engine, settings, inference, data.shape[1:])
    return make_plan(data, settings.patch_size, chosen.window, chosen.overlap, engine.multiples, largest)


def _memory(engine: Engine, settings: ModelSettings, plan: WindowPlan, source: Sequence[int]) -> int:
    cost = network_cost(settings.network, settings.in_channels, engine.name, engine.precision)
    return peak_memory(cost, plan, settings.in_channels, source, windows_at_once(plan.size, "cpu"))
