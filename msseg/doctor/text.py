"""The findings on a terminal: short, worst first, a line of summary at the end."""

from collections.abc import Iterator, Sequence

from msseg.cases.names import counted
from msseg.doctor.facts import CaseFacts, ImageFacts
from msseg.doctor.findings import SEVERITIES, Examination, Finding

FEW = 3
"""Up to so many cases, every channel has a line of its own."""
ROWS = 20
"""Cases in the table; the JSON file and the page have all."""
REPAIRS = 6
TITLES = {"error": "ERROR", "warning": "warning", "note": "note"}
HEAD = ("case", "channel", "shape", "voxel (mm)", "axes", "tilt", "range", "nonzero", "histogram", "label")
RANGE = HEAD.index("range")


def describe(examination: Examination, forecast: Sequence[str] = ()) -> Iterator[str]:
    """The lines to print; a forecast, if there is one, comes before the summary."""
    yield from _table(examination.rows)
    for finding in examination.findings:
        yield ""
        yield from _finding(finding)
    if forecast:
        yield ""
        yield from forecast
    yield ""
    yield summary(examination)


def summary(examination: Examination) -> str:
    """One line: how many cases, and how many findings of each severity."""
    layout = f" (layout {examination.layout})" if examination.layout else ""
    counts = [counted(number, severity) for severity in SEVERITIES if (number := examination.count(severity))]
    left_out = f"; too few cases to look for {' or '.join(examination.skipped)}" if examination.skipped else ""
    found = ", ".join(counts) if counts else "nothing found"
    return f"{counted(len(examination.rows), 'case')}{layout}: {found}{left_out}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{TITLES[finding.severity]}: {finding.message}"
    yield f"  -> {finding.advice}"
    for repair in finding.repairs[:REPAIRS]:
        yield f"  repair: {repair}"
    if len(finding.repairs) > REPAIRS:
        yield f"  repair: and {len(finding.repairs) - REPAIRS} more"


def _table(rows: Sequence[CaseFacts]) -> Iterator[str]:
    if not rows:
        return
    lines = [line for row in rows[:ROWS] for line in (_long(row) if len(rows) <= FEW else _short(row))]
    head = list(HEAD)
    if len(rows) > FEW:  # ranges differ from channel to channel
        lines, head = [_without_range(line) for line in lines], _without_range(HEAD)
    filled = [place for place in range(len(head)) if any(line[place] for line in lines)]
    table = [[line[place] for place in filled] for line in (head, *lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    if len(rows) > ROWS:
        yield f"... and {counted(len(rows) - ROWS, 'case')} more (--json and --html have all)"


def _long(row: CaseFacts) -> list[list[str]]:
    """A line for each channel."""
    lines = [["", channel, *cells_of(image), ""] for channel, image in row.images.items()]
    lines = lines or [["", "-", *cells_of(None), ""]]
    lines[0][0], lines[0][-1] = row.case, label_of(row)
    return lines


def _short(row: CaseFacts) -> list[list[str]]:
    """One line: what channels share is that of the first, the histogram's distance is the largest."""
    images = list(row.images.values())
    cells = list(cells_of(images[0] if images else None))
    distances = [image.histogram_distance for image in images if image.histogram_distance is not None]
    cells[-1] = f"{max(distances):.2f}" if distances else ""
    return [[row.case, " ".join(row.images) or "-", *cells, label_of(row)]]


def _without_range(cells: Sequence[str]) -> list[str]:
    return [cell for place, cell in enumerate(cells) if place != RANGE]


def cells_of(image: ImageFacts | None) -> tuple[str, ...]:
    """Shape, spacing, axes, tilt, range, share of non-zero and histogram distance as text."""
    if image is None:
        return ("", "", "", "", "", "", "")
    placed = bool(image.orientation)
    distance = image.histogram_distance
    return (
        "x".join(map(str, image.shape)),
        "x".join(f"{length:.3g}" for length in image.spacing) if placed else "",
        image.orientation,
        f"{image.obliquity:.1f}°" if placed else "",
        f"{image.minimum:.4g} .. {image.maximum:.4g}",
        f"{image.nonzero:.0%}",
        "" if distance is None else f"{distance:.2f}",
    )


def label_of(row: CaseFacts) -> str:
    """Number of objects and their volume."""
    label = row.label
    if label is None:
        return "none"
    if label.volume_mm3 is None:
        return f"{counted(label.objects, 'object')}, {label.voxels} pixels"
    return f"{counted(label.objects, 'lesion')}, {label.volume_mm3 / 1000:.3g} mL"
