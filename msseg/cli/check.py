"""`msseg check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msseg.cases.case import Case
    from msseg.config.experiment import ExperimentConfig
    from msseg.doctor.gather import Gathered

EXIT_ERRORS = 3


def check(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A file, a folder of files, a table (CSV), or a data set.", show_default=False
        ),
    ],
    layout: Annotated[
        str | None,
        typer.Option(
            help="The data set's layout, by name or file; by default the one that fits most files.", show_default=False
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Experiment file: its channels, labels and split are looked at, and its memory, time and disk on this"
            " machine are measured.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write facts and findings here.", show_default=False)] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with pictures and histograms here.", show_default=False)
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write repaired copies here of what has one safe repair; nothing is changed in place.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Look for what is wrong with data before a network is trained on them, and say what to do about it.

    Exit code 0: no error; 3: there are errors among the findings; 2: SOURCE cannot be examined at all.
    """
    from dataclasses import replace
    from json import dumps

    from rich.console import Console

    from msseg.atomic import write_text
    from msseg.doctor.examine import PLAIN, Subject, examine, settings_of, split_sides
    from msseg.doctor.page import write_page
    from msseg.doctor.picture import Thumbnail
    from msseg.doctor.repair import repair
    from msseg.doctor.text import describe
    from msseg.inference.progress import case_progress, say

    console = Console()
    experiment = _experiment(config, layout)
    gathered = _gather(source, layout, experiment)
    sides, split_problems = ({}, []) if experiment is None else split_sides(gathered.cases, experiment)
    settings = PLAIN if experiment is None else settings_of(experiment)
    meaning = gathered.meaning if experiment is None else settings.meaning
    settings = replace(settings, meaning=meaning, pictures=html is not None)
    subject = Subject(str(source), gathered.layout, (*gathered.problems, *split_problems), sides)
    pictures: dict[str, Thumbnail] = {}
    with case_progress(console, "examining", len(gathered.cases)) as done:
        examination = examine(gathered.cases, settings, subject, done, pictures)
    if fix is not None:
        examination = repair(examination, source, fix)
    values, forecast = ({}, []) if experiment is None else _forecast(experiment, gathered.cases)
    if json is not None:
        write_text(json, dumps(examination.to_json_dict() | values, indent=1))
    if html is not None:
        write_page(html, examination, pictures, forecast)
    for line in describe(examination, forecast):
        say(console, line)
    if examination.count("error"):
        raise SystemExit(EXIT_ERRORS)


def _forecast(experiment: "ExperimentConfig", cases: "Sequence[Case]") -> "tuple[dict[str, Any], list[str]]":
    """The forecast for a file and in lines; why there is none, where none of the cases can be trained on."""
    from msseg.doctor.reading import quietly
    from msseg.errors import InputError
    from msseg.forecast import forecast
    from msseg.forecast_text import describe

    try:
        with quietly():
            found = forecast(experiment, cases)
    except InputError as error:
        return {}, [f"no forecast: {error}"]
    return {"forecast": found.to_json_dict()}, describe(found)


def _experiment(config: Path | None, layout: str | None) -> "ExperimentConfig | None":
    """The experiment file, with the command line's layout in place of its own."""
    if config is None:
        return None
    import json

    from msseg.config.load import load_config

    overrides = [] if layout is None else [f"data.layout={json.dumps(layout)}", "data.table=null"]
    return load_config(config, overrides)


def _gather(source: Path, layout: str | None, experiment: "ExperimentConfig | None") -> "Gathered":
    """The cases; of an experiment with a layout, its channels and its selection."""
    from msseg.cases.channels import distinct
    from msseg.cases.find import channel_sets
    from msseg.doctor.gather import gather

    if experiment is None:
        return gather(source, layout)
    data = experiment.data
    channels = distinct(channel_sets(data)) if data.layout is not None and data.channels else ()
    table = Path(data.table).expanduser() if data.table is not None and source.is_dir() else None
    return gather(source, data.layout, channels, data.select, data.missing, table)
