"""Gathers table and figure of the losses' runs into this folder, and puts the tables into its README.

    python results/losses/collect.py runs/losses --time

RUNS holds the run folders LOSS_SEED that train.sh makes; what is not there yet is left out. Without --time the
milliseconds of a loss stay as they were measured before.
"""

import argparse
import math
import re
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy import stats

sys.path.append(str(Path(__file__).resolve().parents[1]))

from shared.figures import COLOURS, INK, dress, new_figure, save_png
from shared.runs import Finished, Values, probability_of, read_run
from shared.tables import fill, machine, markdown, number, read_scores, write_scores

from msseg.atomic import write_text
from msseg.config.load import load_config
from msseg.losses.registry import build_loss

HERE = Path(__file__).resolve().parent
TITLES = {
    "bce": "BCE",
    "dice": "Dice",
    "bce_dice": "BCE + Dice",
    "focal": "focal",
    "iou": "IoU",
    "tversky": "Tversky",
    "weighted_bce": "weighted BCE",
    "bce_cldice": "BCE + clDice",
}
REFERENCE = "bce"
SCORES = {"v_rand": "V_rand", "v_info": "V_info", "dice": "V_dice", "jaccard": "Jaccard"}
PASSES = 7
LEAST_V_RAND = 0.6
"""Where the panel of the validation begins: only first epochs are below."""

Runs = Mapping[str, Mapping[int, Finished]]
"""Scored runs by loss and seed, best mean V_rand first."""


def main() -> None:
    """Read the runs that are there; write table, scores and figure; fill in the README."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of the run folders")
    parser.add_argument("--time", action="store_true", help="measure the milliseconds that a loss takes")
    given = parser.parse_args()
    runs = ranked(given.runs)
    if not runs:
        print("no run is scored yet")
        return
    earlier = read_scores(HERE / "scores.json")
    milliseconds = measured_milliseconds(runs) if given.time else earlier.get("milliseconds_loss", {})
    losses = {loss: {str(seed): values_of_run(run) for seed, run in seeds.items()} for loss, seeds in runs.items()}
    paired = {loss: {str(seed): value for seed, value in differences(runs, loss).items()} for loss in runs}
    content = {"machine": machine(), "losses": losses, "v_rand_minus_bce": paired, "milliseconds_loss": milliseconds}
    write_scores(HERE / "scores.json", content)
    figure_of(runs, HERE / "losses.png")
    tables = {
        "table of losses": ranking(runs, milliseconds),
        "table of differences": paired_table(runs),
        "machine": machine(),
    }
    write_text(HERE / "table.md", "\n\n".join(tables.values()) + "\n")
    for mark, table in tables.items():
        fill(HERE / "README.md", mark, table)


def ranked(folder: Path) -> Runs:
    """All scored runs of a folder."""
    found: dict[str, dict[int, Finished]] = {}
    for path in sorted(folder.iterdir()):
        named = re.fullmatch(r"(.+)_(\d+)", path.name)
        if named and named[1] in TITLES and (run := read_run(path)) is not None and run.scores:
            found.setdefault(named[1], {})[int(named[2])] = run
    return dict(sorted(found.items(), key=lambda entry: -statistics.mean(values_of(entry[1], "v_rand"))))


def values_of_run(run: Finished) -> Values:
    """All that is kept of a run."""
    return {
        **run.scores,
        "v_rand_at_0.5": run.v_rand_at(0.5),
        "lowest_probability": lowest_probability(run),
        **run.facts(),
        "v_rand_slices": of_slices(run),
    }


def lowest_probability(run: Finished) -> float:
    """The lowest probability of all pixels of the test slices: above 0.5, no mask that is cut there has a membrane."""
    return min(float(probability_of(case).min()) for case in run.model.cases)


def values_of(seeds: Mapping[int, Finished], score: str) -> list[float]:
    """A score of each seed."""
    return [run.scores[score] for run in seeds.values()]


def of_slices(run: Finished) -> list[float]:
    """V_rand of each test slice."""
    assert run.model.evaluation is not None
    return [scores.values["v_rand"] for scores in run.model.evaluation.cases]


def differences(runs: Runs, loss: str, other: str = REFERENCE) -> dict[int, float]:
    """V_rand of a loss minus that of another with the same seed: the same first weights, patches and order."""
    seeds = runs[loss].keys() & runs.get(other, {}).keys()
    return {seed: runs[loss][seed].scores["v_rand"] - runs[other][seed].scores["v_rand"] for seed in sorted(seeds)}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean by Student's t; three values make it 2.5 standard deviations wide on either side."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = float(stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values) - half, statistics.mean(values) + half


def measured_milliseconds(runs: Runs) -> dict[str, float]:
    """Processor milliseconds of each loss and its gradient for one patch on one thread: medians."""
    torch.set_num_threads(1)
    configs = {loss: load_config(next(iter(seeds.values())).run.folder / "config.yaml") for loss, seeds in runs.items()}
    losses = {loss: build_loss(config.loss) for loss, config in configs.items()}
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 1, 32, 32, generator=generator)
    logits = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")[..., None].requires_grad_()
    target = (logits.detach() + torch.randn(logits.shape, generator=generator) > 0).float()
    seconds: dict[str, list[float]] = {loss: [] for loss in losses}
    for _ in range(PASSES + 1):
        for name, loss in losses.items():
            start = time.process_time()
            loss(logits, target).backward()
            seconds[name].append(time.process_time() - start)
    return {name: 1000 * statistics.median(values[1:]) for name, values in seconds.items()}  # the first one warms up


def ranking(runs: Runs, milliseconds: Mapping[str, Any]) -> str:
    """Mean and range over the seeds, best V_rand first."""
    first, *others = SCORES.values()
    heads = [
        "loss",
        "seeds",
        first,
        "split",
        "merge",
        "at",
        "V_rand at 0.5",
        "lowest P",
        *others,
        "s a step in training",
        "ms of the loss",
    ]
    lines = []
    for loss, seeds in runs.items():
        main, *further = (_mean_and_range(values_of(seeds, score)) for score in SCORES)
        parts = (f"{statistics.mean(values_of(seeds, f'v_rand_{part}')):.3f}" for part in ("split", "merge"))
        at = " ".join(f"{threshold:g}" for threshold in values_of(seeds, "v_rand_threshold"))
        middle = f"{statistics.mean(run.v_rand_at(0.5) for run in seeds.values()):.3f}"
        lowest = f"{min(map(lowest_probability, seeds.values())):.2f}"
        step = statistics.median(run.seconds_per_step for run in seeds.values())
        times = number(step, 2), number(milliseconds.get(loss), 1)
        lines.append([TITLES[loss], str(len(seeds)), main, *parts, at, middle, lowest, *further, *times])
    return markdown(heads, lines)


def _mean_and_range(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.4f} ({min(values):.3f} to {max(values):.3f})"


def paired_table(runs: Runs) -> str:
    """Differences of V_rand to the reference by seed, and to the best loss."""
    seeds = sorted({seed for found in runs.values() for seed in found})
    best = next(iter(runs))
    name = TITLES[REFERENCE]
    heads = ["loss", *(f"seed {seed}: minus {name}" for seed in seeds), "mean", "95 % interval", "slices above"]
    lines = []
    for loss in runs:
        own, behind = differences(runs, loss), differences(runs, loss, best)
        each = (f"{own[seed]:+.4f}" if seed in own else "–" for seed in seeds)
        cells = [*each, _mean(own), _interval(own), _slices_above(runs, loss)] if loss != REFERENCE else None
        blank = ["–"] * (len(seeds) + 3)
        lines.append([TITLES[loss], *(cells or blank), _mean(behind) if loss != best else "–", _interval(behind)])
    return markdown([*heads, f"mean, minus {TITLES[best]}", "95 % interval"], lines)


def _mean(values: Mapping[int, float]) -> str:
    return f"{statistics.mean(values.values()):+.4f}" if values else "–"


def _interval(values: Mapping[int, float]) -> str:
    if len(values) < 2 or not any(values.values()):
        return "–"
    low, high = interval(list(values.values()))
    return f"{low:+.3f} to {high:+.3f}"


def _slices_above(runs: Runs, loss: str) -> str:
    """On how many slices, all seeds together, the loss scores above the reference."""
    seeds = runs[loss].keys() & runs.get(REFERENCE, {}).keys()
    pairs = [
        pair
        for seed in seeds
        for pair in zip(of_slices(runs[loss][seed]), of_slices(runs[REFERENCE][seed]), strict=True)
    ]
    return f"{sum(own > other for own, other in pairs)} of {len(pairs)}" if pairs else "–"


# ------------------------------------------------------------------------------------------------ figure
def figure_of(runs: Runs, path: Path) -> None:
    """Dots for the seeds' scores above, training curves (means over the seeds) below."""
    figure = new_figure(12.6, 7)
    above, below = figure.subplots(2, 3)
    colours = dict(zip(TITLES, COLOURS, strict=True))
    for axes, (score, title) in zip(above, SCORES.items(), strict=False):
        _dots(axes, runs, score, title, colours)
    for axes in above[1:]:
        axes.set_yticklabels([])
    curves = (
        ("train_loss", "Training loss, first epoch = 1"),
        ("val_v_rand", "Validation V_rand"),
        ("val_dsc", "Validation DSC"),
    )
    for axes, (column, title) in zip(below, curves, strict=True):
        for loss, seeds in runs.items():
            steps, values = _mean_curve(seeds, column)
            scale = values[0] if column == "train_loss" else 1.0
            axes.plot(steps, values / scale, color=colours[loss], lw=1.5, label=TITLES[loss])
        dress(axes, title)
    below[0].set_ylim(bottom=0)
    below[1].set_ylim(LEAST_V_RAND, 1)
    handles, labels = below[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=len(TITLES), frameon=False, fontsize=9)
    save_png(figure, path)


def _dots(axes: Axes, runs: Runs, score: str, title: str, colours: Mapping[str, str]) -> None:
    for place, (loss, seeds) in enumerate(runs.items()):
        values = values_of(seeds, score)
        axes.plot(values, [place] * len(values), "o", color=colours[loss], ms=6, alpha=0.8)
        axes.plot(statistics.mean(values), place, "|", color=INK, ms=16, mew=1.5)
    dress(axes, f"{title} of the test slices", along="a dot for each seed, a line for their mean")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yticks(range(len(runs)), [TITLES[loss] for loss in runs])
    axes.invert_yaxis()


def _mean_curve(seeds: Mapping[int, Finished], column: str) -> tuple[list[int], np.ndarray]:
    curves = [run.curve(column) for run in seeds.values()]
    return curves[0][0], np.mean([values for _, values in curves], axis=0)


if __name__ == "__main__":
    main()
