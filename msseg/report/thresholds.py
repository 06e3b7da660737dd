"""How the scores of slices change with the threshold: of membranes split and merge, of cells the matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from msseg.evaluation.tasks import TASKS
from msseg.metrics.cells import IOU_THRESHOLDS
from msseg.report.curves import INK, PAPER, add_legend, as_svg, circle, colour_of, dress, new_figure
from msseg.report.rows import Row, labels_of

_PARTS: Mapping[str, tuple[str, str | tuple[int, tuple[float, float]]]] = {
    "f": ("F-score", "-"),
    "split": ("split score", (0, (4, 2))),
    "merge": ("merge score", (0, (1, 1.5))),
}
_AGREEMENTS = {"v_rand": "V_rand", "v_info": "V_info"}


@dataclass(frozen=True)
class Curve:
    """One line: values at thresholds.

    Attributes:
        panel: Title of the panel that it belongs to.
        part: Key of what it shows, see `_PARTS`.
        thresholds: Where it was measured.
        values: What was measured; NaN where it is not defined.
    """

    panel: str
    part: str
    thresholds: tuple[float, ...]
    values: tuple[float, ...]


def curves_of(row: Row) -> list[Curve]:
    """The scores of a row's slices, taken together, at each threshold; none for volumes."""
    if row.evaluation is None or not row.evaluation.stacks:
        return []
    rows = TASKS[row.evaluation.task].rows(row.evaluation.cases)
    if "ap_per_iou" in rows:
        return [Curve("AP", "f", IOU_THRESHOLDS, tuple(entry["ap"] for entry in rows["ap_per_iou"]))]
    tried = tuple(entry["threshold"] for entry in rows["thresholds"])
    return [
        Curve(title, part, tried, tuple(entry[score][part] for entry in rows["thresholds"]))
        for score, title in _AGREEMENTS.items()
        for part in _PARTS
    ]


def has_thresholds(rows: Sequence[Row], channel: str) -> bool:
    """Whether any row of the channel has scores at more than one threshold."""
    return any(len(curve.thresholds) > 1 for row in rows if row.channel == channel for curve in curves_of(row))


def threshold_panels(rows: Sequence[Row]) -> list[str]:
    """Titles of the figure's panels."""
    return list(dict.fromkeys(curve.panel for row in rows for curve in curves_of(row)))


def thresholds_figure(rows: Sequence[Row], channels: Sequence[str]) -> Figure:
    """Draw the scores against the threshold, one line of panels per channel; the best F-score is circled.

    Args:
        rows: All rows of the report, so that a network keeps its colour in every figure.
        channels: The channels to draw.
    """
    curves = {id(row): curves_of(row) for row in rows}
    titles = threshold_panels(rows)
    labels = labels_of(rows)
    figure, panels = new_figure(len(channels), len(titles))
    for axes_of_line, channel in zip(panels, channels, strict=True):
        axes_by_title = dict(zip(titles, axes_of_line, strict=True))
        for row in rows:
            for curve in curves[id(row)] if row.channel == channel else ():
                _draw(axes_by_title[curve.panel], curve, colour_of(row, labels))
        for title, axes in axes_by_title.items():
            name = f"{channel}: {title}" if len(channels) > 1 else title
            dress(axes, name, "IoU above which cells match" if title == "AP" else "threshold")
            axes.set_ylim(0, 1.02)
    shown = [row for row in rows if row.channel in channels]
    add_legend(figure, shown, labels, [] if titles == ["AP"] else _handles())
    return figure


def thresholds_svg(rows: Sequence[Row], channel: str) -> str:
    """One channel's scores as an SVG that follows the reader's light or dark setting."""
    return as_svg(thresholds_figure(rows, [channel]))


def _draw(axes: Axes, curve: Curve, colour: str) -> None:
    _, dashes = _PARTS[curve.part]
    axes.plot(curve.thresholds, curve.values, color=colour, ls=dashes, lw=1.8 if curve.part == "f" else 1.2)
    values = np.array(curve.values)
    if curve.part == "f" and curve.panel != "AP" and not np.isnan(values).all():
        best = int(np.nanargmax(values))
        axes.plot(curve.thresholds[best], values[best], "o", mfc=PAPER, mec=colour, mew=1.5, ms=6, clip_on=False)


def _handles() -> list[Line2D]:
    lines = [Line2D([], [], color=INK, lw=1.5, ls=dashes, label=title) for title, dashes in _PARTS.values()]
    return [*lines, circle("best threshold")]
