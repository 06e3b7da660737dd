"""The report: one HTML page that needs no network, and the tables beside it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from msseg.atomic import replacing, write_text
from msseg.cases.names import counted, listing
from msseg.errors import InputError
from msseg.report.case_pages import case_anchors, case_views, model_anchors
from msseg.report.cells import number
from msseg.report.checks import FACT_HEADS, check_views, check_warnings
from msseg.report.collect import collect_runs
from msseg.report.contents import RunContent
from msseg.report.curves import curves_svg, has_curves, scores_of, svg_uri
from msseg.report.drawings import legend_of
from msseg.report.headline import headline
from msseg.report.lesions import LESION_HEADS, size_in_words, strata_of
from msseg.report.pictures import case_pictures
from msseg.report.rows import Row, build_rows, channels_of, labels_of
from msseg.report.tables import case_rows, measured_on_lesions, stack_rows, summary_rows
from msseg.report.thresholds import has_thresholds, threshold_panels, thresholds_svg
from msseg.report.times import TIME_HEADS, duration, times_views, total_seconds
from msseg.report.views import (
    cells_of,
    missing_parts,
    model_cells,
    run_view,
    strip_label,
    warnings_of,
)
from msseg.report.vocabulary import WORDS
from msseg.report.volume_figure import volume_views
from msseg.report.wording import Words, empty_masks
from msseg.report.writers import cases_csv, lesions_csv, notes_of, summary_csv, summary_latex, summary_markdown
from msseg.runs import versions

CASE_LIMIT = 40
"""Lines of the table of cases that are shown at once; the others unfold."""
FIGURE_LIMIT = 4
"""Figures of volumes that are shown at once; the others unfold."""
NOT_IN_PAGES = ("iou", "volume_difference_mm3")
"""What a case's own table leaves out: it follows from the columns beside it."""
PICTURE_LIMIT = 40
"""Test slices that are shown in pictures, the worst ones: a page with all of a large stack would not open."""
PAGE_LIMIT = 120
"""Volumes that have a page of their own, the worst ones."""


def make_report(runs: Sequence[Path], out: Path) -> None:
    """Write the report of one or several runs.

    The page is self-contained: styles, curves (SVG) and pictures (PNG) are inside, and it forbids the browser
    any request. Beside it, in the folder `tables`: network x channel (`summary.csv`, `.md` and `.tex`), every
    case, worst first (`cases.csv`), and every lesion where evaluations list them (`lesions.csv`). One case's images
    are in memory at a time.

    Args:
        runs: Run folders, or folders of single models in them. What a run lacks is listed in the report.
        out: The HTML file; its folder is created where it is not there.

    Raises:
        InputError: A path is no run folder, the runs are of different tasks, or the report cannot be written.
    """
    contents = collect_runs(runs)
    rows = build_rows(contents)
    words = WORDS[contents[0].task]
    try:
        _write_tables(words, rows, out.parent / "tables")
        _write_page(words, contents, rows, out)
    except OSError as error:
        raise InputError(f"the report {out} cannot be written: {error.strerror}") from error


def _write_tables(words: Words, rows: Sequence[Row], folder: Path) -> None:
    summary = summary_rows(rows)
    write_text(folder / "summary.csv", summary_csv(words, summary))
    write_text(folder / "summary.md", summary_markdown(words, summary))
    write_text(folder / "summary.tex", summary_latex(words, summary))
    write_text(folder / "cases.csv", cases_csv(case_rows(rows)))
    if lesions := lesions_csv(rows):
        write_text(folder / "lesions.csv", lesions)


def _write_page(words: Words, contents: Sequence[RunContent], rows: Sequence[Row], out: Path) -> None:
    environment = Environment(
        loader=PackageLoader("msseg.report"),
        autoescape=True,  # every name from a file is text, never markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["number"] = number
    pieces = environment.get_template("report.html.j2").generate(_context(words, contents, rows))
    _stream(out, pieces)


def _context(words: Words, contents: Sequence[RunContent], rows: Sequence[Row]) -> dict[str, Any]:
    summary = summary_rows(rows)
    lesionwise, strata = measured_on_lesions(summary), strata_of(rows)
    page_metrics = [*(metric for metric in words.by_case if metric.key not in NOT_IN_PAGES), *lesionwise]
    pictures = case_pictures(rows)
    shown = pictures[: PICTURE_LIMIT if words.is_stack else PAGE_LIMIT]
    return {
        "words": words,
        "title": listing(list(dict.fromkeys(content.name for content in contents))),
        "version": versions()["msseg"],
        "now": _date(datetime.now()),
        "sentences": headline(summary),
        "facts": _facts(words, contents, rows),
        "warnings": [*check_warnings(contents), *warnings_of(contents)],
        "missing": missing_parts(contents),
        "summary": summary,
        "with_channel": not words.is_stack or len(channels_of(rows)) > 1,
        "several_sets": len({line.test_set for line in summary}) > 1,
        "notes": notes_of(words, summary),
        "strip_label": strip_label,
        "table_names": f"summary.csv, summary.md, summary.tex{', lesions.csv' if strata else ''} and cases.csv",
        "lesionwise": lesionwise,
        "strata": strata,
        "size_in_words": size_in_words,
        "lesion_heads": LESION_HEADS,
        "cases": case_rows(rows),
        "case_limit": CASE_LIMIT,
        "stacks": stack_rows(rows),
        "case_cells": cells_of(words.by_case),
        "stack_cells": cells_of(words.pooled),
        "anchors": case_anchors(shown),
        "model_anchors": {} if words.is_stack else model_anchors(shown),
        "empty_masks": empty_masks(words),
        "curves": _figures(curves_svg, has_curves, rows),
        "curve_panels": 1 + len(scores_of(rows)),
        "validated": listing(list(scores_of(rows).values())),
        "thresholds": _figures(thresholds_svg, has_thresholds, rows),
        "threshold_panels": len(threshold_panels(rows)),
        "has_pictures": bool(pictures),
        "not_shown": len(pictures) - len(shown),
        "marks": legend_of(pictures[0]) if pictures else (),
        "views": case_views(shown, page_metrics),
        "page_metrics": page_metrics,
        "volumes": volume_views(rows),
        "figure_limit": FIGURE_LIMIT,
        "checks": check_views(contents),
        "fact_heads": FACT_HEADS,
        "times": times_views(contents),
        "time_heads": TIME_HEADS,
        "total_time": duration(total_seconds(contents)),
        "several_runs": len(contents) > 1,
        "runs": [run_view(content) for content in contents],
        "model_cells": model_cells,
        "date": _date,
    }


def _facts(words: Words, contents: Sequence[RunContent], rows: Sequence[Row]) -> Mapping[str, str]:
    """The line of facts in the page's head."""
    dates = [content.written for content in contents if content.written]
    tested = {case for row in rows for case in row.test_cases}
    versions = dict.fromkeys(str(content.versions["msseg"]) for content in contents if "msseg" in content.versions)
    facts = {
        "Networks": listing(labels_of(rows)),
        "Channels": listing(channels_of(rows)),
        "Scored": counted(len(tested), f"test {words.case}"),
        **_split_facts(words, contents),
        "Last result": _date(max(dates)) if dates else "–",
    }
    return facts | ({"msseg": listing(list(versions))} if versions else {})


def _split_facts(words: Words, contents: Sequence[RunContent]) -> Mapping[str, str]:
    """Patients, or slices, on either side where all runs have the same split, else how many splits there are."""
    runs = [run_view(content) for content in contents]
    splits = dict.fromkeys(run.parts for run in runs if run.parts)
    if len(splits) != 1:
        return {"Splits": str(len(splits))} if splits else {}
    parts = [part for part in next(iter(splits)) if part.groups]
    if not words.is_stack:
        return {part.title: listing(list(part.groups)) for part in parts}
    return {part.title: f"{counted(len(part.cases), words.case)} of {listing(list(part.groups))}" for part in parts}


def _figures(
    draw: Callable[[Sequence[Row], str], str], has: Callable[[Sequence[Row], str], bool], rows: Sequence[Row]
) -> list[tuple[str, str]]:
    """For each channel that has such a figure, its SVG as a data URI."""
    return [(channel, svg_uri(draw(rows, channel))) for channel in channels_of(rows) if has(rows, channel)]


def _date(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def _stream(path: Path, pieces: Iterable[str]) -> None:
    """Write the page piece by piece under a temporary name, then rename it."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
