"""The findings as one HTML page that needs no network: a picture and the histograms of every case."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from msseg.atomic import replacing
from msseg.doctor.facts import CaseFacts
from msseg.doctor.findings import Examination, Finding
from msseg.doctor.picture import Thumbnail
from msseg.doctor.text import cells_of, label_of, summary

WIDTH, HEIGHT = 160, 44
"""Of a histogram, in the units of its SVG."""


@dataclass(frozen=True)
class Channel:
    """A line of a case's table: name, cells, and the outlines of its histogram and of the cohort's median."""

    name: str
    file: str
    cells: tuple[str, ...]
    line: str
    usual: str


@dataclass(frozen=True)
class CaseView:
    """What the page shows of a case."""

    case: str
    group: str
    anchor: str
    channels: tuple[Channel, ...]
    label: str
    contrast: str
    outside: str
    picture: str
    size: tuple[int, int]
    findings: tuple[Finding, ...]


def write_page(
    path: Path, examination: Examination, pictures: Mapping[str, Thumbnail], forecast: Sequence[str] = ()
) -> None:
    """Write the page; every name from a file is text in it, never markup, and it forbids the browser any request.

    Args:
        path: The page.
        examination: What was found.
        pictures: Case -> its thumbnail.
        forecast: What an experiment will cost, in lines.

    Raises:
        InputError: The file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("msseg.doctor"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    views = case_views(examination, pictures)
    pieces = environment.get_template("check.html.j2").generate(
        examination=examination,
        summary=summary(examination),
        views=views,
        forecast=forecast,
        anchors={view.case: view.anchor for view in views},
        width=WIDTH,
        height=HEIGHT,
    )
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(pieces)


def case_views(examination: Examination, pictures: Mapping[str, Thumbnail]) -> list[CaseView]:
    """All cases, those with errors first, then those with warnings."""
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in examination.findings:
        for case in finding.cases:
            findings[case].append(finding)
    usual = _usual_histograms(examination.rows)
    order = {id(finding): place for place, finding in enumerate(examination.findings)}
    views = [
        _view(number, row, findings.get(row.case, []), usual, pictures.get(row.case))
        for number, row in enumerate(examination.rows, start=1)
    ]
    return sorted(views, key=lambda view: order[id(view.findings[0])] if view.findings else len(order))


def _view(
    number: int,
    row: CaseFacts,
    findings: Sequence[Finding],
    usual: Mapping[str, Sequence[float]],
    picture: Thumbnail | None,
) -> CaseView:
    channels = tuple(
        Channel(
            name,
            image.path.name,
            cells_of(image),
            outline(image.histogram),
            outline(usual.get(name, ())),
        )
        for name, image in row.images.items()
    )
    label = row.label
    encoded = "" if picture is None else base64.b64encode(picture.png).decode("ascii")
    return CaseView(
        row.case,
        row.group,
        f"case-{number}",
        channels,
        label_of(row),
        "" if label is None or label.contrast is None else f"{label.contrast:.1f}",
        "" if label is None or label.outside < 0.0005 else f"{label.outside:.1%}",
        encoded,
        (0, 0) if picture is None else (picture.width, picture.height),
        tuple(findings),
    )


def _usual_histograms(rows: Iterable[CaseFacts]) -> dict[str, list[float]]:
    """The median of each bin over the cases, by channel."""
    tables: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for row in rows:
        for name, image in row.images.items():
            if image.histogram:
                tables[name].append(image.histogram)
    return {name: [float(value) for value in np.median(table, axis=0)] for name, table in tables.items()}


def outline(histogram: Sequence[float]) -> str:
    """Points of a polyline; the tallest bin but the first and last, which collect what is beyond, is full height."""
    if len(histogram) < 3:
        return ""
    top = max(histogram[1:-1]) or 1.0
    step = WIDTH / (len(histogram) - 1)
    heights = [HEIGHT * (1 - min(value / top, 1.0)) for value in histogram]
    return " ".join(f"{place * step:.1f},{height:.1f}" for place, height in enumerate(heights))
