"""Gathers table and figures of the runs on DIC-HeLa into this folder, and puts the tables into its README.

    python results/dic_hela/collect.py runs/dic_hela

RUNS holds the run folders border_weighted_bce and bce that train.sh makes; what is not there yet is left out.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1]))

from matplotlib.patches import Patch
from shared.figures import COLOURS, dress, new_figure, save_png, show
from shared.runs import Finished, Labels, Values, image_of, instances_of, read_run, truth_of
from shared.tables import fill, machine, markdown, number, write_scores

from msseg.atomic import write_text
from msseg.evaluation.evaluation import Evaluation
from msseg.model import read_settings
from msseg.report.overlays import MERGER, OUTLINE, SEGMENT_MARKS, SPLIT, Mark, blend, segment_codes
from msseg.report.segment_errors import errors_of, matched, outlines, thickened
from msseg.runs import ModelRun

HERE = Path(__file__).resolve().parent
TITLES = {"border_weighted_bce": "border-weighted BCE", "bce": "BCE"}
PUBLISHED_SEG = 0.7756
"""U-Net, Cell Tracking Challenge 2015 (Ronneberger et al. 2015, table 2), on the challenge's own test sequences."""
PARTLY_DRAWN = ("01_067",)
"""Frames whose truth holds a few of the cells (3 of 17): SEG asks for those alone, but every other cell that is found
there would count as wrong in the scores of `OF_WHOLE_FRAMES`, which leave these frames out."""
OF_WHOLE_FRAMES = {"ap50": "AP at 0.5", "ap75": "AP at 0.75", "ap": "AP, mean", "dice": "DSC", "iou": "IoU"}


def main() -> None:
    """Read the runs that are there; write table, scores and figures; fill in the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the run folders")
    given = parser.parse_args()
    found = {name: read_run(given.runs / name) for name in TITLES}
    runs = {name: run for name, run in found.items() if run is not None and run.scores}
    if not runs:
        print("no run is scored yet")
        return
    losses = {name: values_of(run) for name, run in runs.items()}
    write_scores(HERE / "scores.json", {"machine": machine(), "losses": losses, "published_seg": PUBLISHED_SEG})
    cells_figure(runs, harder_frame(losses), HERE / "cells.png")
    curves_figure(runs, HERE / "curves.png")
    tables = {"table of scores": score_table(losses), "table of frames": frame_table(losses), "machine": machine()}
    write_text(HERE / "table.md", "\n\n".join(tables.values()) + "\n")
    for mark, table in tables.items():
        fill(HERE / "README.md", mark, table)


def values_of(run: Finished) -> Values:
    """All that is kept of a run."""
    assert run.model.evaluation is not None
    inference = read_settings(ModelRun(run.model.folder).model).inference
    frames = {
        scores.case: {key: scores.values[key] for key in ("seg", "ap50", "objects_truth", "objects_prediction")}
        for scores in run.model.evaluation.cases
    }
    whole = [scores for scores in run.model.evaluation.cases if scores.case not in PARTLY_DRAWN]
    return {
        **Evaluation.from_cases(whole, task="cells").pooled,
        "seg": run.scores["seg"],
        **run.facts(),
        "segment_threshold": inference.segment_threshold,
        "frames": frames,
    }


def harder_frame(losses: Mapping[str, Values]) -> str:
    """Of the frames that are drawn as a whole the one with the lower mean SEG."""
    cases = [case for case in next(iter(losses.values()))["frames"] if case not in PARTLY_DRAWN]
    return min(cases, key=lambda case: statistics.mean(one["frames"][case]["seg"] for one in losses.values()))


def score_table(losses: Mapping[str, Values]) -> str:
    """SEG of all test frames, the other scores of those that are drawn as a whole, and what the training took."""
    heads = [
        "loss",
        "SEG",
        *OF_WHOLE_FRAMES.values(),
        "cells found (true)",
        "segments from",
        "steps",
        "kept after",
        "s a step",
    ]
    lines = []
    for name, values in losses.items():
        scores = (f"{values[key]:.3f}" for key in ("seg", *OF_WHOLE_FRAMES))
        cells = f"{values['objects_prediction']:.0f} ({values['objects_truth']:.0f})"
        steps = (number(values[key], 0) for key in ("steps", "kept_steps"))
        start = number(values["segment_threshold"], 2)
        lines.append([TITLES[name], *scores, cells, start, *steps, number(values["seconds_step"], 2)])
    return markdown(heads, lines)


def frame_table(losses: Mapping[str, Values]) -> str:
    """SEG of each test frame, and how many cells were found."""
    cases = list(next(iter(losses.values()))["frames"])
    heads = ["loss: SEG, cells found (true)", *(f"frame {int(case.rsplit('_', 1)[1])}" for case in cases)]
    lines = []
    for name, values in losses.items():
        frames = (values["frames"][case] for case in cases)
        cells = (f"{one['seg']:.3f}, {one['objects_prediction']:.0f} ({one['objects_truth']:.0f})" for one in frames)
        lines.append([TITLES[name], *cells])
    return markdown(heads, lines)


def cells_figure(runs: Mapping[str, Finished], case: str, path: Path) -> None:
    """Image, truth and each loss's segments of one test frame."""
    first = next(iter(runs.values()))
    tested = {name: next(one for one in run.model.cases if one.case == case) for name, run in runs.items()}
    image, truth = image_of(next(iter(tested.values()))), truth_of(next(iter(tested.values())), first.run)
    figure = new_figure(3.2 * (2 + len(runs)), 3.9)
    panels = figure.subplots(1, 2 + len(runs))
    show(panels[0], image, f"Image (frame {int(case.rsplit('_', 1)[1])})")
    show(panels[1], blend(image, segment_codes(truth), SEGMENT_MARKS), "Truth")
    for axes, (name, run) in zip(panels[2:], runs.items(), strict=True):
        assert run.model.evaluation is not None
        seg = next(scores.values["seg"] for scores in run.model.evaluation.cases if scores.case == case)
        codes = _with_errors(instances_of(tested[name]), truth)
        show(axes, blend(image, codes, SEGMENT_MARKS), TITLES[name], f"SEG {seg:.3f}")
    handles = [
        Patch(facecolor=MERGER.colour, label="merger: two cells in one segment"),
        Patch(facecolor=SPLIT.colour, label="split: a cell in two segments"),
        Patch(facecolor=OUTLINE.colour, edgecolor="black", label="the true cells' outlines"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    save_png(figure, path)


def _with_errors(segments: Labels, truth: Labels) -> NDArray[np.uint8]:
    """Segments in the colours of the cells that they are, the truth's outlines and the errors over them."""
    mergers, splits = errors_of(segments, truth)
    lines: list[tuple[NDArray[np.bool_], Mark]] = [
        (outlines(truth), OUTLINE),
        (thickened(splits, 2), SPLIT),
        (thickened(mergers, 2), MERGER),
    ]
    return segment_codes(matched(segments, truth), lines)


def curves_figure(runs: Mapping[str, Finished], path: Path) -> None:
    """SEG and DSC of the validation frames over the training steps."""
    figure = new_figure(9, 3)
    panels = figure.subplots(1, 2)
    for axes, column, title in zip(panels, ("val_seg", "val_dsc"), ("SEG", "DSC"), strict=True):
        for (name, run), colour in zip(runs.items(), COLOURS, strict=False):
            axes.plot(*run.curve(column), color=colour, lw=1.5, marker="o", ms=3, label=TITLES[name])
        dress(axes, f"{title} of the validation frames")
        axes.set_ylim(0, 1)
    panels[0].legend(frameon=False, fontsize=9, loc="lower right")
    save_png(figure, path)


if __name__ == "__main__":
    main()
