"""The report's pictures as PNG files, for papers and pages of one's own."""

import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from PIL import Image

from msseg.report.collect import collect_runs
from msseg.report.curves import curves_figure, has_curves
from msseg.report.drawings import Drawing, Panel, PanelLine, draw
from msseg.report.overlays import blend
from msseg.report.pictures import CasePicture, case_pictures
from msseg.report.rows import Row, build_rows, channels_of
from msseg.report.thresholds import has_thresholds, thresholds_figure

_PANEL_INCHES, _FINE_PANEL_INCHES = 2.3, 3.2
_DPI = 110


def write_figures(runs: Sequence[Path], folder: Path) -> list[Path]:
    """Write `curves.png`, for slices `thresholds.png`, and for each test case `overlay_<case>.png`.

    Args:
        runs: Run folders, as for `msseg.report.page.make_report`.
        folder: Where the files go; created where it is not there.

    Returns:
        The files written: curves, then the cases, lowest main score first.

    Raises:
        InputError: A path is no run folder, or a file of a test case cannot be used.
    """
    rows = build_rows(collect_runs(runs))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if any(has_curves(rows, channel) for channel in channels_of(rows)):
        written.append(folder / "curves.png")
        save_curves(rows, written[-1])
    if any(has_thresholds(rows, channel) for channel in channels_of(rows)):
        written.append(folder / "thresholds.png")
        save_thresholds(rows, written[-1])
    for picture in case_pictures(rows):
        written.append(_free(folder, f"overlay_{re.sub(r'[^A-Za-z0-9._-]', '_', picture.case)}", written))
        save_overlay(picture, written[-1])
    return written


def _free(folder: Path, stem: str, taken: Sequence[Path]) -> Path:
    """A name that no other case has: `a/b` and `a_b` may stand in one run."""
    numbered = (folder / f"{stem}{f'_{number}' if number > 1 else ''}.png" for number in count(1))
    return next(path for path in numbered if path not in taken)


def save_curves(rows: Sequence[Row], path: Path) -> None:
    """Write the training curves of all channels that have any as one PNG."""
    _save(curves_figure(rows, [channel for channel in channels_of(rows) if has_curves(rows, channel)]), path)


def save_thresholds(rows: Sequence[Row], path: Path) -> None:
    """Write the scores against the threshold of all channels that have any as one PNG."""
    _save(thresholds_figure(rows, [channel for channel in channels_of(rows) if has_thresholds(rows, channel)]), path)


def save_overlay(picture: CasePicture, path: Path) -> None:
    """Write one test case as a PNG: channels downwards; image, truth and networks across.

    Raises:
        InputError: A file of the case cannot be used.
    """
    drawing = draw(picture)
    _save(overlay_figure(picture, drawing), path, many_colours=drawing.is_fine)


def overlay_figure(picture: CasePicture, drawing: Drawing) -> Figure:
    """Draw one test case."""
    lines, columns = len(drawing.lines), len(drawing.lines[0].panels)
    height, width = drawing.size
    panel_width = _FINE_PANEL_INCHES if drawing.is_fine else _PANEL_INCHES
    size = (columns * panel_width + 0.3, lines * (panel_width * height / width + 0.25) + 0.8)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08), facecolor="white")
    FigureCanvasAgg(figure)
    panels: list[list[Axes]] = [list(line) for line in figure.subplots(lines, columns, squeeze=False)]
    for axes_of_line, line in zip(panels, drawing.lines, strict=True):
        for axes, panel in zip(axes_of_line, line.panels, strict=True):
            _draw_panel(axes, panel, line, drawing)
        if line.panels[0] is not None:
            axes_of_line[0].set_ylabel(line.name, fontsize=10, fontweight="bold", parse_math=False)
    _draw_titles(panels, drawing)
    place = drawing.place.split(":")[0]
    title = f"{picture.case}, {place}" if place else picture.case
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    handles = [Patch(facecolor=mark.colour, edgecolor="0.6", lw=0.5, label=mark.title) for mark in drawing.legend]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=9)
    return figure


def _draw_titles(panels: Sequence[Sequence[Axes]], drawing: Drawing) -> None:
    """The titles of a column once, unless they differ from line to line."""
    before: list[str] = []
    for axes_of_line, line in zip(panels, drawing.lines, strict=True):
        titles = [_title(panel, drawing) for panel in line.panels]
        for place, (axes, title) in enumerate(zip(axes_of_line, titles, strict=True)):
            if not before or before[place] != title:
                axes.set_title(title, fontsize=10, parse_math=False)
        before = titles


def _title(panel: Panel | None, drawing: Drawing) -> str:
    """A slice's own score stands in its title; that of a volume below the slice that is shown of it."""
    if panel is None:
        return ""
    return f"{panel.title}, {panel.score}" if drawing.is_fine and panel.score else panel.title


def _draw_panel(axes: Axes, panel: Panel | None, line: PanelLine, drawing: Drawing) -> None:
    if panel is None or panel.absent:
        axes.set_axis_off()
        return
    grey = line.grey if panel.grey is None else panel.grey
    codes = panel.codes
    if grey is None:
        shape = codes.shape if codes is not None else (1, 1)
        grey = np.zeros(shape, dtype=np.uint8)
    if codes is None:
        codes = np.zeros(grey.shape, dtype=np.uint8)
    height, width = drawing.size
    # Voxels larger than the picture's pixels are squares; smaller ones are averaged, else thin lines would break.
    smooth = "antialiased" if drawing.is_fine else "nearest"
    axes.imshow(blend(grey, codes, panel.marks), extent=(0, width, height, 0), interpolation=smooth)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if panel.score and not drawing.is_fine:
        axes.set_xlabel(f"{panel.score} (whole case)", fontsize=9)
    if drawing.sides_known:
        for side, place, alignment in (("R", 0.02, "left"), ("L", 0.98, "right")):
            axes.text(place, 0.98, side, color="white", fontsize=9, ha=alignment, va="top", transform=axes.transAxes)


def _save(figure: Figure, path: Path, many_colours: bool = False) -> None:
    """Write a PNG of 256 colours: a third of the size, and grey slices and five flat colours need no more.

    Few colours are taken by largest coverage, since the usual median cut merges rare ones: a legend's orange became
    yellow where a case has no false positive. Coverage in turn tints the greys where segments have many colours.
    """
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(_DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    method = Image.Quantize.MEDIANCUT if many_colours else Image.Quantize.MAXCOVERAGE
    picture.quantize(256, method=method, dither=Image.Dither.NONE).save(path, optimize=True)
