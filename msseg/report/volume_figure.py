"""Predicted against true volume, and their difference against their mean (Bland and Altman 1986)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from msseg.report.agreement import LIMITS_FROM, VolumeAgreement, volume_agreements
from msseg.report.cells import number
from msseg.report.curves import INK, PAPER, as_svg, colour_of, dress, new_figure, svg_uri
from msseg.report.rows import Row, labels_of

DASHES = (0, (4, 2))
MARGIN = 1.06
"""Free space beyond the outermost point, as a factor."""


@dataclass(frozen=True)
class VolumeView:
    """A network on a channel: cells of the table, and its figure (empty where there are too few points)."""

    label: str
    channel: str
    cells: tuple[str, ...]
    figure: str


def volume_views(rows: Sequence[Row]) -> list[VolumeView]:
    """What the page shows of volumes: nothing for slices."""
    agreements, labels = volume_agreements(rows), labels_of(rows)
    return [
        VolumeView(
            one.row.label,
            one.row.channel,
            _cells(one),
            svg_uri(volume_svg(one, agreements, labels)) if len(one.truth) >= LIMITS_FROM else "",
        )
        for one in agreements
    ]


def volume_figure(agreement: VolumeAgreement, all_rows: Sequence[VolumeAgreement], labels: Sequence[str]) -> Figure:
    """Draw both panels of one network on one channel.

    Args:
        agreement: What is drawn.
        all_rows: Those of all figures: they share their axes, so that networks can be compared by eye.
        labels: All networks of the report, which gives each its colour.
    """
    figure, [[scatter, differences]] = new_figure(1, 2)
    colour = colour_of(agreement.row, labels)
    largest = max(max(one.truth + one.predicted) for one in all_rows) * MARGIN or 1.0
    scatter.plot([0, largest], [0, largest], color=INK, lw=1, ls=DASHES)
    _points(scatter, agreement.truth, agreement.predicted, colour)
    correlation = "" if math.isnan(agreement.correlation) else f" (r = {number(agreement.correlation, 3)})"
    dress(scatter, f"Predicted against true volume{correlation}", "expert's volume (mL)")
    scatter.set_ylabel("predicted (mL)", fontsize=9, color=INK)
    scatter.set(xlim=(0, largest), ylim=(0, largest))
    differences.axhline(0, color=INK, lw=1, ls=DASHES)
    _points(differences, agreement.means, agreement.differences, colour)
    low, high = _range(all_rows)
    _lines(differences, agreement, colour, (high - low) / 20)
    dress(differences, "Bland–Altman: difference against mean", "mean of both volumes (mL)")
    differences.set_ylabel("predicted − expert's (mL)", fontsize=9, color=INK)
    differences.set(xlim=(0, largest), ylim=(low, high))
    return figure


def volume_svg(agreement: VolumeAgreement, all_rows: Sequence[VolumeAgreement], labels: Sequence[str]) -> str:
    """The figure as an SVG that follows the reader's light or dark setting."""
    return as_svg(volume_figure(agreement, all_rows, labels))


def _cells(agreement: VolumeAgreement) -> tuple[str, ...]:
    count = len(agreement.truth)
    limits = f"{number(agreement.low, 2)} to {number(agreement.high, 2)}"
    return (
        str(count),
        number(sum(agreement.truth) / count, 2),
        number(sum(agreement.predicted) / count, 2),
        number(agreement.bias, 2),
        "–" if math.isnan(agreement.low) else limits,
        number(agreement.correlation, 3),
        number(agreement.isbi, 3),
    )


def _points(axes: Axes, x: Sequence[float], y: Sequence[float], colour: str) -> None:
    axes.plot(x, y, "o", color=colour, mec=PAPER, mew=0.6, ms=5.5, clip_on=False, zorder=3)


def _lines(axes: Axes, agreement: VolumeAgreement, colour: str, apart: float) -> None:
    """Bias and limits, named at the right edge; names that would meet are moved `apart` (mL)."""
    lines = [("bias", agreement.bias, "-"), ("upper limit", agreement.high, DASHES)]
    lines.append(("lower limit", agreement.low, DASHES))
    crowded = agreement.high - agreement.bias < 2 * apart
    for title, value, dashes in lines:
        if math.isnan(value):
            continue
        axes.axhline(value, color=colour, lw=1.5, ls=dashes)
        if crowded and title == "bias":
            continue  # it stands in the table
        above = title != "lower limit"
        axes.annotate(
            f"{title} {number(value, 2)}", (1, value), (-2, 2 if above else -2), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right", va="bottom" if above else "top", fontsize=8, color=INK,
            bbox={"fc": PAPER, "ec": "none", "pad": 0.6},
        )  # fmt: skip


def _range(all_rows: Sequence[VolumeAgreement]) -> tuple[float, float]:
    """The differences that the axis has to show, zero among them."""
    shown = [0.0]
    for one in all_rows:
        shown += [value for value in (*one.differences, one.low, one.high) if not math.isnan(value)]
    low, high = min(shown), max(shown)
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin
