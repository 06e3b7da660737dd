"""The whole job on generated data, phantom brains with lesions or phantom sections of neurites: one report."""

import csv
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.evaluation.evaluation import Evaluation
from msseg.experiment import run_experiment
from msseg.inference.progress import say
from msseg.report.page import make_report
from msseg.report.wording import network_title
from msseg.volumes.phantom.cohort import write_cohort
from msseg.volumes.phantom.em_stack import write_em_stack

DemoName = Literal["ms", "em"]

PATIENTS, SESSIONS, SPACING_MM = 6, 2, 2.0
SLICES, SLICE_SIZE = 20, 256


@dataclass(frozen=True)
class Demo:
    """What is shown of one task.

    Attributes:
        networks: Names of the run folders.
        configs: Experiment file of a network, in `configs/demo`.
        title: What the networks learn.
        drawing: What the data set is.
        draw: Write the data set into a folder.
        drawn_last: The file of the data set that is there last; empty where the folder is whole or absent.
        scores: The table to end with, from the demo's folder.
        folder: Subfolder of the demo's folder; empty: that folder itself.
    """

    networks: tuple[str, ...]
    configs: str
    title: str
    drawing: str
    draw: Callable[[Path], None]
    drawn_last: str
    scores: Callable[[Path], Table]
    folder: str


def run_demo(out: Path, console: Console, task: DemoName = "ms") -> Path:
    """Write a data set, run both demo experiments on it, and report; what is finished in `out` is not repeated.

    Args:
        out: Folder for `data`, one run folder for each network, and `report.html`; those of task em are in its
            subfolder `em`.
        console: Where progress and results are printed.
        task: `ms`, lesions on four MRI channels; `em`, neurites between membranes in serial sections.

    Returns:
        The report's path.

    Raises:
        InputError: The folder cannot be written, or the brain phantom's template (extra `demo`) is not installed.
    """
    begun = time.perf_counter()
    demo = DEMOS[task]
    out = out / demo.folder
    data = out / "data"
    if not (data / demo.drawn_last).exists():
        say(console, f"drawing {demo.drawing}: {data}")
        demo.draw(data)
    runs = []
    for network in demo.networks:
        runs.append(out / network)
        console.rule(f"{network}: {demo.title}")
        folders = {"data.root": data, "data.cache": out / "cache"}
        overrides = [f"{key}={json.dumps(str(folder))}" for key, folder in folders.items()]
        config = load_config(config_folder() / "demo" / demo.configs.format(network), overrides)
        run_experiment(config, runs[-1], console, resume=(runs[-1] / "config.yaml").exists())
    report = out / "report.html"
    make_report(runs, report)
    console.rule(f"done in {time.perf_counter() - begun:.0f} s")
    console.print(demo.scores(out))
    say(console, f"open {report} in a browser for pictures and curves")
    return report


def _lesion_scores(out: Path) -> Table:
    """Mean scores of each network on each channel."""
    table = Table("network", "channel", "cases", "DSC", "IoU", box=box.SIMPLE, title="mean over the test cases")
    with (out / "tables" / "summary.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            dsc, iou = (f"{float(row[f'{key}_mean']):.3f}" for key in ("dsc", "iou"))
            table.add_row(row["network"], row["channel"], row["n"], dsc, iou)
    return table


def _neurite_scores(out: Path) -> Table:
    """Scores of each network on the stack of test slices."""
    table = Table("network", "slices", "V_rand", "V_info", "DSC", box=box.SIMPLE, title="on the test slices")
    for network in DEMOS["em"].networks:
        evaluation = Evaluation.from_json(out / network / "EM" / "evaluation.json")
        numbers = (f"{evaluation.pooled[key]:.3f}" for key in ("v_rand", "v_info", "dice"))
        table.add_row(network_title(network), str(len(evaluation.cases)), *numbers)
    return table


def _write_cohort(folder: Path) -> None:
    write_cohort(folder, PATIENTS, SESSIONS, SPACING_MM)


def _write_sections(folder: Path) -> None:
    write_em_stack(folder, SLICES, SLICE_SIZE)


DEMOS: dict[DemoName, Demo] = {
    "ms": Demo(
        networks=("unet3d", "residual_unet3d"),
        configs="{}.yaml",
        title="trained on FLAIR, MPRAGE, T2W and PDW in turn",
        drawing=f"{PATIENTS} phantom patients with {SESSIONS} sessions each",
        draw=_write_cohort,
        drawn_last="",
        scores=_lesion_scores,
        folder="",
    ),
    "em": Demo(
        networks=("unet2d", "sf_network"),
        configs="em_{}.yaml",
        title="trained to tell the inside of neurites from membranes",
        drawing=f"{SLICES} phantom sections of {SLICE_SIZE} x {SLICE_SIZE} pixels",
        draw=_write_sections,
        drawn_last="phantom-labels.tif",
        scores=_neurite_scores,
        folder="em",
    ),
}
