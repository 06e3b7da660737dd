"""`msseg tune`."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def tune(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, with validation cases.", show_default=False)],
    channel: Annotated[
        list[str] | None,
        typer.Option(
            help="Tune the model of this channel (FLAIR+T1: of both); several times for more; default: all.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        Literal[
            "dsc", "iou", "isbi_score", "lesion_f1", "msseg_f1", "surface_dsc", "hd95", "assd", "volume_difference"
        ],
        typer.Option(help="What decides. (LTPR alone would always choose the lowest threshold, LFPR the highest.)"),
    ] = "dsc",
    thresholds: Annotated[
        str | None,
        typer.Option(
            help="Thresholds to try, such as 0.3,0.5 or first:last:step, or both; default: 0.05:0.95:0.05.",
            show_default=False,
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Smallest lesions to try (mm3), smaller ones are taken out; default: 0,3,5,10,15,20,30,50.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the data set, in place of the run's.", show_default=False),
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        typer.Option(help="Where to compute; default: as the run.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the table, and write nothing.")] = False,
) -> None:
    """Choose a model's threshold and smallest lesion on the run's validation cases.

    The choice is written into model.yaml, so that predictions are made with it; test cases are never looked at.
    """
    from rich.console import Console

    from msseg.cli.evaluate import read_thresholds
    from msseg.tune import SIZES_MM3, THRESHOLDS, Grid, tune_run

    grid = Grid(
        metric,
        tuple(read_thresholds(thresholds)) if thresholds is not None else THRESHOLDS,
        tuple(read_thresholds(sizes, "--sizes")) if sizes is not None else SIZES_MM3,
    )
    tune_run(run, Console(), channel or (), grid, data, device, dry_run)
