"""`msseg run` and `msseg train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msseg.errors import InputError

if TYPE_CHECKING:
    from msseg.config.experiment import ExperimentConfig

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Experiment file (YAML).", show_default=False)]
Rest = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Settings in place of the file's: training.epochs=20",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder of the data set, in place of data.root.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Run folder; runs/NAME if not given.", show_default=False)
]
Channels = Annotated[
    list[str] | None,
    typer.Option(
        "--channel",
        metavar="CHANNEL",
        help="Train on this channel; several times for several models; FLAIR+T1 for one model of both."
        " Default: the file's.",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in this folder.")]


def run(
    config: Config,
    rest: Rest = None,
    data: Data = None,
    out: Out = None,
    channel: Channels = None,
    resume: Resume = False,
) -> None:
    """For each channel: train, predict the test cases, evaluate; then one report over all."""
    settings = read_settings(config, rest, data, channel)
    from rich.console import Console

    from msseg.experiment import run_experiment

    run_experiment(settings, out or Path("runs") / settings.name, Console(), resume)


def train(
    config: Config,
    rest: Rest = None,
    data: Data = None,
    out: Out = None,
    channel: Channels = None,
    resume: Resume = False,
) -> None:
    """Train the models of an experiment, without testing them."""
    settings = read_settings(config, rest, data, channel)
    from rich.console import Console

    from msseg.experiment import train_experiment

    train_experiment(settings, out or Path("runs") / settings.name, Console(), resume)


def read_settings(
    config: Path, rest: list[str] | None, data: Path | None, channels: list[str] | None
) -> "ExperimentConfig":
    """The experiment with the command line's replacements; words without '=' after --channel are channels too."""
    import json

    from msseg.config.load import load_config

    words = rest or []
    overrides = [word for word in words if "=" in word]
    named = [*(channels or []), *(word for word in words if "=" not in word)]
    if named and not channels:
        raise InputError(f"'{named[0]}' is neither an option nor of the form key=value")
    if data is not None:
        overrides.append(f"data.root={json.dumps(str(data))}")
    if channels:
        overrides.append(f"data.channels={json.dumps(named)}")
    return load_config(config, overrides)
