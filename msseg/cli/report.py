"""`msseg report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The HTML file.", show_default=False)],
) -> None:
    """One self-contained HTML report over runs, with tables as CSV, Markdown and LaTeX beside it."""
    from msseg.report.page import make_report

    make_report(runs, out)
    print(f"the report is {out}")
