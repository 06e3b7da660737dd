"""The report's pictures as PNG files, for papers and pages of one's own."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from msseg.report.collect import collect_runs
from msseg.report.curves import curves_figure, has_curves
from msseg.report.overlays import OUTCOMES, TRUTH, Mark, blend, outcome_map
from msseg.report.pictures import CasePicture, background_of, case_pictures
from msseg.report.rows import Row, build_rows, channels_of
from msseg.report.slices import CaseSlice, Grey

_PANEL_INCHES = 2.3
_DPI = 110


def write_figures(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write `curves.png` and, for each test case, `overlay_<case>.png`.

    Args:
        runs: Run folders, as for `msseg.report.page.make_report`.
        folder: Where the files go; created where it is not there.

    Returns:
        The files written: curves, then the cases, lowest DSC first.

    Raises:
        InputError: A path is no run folder, or a file of a test case cannot be used.
    """
    rows = build_rows(collect_runs(runs))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if any(has_curves(rows, channel) for channel in channels_of(rows)):
        written.append(folder / "curves.png")
        save_curves(rows, written[-1])
    for picture in case_pictures(rows):
        written.append(folder / f"overlay_{re.sub(r'[^A-Za-z0-9._-]', '_', picture.case)}.png")
        save_overlay(picture, written[-1])
    return written


def save_curves(rows: Sequence[Row], path: Path) -> None:
    """Write the training curves of all channels that have any as one PNG."""
    _save(curves_figure(rows, [channel for channel in channels_of(rows) if has_curves(rows, channel)]), path)


def save_overlay(picture: CasePicture, path: Path) -> None:
    """Write one test case as a PNG: channels downwards; image, expert's mask and networks across.

    Raises:
        InputError: A file of the case cannot be used.
    """
    _save(overlay_figure(picture, picture.read()), path)


def overlay_figure(picture: CasePicture, shown: CaseSlice) -> Figure:
    """Draw one test case."""
    lines, columns = len(picture.channels), 2 + len(picture.labels)
    height_mm, width_mm = shown.size_mm
    panel_height = _PANEL_INCHES * height_mm / width_mm
    size = (columns * _PANEL_INCHES + 0.3, lines * (panel_height + 0.25) + 0.8)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08), facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes_of_line, channel in zip(panels, picture.channels, strict=True):
        _draw_line(axes_of_line, channel, picture, shown)
        axes_of_line[0].set_ylabel(channel, fontsize=10, fontweight="bold", parse_math=False)
    for axes, title in zip(panels[0], ("Image", "Expert", *picture.labels), strict=True):
        axes.set_title(title, fontsize=10, parse_math=False)
    first, last = shown.number
    title = f"{picture.case}, axial slice {first} of {last}, z = {shown.z_mm:.1f} mm"
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    handles = [Patch(facecolor=mark.colour, label=mark.title) for mark in (TRUTH, *OUTCOMES)]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_line(axes_of_line: Sequence[Axes], channel: str, picture: CasePicture, shown: CaseSlice) -> None:
    grey = shown.images.get(background_of(channel))
    if grey is None:
        grey = np.zeros(shown.truth.shape, dtype=np.uint8)
    empty = np.zeros(shown.truth.shape, dtype=np.uint8)
    _panel(axes_of_line[0], grey, empty, (), shown)
    _panel(axes_of_line[1], grey, shown.truth.astype(np.uint8), (TRUTH,), shown)
    for axes, label in zip(axes_of_line[2:], picture.labels, strict=True):
        mask = shown.predictions.get((label, channel))
        if mask is None:
            axes.set_axis_off()
            continue
        _panel(axes, grey, outcome_map(mask, shown.truth), OUTCOMES, shown)
        if (label, channel) in picture.dsc:
            axes.set_xlabel(f"DSC {picture.dsc[label, channel]:.3f} (whole case)", fontsize=9)


def _panel(axes: Axes, grey: Grey, codes: NDArray[np.uint8], marks: tuple[Mark, ...], shown: CaseSlice) -> None:
    height_mm, width_mm = shown.size_mm
    axes.imshow(blend(grey, codes, marks), extent=(0, width_mm, height_mm, 0), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if shown.sides_known:
        for side, place, alignment in (("R", 0.02, "left"), ("L", 0.98, "right")):
            axes.text(place, 0.98, side, color="white", fontsize=9, ha=alignment, va="top", transform=axes.transAxes)


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG of 256 colours: a third of the size, and grey slices and five flat colours need no more.

    By largest coverage, since the usual median cut merges rare colours: a legend's orange became yellow where a case
    has no false positive.
    """
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(_DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
