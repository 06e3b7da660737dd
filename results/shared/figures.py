"""Figures of the results folders: one look, and small files."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray
from PIL import Image

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d31")
"""Okabe and Ito 2008, and one more."""
INK, RULE = "#1c2126", "#d5dade"
DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """An empty figure; inches."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.06), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, title: str, along: str = "training steps") -> None:
    """Title and grid of a panel of curves."""
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
    axes.set_xlabel(along, fontsize=9, color=INK)
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def count_on_log_axis(axes: Axes) -> None:
    """Training steps on a logarithmic axis, written as numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())


def show(axes: Axes, picture: NDArray[Any], title: str = "", below: str = "") -> None:
    """A picture without ticks; grey (H, W) from 0 to 255 or colours (H, W, 3)."""
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_xlabel(below, fontsize=9, color=INK)


def save_png(figure: Figure, path: Path, colours: int = 128) -> None:
    """A PNG of few colours, a third of the size of one of all."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
