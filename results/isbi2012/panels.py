"""The figures of this folder."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1]))

from mistakes import Mistake, mistakes
from shared.figures import COLOURS, INK, count_on_log_axis, dress, new_figure, save_png, show
from shared.runs import Finished, Labels, image_of, probability_of, truth_of

from msseg.metrics.segments import label_segments
from msseg.report.contents import TestedCase
from msseg.report.overlays import MERGER, SEGMENT_MARKS, SPLIT, Mark, blend, segment_codes
from msseg.report.segment_errors import errors_of, matched, outlines, thickened

ZOOM = 104
"""Pixels of a detail's side."""
FIRST, SECOND = "#56b4e9", "#e69f00"
"""Outlines of the two neurites, or segments, of a mistake."""
LEAST_V_RAND = 0.7
"""Where the curves' panel begins: after the first epochs all are above."""


def networks_figure(runs: Mapping[str, Finished], case: str, path: Path) -> None:
    """Image, truth, and each network's probability and segments of one test slice (Kim 2019, figure 4.2)."""
    first = next(iter(runs.values()))
    tested = _tested(first, case)
    truth = truth_of(tested, first.run)
    figure = new_figure(2.7 * (1 + len(runs)), 6.1)
    above, below = figure.subplots(2, 1 + len(runs), squeeze=False)
    show(above[0], image_of(tested), f"Image ({_title(case)})")
    show(below[0], _painted(segment_codes(truth)), "Truth")
    for column, (title, run) in enumerate(runs.items(), start=1):
        probability = probability_of(_tested(run, case))
        segments = segments_of(run, probability)
        show(above[column], np.rint(255 * probability).astype(np.uint8), title)
        mergers, splits = errors_of(segments, truth)
        lines: list[tuple[NDArray[np.bool_], Mark]] = [(thickened(splits, 2), SPLIT), (thickened(mergers, 2), MERGER)]
        picture = _painted(segment_codes(matched(segments, truth), lines))
        show(
            below[column],
            picture,
            below=f"V_rand {score_of(run, case):.3f}, V_info {score_of(run, case, 'v_info'):.3f}",
        )
    handles = [
        Patch(facecolor=MERGER.colour, label="merger: a membrane that the network misses"),
        Patch(facecolor=SPLIT.colour, label="split: a membrane that is none"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    save_png(figure, path)


def curves_figure(runs: Mapping[str, Finished], path: Path) -> None:
    """Losses, and the validation's V_rand, over the training steps."""
    figure = new_figure(10, 3.6)
    loss, score = figure.subplots(1, 2)
    for (title, run), colour in zip(runs.items(), COLOURS, strict=False):
        loss.plot(*run.curve("train_loss"), color=colour, lw=1.5)
        loss.plot(*run.curve("val_loss"), color=colour, lw=1.2, ls=(0, (4, 2)), marker="o", ms=2.5)
        steps, values = run.curve("val_v_rand")
        score.plot(steps, values, color=colour, lw=1.5, marker="o", ms=3, label=title)
        if run.kept_steps in steps:
            score.plot(run.kept_steps, values[steps.index(run.kept_steps)], "o", mfc="white", mec=colour, ms=7)
    dress(loss, "Loss (weighted cross entropy)")
    dress(score, "V_rand of the validation slices")
    for axes in (loss, score):
        count_on_log_axis(axes)
    loss.set_ylim(bottom=0)
    score.set_ylim(LEAST_V_RAND, 1)
    handles = [
        *score.get_legend_handles_labels()[0],
        Line2D([], [], color=INK, lw=1.5, label="training"),
        Line2D([], [], color=INK, lw=1.2, ls=(0, (4, 2)), label="validation"),
        Line2D([], [], ls="", marker="o", mfc="white", mec=INK, ms=7, label="kept"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=7, frameon=False, fontsize=9)
    save_png(figure, path)


def errors_figure(run: Finished, title: str, case: str, path: Path, details: int = 4) -> list[Mistake]:
    """A test slice with its mergers and splits, and the costliest of them in detail.

    Returns:
        All mistakes of the slice, the costliest first.
    """
    tested = _tested(run, case)
    image, truth, probability = image_of(tested), truth_of(tested, run.run), probability_of(tested)
    segments = segments_of(run, probability)
    found = mistakes(segments, truth, probability)
    figure = new_figure(12.4, 6.0)
    grid = figure.add_gridspec(3, 3 + details, width_ratios=[1.15] * 3 + [1] * details)
    whole = figure.add_subplot(grid[:, :3])
    mergers, splits = errors_of(segments, truth)
    codes = segment_codes(np.zeros_like(truth), [(thickened(splits, 1), SPLIT), (thickened(mergers, 1), MERGER)])
    show(whole, blend(image, codes, SEGMENT_MARKS))
    whole.set_title(f"{title}, {_title(case)}: V_rand {score_of(run, case):.3f}", loc="left", fontsize=10, color=INK)
    for column, mistake in enumerate(found[:details], start=3):
        panels = [figure.add_subplot(grid[row, column]) for row in range(3)]
        _detail(panels, whole, column - 2, mistake, image, truth, probability)
    handles = [
        Patch(facecolor=MERGER.colour, label="merger"),
        Patch(facecolor=SPLIT.colour, label="split"),
        Patch(facecolor=FIRST, label="one and"),
        Patch(facecolor=SECOND, label="the other of the two that are joined, or cut"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False, fontsize=9)
    save_png(figure, path, colours=64)
    return found


def segments_of(run: Finished, probability: NDArray[np.float32]) -> Labels:
    """The segments that V_rand is about: at the threshold where the test stack is best."""
    return label_segments(probability > run.scores["v_rand_threshold"])


def score_of(run: Finished, case: str, name: str = "v_rand") -> float:
    """A score of a test slice."""
    assert run.model.evaluation is not None
    return next(scores.values[name] for scores in run.model.evaluation.cases if scores.case == case)


def _detail(
    panels: Sequence[Axes],
    whole: Axes,
    number: int,
    mistake: Mistake,
    image: NDArray[np.uint8],
    truth: Labels,
    probability: NDArray[np.float32],
) -> None:
    """Image, the two objects of a mistake in it, and the probability, around the place of the mistake."""
    top, left = (
        int(np.clip(middle - ZOOM // 2, 0, size - ZOOM))
        for middle, size in zip(mistake.place, truth.shape, strict=True)
    )
    part = np.s_[top : top + ZOOM, left : left + ZOOM]
    whole.add_patch(Rectangle((left, top), ZOOM, ZOOM, fill=False, ec="white", lw=1.2))
    whole.text(left + 4, top + 4, str(number), color="white", fontsize=11, fontweight="bold", va="top")
    marks = (Mark("", FIRST, "", 1.0), Mark("", SECOND, "", 1.0))
    codes = np.zeros(truth.shape, dtype=np.uint8)
    for code, mask in enumerate((mistake.first, mistake.second), start=1):
        codes[thickened(outlines(mask.astype(np.int32)), 0)] = code
    show(panels[0], image[part], f"{number}: {mistake.kind}")
    show(panels[1], blend(image, codes, marks)[part])
    below = f"{100 * mistake.cost:.2g} % of the pairs"
    show(panels[2], np.rint(255 * probability[part]).astype(np.uint8), below=below)


def _tested(run: Finished, case: str) -> TestedCase:
    return next(tested for tested in run.model.cases if tested.case == case)


def _painted(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Segments in plain colours on black."""
    marks = [Mark(mark.title, mark.colour, mark.meaning, 1.0) for mark in SEGMENT_MARKS]
    return blend(np.zeros(codes.shape, dtype=np.uint8), codes, marks)


def _title(case: str) -> str:
    """'train_025' -> 'slice 25'."""
    return f"slice {int(case.rsplit('_', 1)[1])}"
