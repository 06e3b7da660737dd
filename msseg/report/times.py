"""How long everything took: preparing, training, predicting, evaluating."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from msseg.report.contents import RunContent, TrainedModel
from msseg.report.wording import network_title

TIME_HEADS = ("Preparing", "Training", "Epochs", "Each epoch", "Predicting", "Each prediction", "Evaluating", "Sum")


@dataclass(frozen=True)
class TimesView:
    """A model's times as printed, one cell for each of `TIME_HEADS`."""

    run: str
    network: str
    channel: str
    device: str
    cells: tuple[str, ...]


def times_views(runs: Sequence[RunContent]) -> list[TimesView]:
    """The times of each model that has any."""
    views = []
    for run in runs:
        for model in run.models:
            cells = _cells(model)
            if any(cell != "–" for cell in cells):
                facts = model.facts
                views.append(
                    TimesView(run.folder.name, network_title(facts.network), model.channel, facts.device or "–", cells)
                )
    return views


def total_seconds(runs: Sequence[RunContent]) -> float:
    """All that was measured, over all models."""
    return sum(sum(_parts(model)) for run in runs for model in run.models)


def duration(seconds: float) -> str:
    """'0.4 s', '48 s', '12 min', '3 h 05 min'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _cells(model: TrainedModel) -> tuple[str, ...]:
    facts, times = model.facts, model.times
    epochs = [seconds for seconds in model.epochs.get("seconds", ()) if not math.isnan(seconds)]
    predictions = list(times.seconds_predicting.values())
    parts = _parts(model)
    return (
        _optional(facts.seconds_preparing),
        _optional(facts.seconds_training),
        str(len(epochs)) if epochs else "–",
        _typical(epochs),
        _optional(sum(predictions) if predictions else None),
        _typical(predictions),
        _optional(times.seconds_evaluating),
        _optional(sum(parts) if parts else None),
    )


def _parts(model: TrainedModel) -> list[float]:
    facts, times = model.facts, model.times
    parts = [facts.seconds_preparing, facts.seconds_training, times.seconds_evaluating]
    return [part for part in parts if part is not None] + list(times.seconds_predicting.values())


def _optional(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def _typical(seconds: Sequence[float]) -> str:
    """'48 s (40 s – 61 s)': median and extremes."""
    if not seconds:
        return "–"
    if len(seconds) == 1:
        return duration(seconds[0])
    return f"{duration(statistics.median(seconds))} ({duration(min(seconds))} – {duration(max(seconds))})"
