"""A forecast in words."""

from msseg.cases.names import counted
from msseg.forecast import Forecast
from msseg.training.progress import duration

GB, MB = 1e9, 1e6


def describe(forecast: Forecast) -> list[str]:
    """The forecast in lines."""
    of = forecast
    memory = "not known on this system" if of.memory is None else f"{of.memory / GB:.1f} GB at the peak"
    where = "graphics card's memory" if of.device.startswith("cuda") else "memory"
    validation = f" and {counted(of.validation_cases, 'validation case')}" if of.validation_cases else ""
    models = f"; the experiment trains {of.models} models" if of.models > 1 else ""
    whole = of.epochs * of.seconds_epoch
    return [
        f"forecast for {'+'.join(of.channels)}, measured on one training step and one window on this machine"
        f" ({of.device}, {of.precision}, {counted(of.threads, 'thread')}):",
        f"  {where}: {memory}",
        f"  epoch: {_time(of.seconds_epoch)} ({of.steps} steps of {_time(of.seconds_step)}{validation}); all"
        f" {of.epochs} epochs {_time(whole)}{models}",
        f"  prediction: {_time(of.seconds_prediction)} a case"
        f" ({counted(of.windows, 'window')} of {_time(of.seconds_window)})",
        f"  disk: {of.cache * of.cases / GB:.2f} GB of cache ({of.cache / MB:.0f} MB for each of {of.cases} cases)",
    ]


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= 10 else f"{seconds:.2g} s"
