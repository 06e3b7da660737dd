"""The report: one HTML page that needs no network, and the tables beside it."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from msseg.atomic import replacing, write_text
from msseg.cases.names import counted, listing
from msseg.errors import InputError
from msseg.report import wording
from msseg.report.cells import number
from msseg.report.collect import RunContent, collect_runs
from msseg.report.curves import curves_svg, has_curves
from msseg.report.headline import headline
from msseg.report.overlays import OUTCOMES, TRUTH
from msseg.report.pictures import case_pictures
from msseg.report.rows import Row, build_rows, channels_of, labels_of
from msseg.report.tables import case_rows, summary_rows
from msseg.report.views import (
    case_anchors,
    case_cells,
    case_views,
    missing_parts,
    model_cells,
    run_view,
    strip_label,
    warnings_of,
)
from msseg.report.writers import cases_csv, notes_of, summary_csv, summary_latex, summary_markdown
from msseg.runs import versions

CASE_LIMIT = 40
"""Lines of the table of cases that are shown at once; the others unfold."""


def make_report(runs: Sequence[Path], out: Path) -> None:
    """Write the report of one or several runs.

    The page is self-contained: styles, curves (SVG) and pictures (PNG) are inside, and it forbids the browser
    any request. Beside it, in the folder `tables`: network x channel (`summary.csv`, `.md` and `.tex`) and every
    case, worst first (`cases.csv`). One case's images are in memory at a time.

    Args:
        runs: Run folders, or folders of single models in them. What a run lacks is listed in the report.
        out: The HTML file; its folder is created where it is not there.

    Raises:
        InputError: A path is no run folder, or the report cannot be written.
    """
    contents = collect_runs(runs)
    rows = build_rows(contents)
    try:
        _write_tables(rows, out.parent / "tables")
        _write_page(contents, rows, out)
    except OSError as error:
        raise InputError(f"the report {out} cannot be written: {error.strerror}") from error


def _write_tables(rows: Sequence[Row], folder: Path) -> None:
    summary = summary_rows(rows)
    write_text(folder / "summary.csv", summary_csv(summary))
    write_text(folder / "summary.md", summary_markdown(summary))
    write_text(folder / "summary.tex", summary_latex(summary))
    write_text(folder / "cases.csv", cases_csv(case_rows(rows)))


def _write_page(contents: Sequence[RunContent], rows: Sequence[Row], out: Path) -> None:
    environment = Environment(
        loader=PackageLoader("msseg.report"),
        autoescape=True,  # every name from a file is text, never markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["number"] = number
    pieces = environment.get_template("report.html.j2").generate(_context(contents, rows))
    _stream(out, pieces)


def _context(contents: Sequence[RunContent], rows: Sequence[Row]) -> dict[str, Any]:
    summary = summary_rows(rows)
    pictures = case_pictures(rows)
    return {
        "title": listing(list(dict.fromkeys(content.name for content in contents))),
        "version": versions()["msseg"],
        "now": _date(datetime.now()),
        "sentences": headline(summary),
        "facts": _facts(contents, rows),
        "warnings": warnings_of(contents),
        "missing": missing_parts(contents),
        "summary": summary,
        "several_sets": len({line.test_set for line in summary}) > 1,
        "notes": notes_of(summary),
        "overall_metrics": wording.OVERALL_METRICS,
        "pooled_metrics": wording.POOLED_METRICS,
        "strip_label": strip_label,
        "table_names": "summary.csv, summary.md, summary.tex and cases.csv",
        "cases": case_rows(rows),
        "case_limit": CASE_LIMIT,
        "case_metrics": wording.CASE_METRICS,
        "volume_metrics": wording.VOLUMES,
        "case_cells": case_cells,
        "anchors": case_anchors(pictures),
        "empty_masks": wording.EMPTY_MASKS,
        "curves": [(channel, _curves_uri(rows, channel)) for channel in channels_of(rows) if has_curves(rows, channel)],
        "has_pictures": bool(pictures),
        "marks": (TRUTH, *OUTCOMES),
        "views": case_views(pictures),
        "runs": [run_view(content) for content in contents],
        "model_cells": model_cells,
        "date": _date,
    }


def _facts(contents: Sequence[RunContent], rows: Sequence[Row]) -> Mapping[str, str]:
    """The line of facts in the page's head."""
    dates = [content.written for content in contents if content.written]
    tested = {case for row in rows for case in row.test_cases}
    versions = dict.fromkeys(str(content.versions["msseg"]) for content in contents if "msseg" in content.versions)
    facts = {
        "Networks": listing(labels_of(rows)),
        "Channels": listing(channels_of(rows)),
        "Scored": counted(len(tested), "test case"),
        **_split_facts(contents),
        "Last result": _date(max(dates)) if dates else "–",
    }
    return facts | ({"msseg": listing(list(versions))} if versions else {})


def _split_facts(contents: Sequence[RunContent]) -> Mapping[str, str]:
    """Patients on either side where all runs have the same split, else how many splits there are."""
    runs = [run_view(content) for content in contents]
    splits = dict.fromkeys(run.parts for run in runs if run.parts)
    if len(splits) != 1:
        return {"Splits": str(len(splits))} if splits else {}
    return {part.title: listing(list(part.groups)) for part in next(iter(splits)) if part.groups}


def _curves_uri(rows: Sequence[Row], channel: str) -> str:
    svg = curves_svg(rows, channel).encode("utf-8")
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _date(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def _stream(path: Path, pieces: Iterable[str]) -> None:
    """Write the page piece by piece under a temporary name, then rename it."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
