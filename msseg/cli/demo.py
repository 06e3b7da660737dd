"""`msseg demo`."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the data, the runs and the report.")] = Path("demo"),
) -> None:
    """Train two networks on four channels of phantom brains, evaluate and report: under 6 minutes on 2 cores."""
    from rich.console import Console

    from msseg.demo import run_demo

    run_demo(out, Console())
