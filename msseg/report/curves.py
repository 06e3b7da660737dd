"""Training curves: loss and validation scores per epoch, networks side by side (Choi et al. 2021, figure 6)."""

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from msseg.report.contents import TrainedModel
from msseg.report.rows import Row, labels_of, words_of

SERIES_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito 2008: told apart with every kind of colour vision; networks beyond the sixth repeat them."""
INK, RULE, PAPER = "#1c2126", "#d5dade", "#fdfefc"
"""Text and axes, grid lines, background; the page's style sheet has the same pairs for light and dark."""
_DARK = {INK: "#e4e7ea", RULE: "#3a4149", PAPER: "#14181c", "#0072b2": "#4ba3dd", "#d55e00": "#f0793a"}
_PANEL_INCHES = (4.6, 2.7)
_LEGEND_LETTERS = 57  # that fit beside each other below a panel


def curves_figure(rows: Sequence[Row], channels: Sequence[str]) -> Figure:
    """Draw the loss (left) and the validation's scores (right), one line of panels per channel.

    Args:
        rows: All rows of the report, so that a network keeps its colour in every figure.
        channels: The channels to draw.
    """
    titles = scores_of(rows)
    figure, panels = new_figure(len(channels), 1 + len(titles))
    labels = labels_of(rows)
    for (loss, *scores), channel in zip(panels, channels, strict=True):
        for row in rows:
            if row.channel == channel:
                for fold in row.folds:
                    _draw_model(loss, scores, list(titles), fold.model, colour_of(row, labels))
        dress(loss, f"{channel}: loss" if len(channels) > 1 else "Loss", "epoch")
        loss.set_ylim(bottom=min(0.0, loss.get_ylim()[0]))
        for score, title in zip(scores, titles.values(), strict=True):
            dress(score, f"{channel}: validation {title}" if len(channels) > 1 else f"Validation {title}", "epoch")
            score.set_ylim(0, None if score.dataLim.y1 > 1 else 1)  # distances have no upper end
            if not score.lines:
                score.text(0.5, 0.5, "no validation", transform=score.transAxes, ha="center", va="center", color=INK)
        for axes in (loss, *scores):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
            axes.set_xlim(left=0)
    shown = [row for row in rows if row.channel in channels]
    handles = [Line2D([], [], color=INK, lw=1.5, label="training")]
    handles.append(Line2D([], [], color=INK, lw=1.5, ls=(0, (4, 2)), label="validation loss"))
    if any(fold.model.kept_epoch is not None for row in shown for fold in row.folds):
        handles.append(circle("kept model"))
    add_legend(figure, shown, labels, handles)
    return figure


def scores_of(rows: Sequence[Row]) -> Mapping[str, str]:
    """The validation's scores (column of the epoch table -> title) that any epoch has, or else the main one."""
    titles = words_of(rows).validation
    tables = [fold.model.epochs for row in rows for fold in row.folds]
    measured = {
        column: title
        for column, title in titles.items()
        if any(math.isfinite(value) for table in tables for value in table.get(column, ()))
    }
    return measured or dict([next(iter(titles.items()))])


def curves_svg(rows: Sequence[Row], channel: str) -> str:
    """One channel's curves as an SVG that follows the reader's light or dark setting."""
    return as_svg(curves_figure(rows, [channel]))


def as_svg(figure: Figure) -> str:
    """A figure of this report's colours as an SVG that follows the reader's light or dark setting."""
    text = io.StringIO()
    # The writer takes these from global settings alone; the context restores them.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "msseg"}):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    return _themed(text.getvalue())


def svg_uri(svg: str) -> str:
    """An SVG as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def new_figure(lines: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with its panels; panels of a line share the x axis."""
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(columns * width, height * lines + 0.45), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False, sharex="row")
    return figure, [list(line) for line in panels]


def colour_of(row: Row, labels: Sequence[str]) -> str:
    """The colour of the row's network in all figures."""
    return SERIES_COLOURS[labels.index(row.label) % len(SERIES_COLOURS)]


def circle(label: str) -> Line2D:
    """Entry of a legend for a point of note."""
    return Line2D([], [], ls="", marker="o", mfc=PAPER, mec=INK, mew=1.5, ms=6, label=label)


def has_curves(rows: Sequence[Row], channel: str) -> bool:
    """Whether any model on the channel has epochs to draw."""
    return any(fold.model.epochs for row in rows if row.channel == channel for fold in row.folds)


def _draw_model(loss: Axes, scores: Sequence[Axes], columns: Sequence[str], model: TrainedModel, colour: str) -> None:
    _line(loss, model, "train_loss", colour, "-")
    _line(loss, model, "val_loss", colour, (0, (4, 2)))
    for score, column in zip(scores, columns, strict=True):
        _line(score, model, column, colour, "-", mark_kept=True)


def _line(
    axes: Axes,
    model: TrainedModel,
    column: str,
    colour: str,
    dashes: str | tuple[int, tuple[int, ...]],
    mark_kept: bool = False,
) -> None:
    """One column over the epochs that have a value (validation may run every few epochs only)."""
    numbers = zip(model.epochs.get("epoch", ()), model.epochs.get(column, ()), strict=False)
    points = [(epoch, value) for epoch, value in numbers if math.isfinite(value)]
    if not points:
        return
    marker = "o" if len(points) < 2 or points[-1][0] - points[0][0] > len(points) - 1 else ""
    epochs = [epoch + 1 for epoch, _ in points]  # people count epochs from 1
    axes.plot(epochs, [value for _, value in points], color=colour, ls=dashes, lw=1.5, marker=marker, ms=3)
    kept = dict(points).get(model.kept_epoch) if model.kept_epoch is not None else None
    if mark_kept and kept is not None and model.kept_epoch is not None:
        axes.plot(model.kept_epoch + 1, kept, "o", mfc=PAPER, mec=colour, mew=1.5, ms=6, clip_on=False)


def dress(axes: Axes, title: str, x_title: str) -> None:
    """Title, axes and grid as all figures have them."""
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold", parse_math=False)
    axes.set_xlabel(x_title, fontsize=9, color=INK)
    axes.set_facecolor(PAPER)
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def add_legend(figure: Figure, rows: Sequence[Row], labels: Sequence[str], further: Sequence[Line2D]) -> None:
    """Name the rows' networks below the panels, and then further lines."""
    present = [label for label in labels if any(row.label == label for row in rows)]
    handles = [
        Line2D([], [], color=SERIES_COLOURS[labels.index(label) % len(SERIES_COLOURS)], lw=2.5, label=label)
        for label in present
    ]
    handles += further
    letters = _LEGEND_LETTERS * figure.get_figwidth() / _PANEL_INCHES[0]
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(6, int(letters // (longest + 6))))
    legend = figure.legend(handles=handles, loc="outside lower left", ncols=columns, frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_color(INK)
        text.set_parse_math(False)


def _themed(svg: str) -> str:
    """Replace the colours by variables with a dark value, and the font list by the reader's own."""
    colours = dict.fromkeys((INK, RULE, PAPER, *SERIES_COLOURS))
    names = {colour: f"--c{place}" for place, colour in enumerate(colours)}
    for colour, name in names.items():
        svg = svg.replace(f": {colour}", f": var({name})")
    svg = re.sub(r"(font: [^;\"]*?\d+px) [^;\"]*", r"\1 system-ui, sans-serif", svg)
    light = "".join(f"{name}:{colour};" for colour, name in names.items())
    dark = "".join(f"{names[colour]}:{value};" for colour, value in _DARK.items())
    style = f"<style>svg{{{light}}}@media (prefers-color-scheme: dark){{svg{{{dark}}}}}</style>"
    return re.sub(r"(<svg [^>]*>)", lambda tag: tag.group(1) + style, svg, count=1)
