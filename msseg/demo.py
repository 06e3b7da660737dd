"""The whole job on phantom brains: two networks, four MRI channels, one report."""

import csv
import json
import time
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.errors import InputError
from msseg.experiment import run_experiment
from msseg.inference.progress import say
from msseg.report.page import make_report

NETWORKS = ("unet3d", "residual_unet3d")
PATIENTS, SESSIONS, SPACING_MM = 6, 2, 2.0


def run_demo(out: Path, console: Console) -> Path:
    """Write a cohort, run both demo experiments on it, and report; what is finished in `out` is not repeated.

    Args:
        out: Folder for `data`, one run folder for each network, and `report.html`.
        console: Where progress and results are printed.

    Returns:
        The report's path.

    Raises:
        InputError: The folder cannot be written, or the phantom's template (extra `demo`) is not installed.
    """
    begun = time.perf_counter()
    data = out / "data"
    if not data.exists():
        say(console, f"drawing {PATIENTS} phantom patients with {SESSIONS} sessions each: {data}")
        _write_cohort(data)
    runs = []
    for network in NETWORKS:
        runs.append(out / network)
        console.rule(f"{network}: trained on FLAIR, MPRAGE, T2W and PDW in turn")
        folders = {"data.root": data, "data.cache": out / "cache"}
        overrides = [f"{key}={json.dumps(str(folder))}" for key, folder in folders.items()]
        config = load_config(config_folder() / "demo" / f"{network}.yaml", overrides)
        run_experiment(config, runs[-1], console, resume=(runs[-1] / "config.yaml").exists())
    report = out / "report.html"
    make_report(runs, report)
    console.rule(f"done in {time.perf_counter() - begun:.0f} s")
    console.print(_scores(out / "tables" / "summary.csv"))
    say(console, f"open {report} in a browser for pictures and curves")
    return report


def _scores(summary: Path) -> Table:
    """Mean scores of each network on each channel."""
    table = Table("network", "channel", "cases", "DSC", "IoU", box=box.SIMPLE, title="mean over the test cases")
    with summary.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            dsc, iou = (f"{float(row[f'{key}_mean']):.3f}" for key in ("dsc", "iou"))
            table.add_row(row["network"], row["channel"], row["n"], dsc, iou)
    return table


def _write_cohort(folder: Path) -> None:
    try:
        from msseg.volumes.phantom.cohort import write_cohort
    except ModuleNotFoundError as error:
        raise InputError(f"the demo needs the package {error.name}: pip install 'msseg[demo]'") from error
    write_cohort(folder, PATIENTS, SESSIONS, SPACING_MM)
