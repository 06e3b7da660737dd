"""The demo's way from generated data to the table, with small data and tiny networks."""

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from rich.console import Console

import msseg.demo as demo
from msseg.cases.find import find_cases
from msseg.cases.splits import make_split
from msseg.config.experiment import ExperimentConfig
from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.config.training import TrainingConfig
from msseg.errors import InputError
from msseg.evaluation.evaluation import Evaluation
from msseg.report.wording import network_title
from msseg.volumes.phantom.em_stack import write_em_stack

SMALL_SLICES = (
    "patches.size=[32,32,1]",
    "split.train=1-3",
    "split.validation=4",
    "split.test=5-6",
    "training.validate_every=1",
    "schedule.warmup_epochs=0",
)
"""Settings with which slices of 96 x 96 pixels take a second; they follow those of `tiny`."""


@dataclass(frozen=True)
class Shown:
    """A demo that was run twice in one folder: what it printed each time, and when its data were written."""

    out: Path
    report: Path
    first: str
    second: str
    drawn: tuple[float, float]

    def lines(self) -> list[list[str]]:
        """The words of each line of the first run."""
        return [line.split() for line in self.first.splitlines()]


def show_twice(out: Path, task: demo.DemoName, draw: Callable[[Path], None], *overrides: str) -> Shown:
    """Run a demo twice with small data, its settings overridden."""

    def small_config(path: Path, folders: list[str]) -> ExperimentConfig:
        return load_config(path, [*folders, *overrides])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "load_config", small_config)
        patch.setitem(demo.DEMOS, task, replace(demo.DEMOS[task], draw=draw))
        report, first = run(out, task)
        drawn = last_change(report.parent / "data")
        _, second = run(out, task)
    return Shown(out, report, first, second, (drawn, last_change(report.parent / "data")))


def run(out: Path, task: demo.DemoName) -> tuple[Path, str]:
    """The report of a demo, and what it printed."""
    text = io.StringIO()
    return demo.run_demo(out, Console(file=text, width=100), task), text.getvalue()


def last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.rglob("*"))


def folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir())


# ------------------------------------------------------------------------------------------ lesions


@pytest.fixture(scope="module")
def lesions(small_cohort: Path, tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Shown:
    def copy_cohort(folder: Path) -> None:
        shutil.copytree(small_cohort, folder)

    return show_twice(tmp_path_factory.mktemp("ms"), "ms", copy_cohort, *tiny, "data.channels=[FLAIR, T2W]")


def test_lesions_end_in_a_table_and_a_report(lesions: Shown) -> None:
    assert lesions.report == lesions.out / "report.html"
    assert lesions.report.exists()
    with (lesions.out / "tables" / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    networks = demo.DEMOS["ms"].networks
    assert [row["channel"] for row in rows] == ["FLAIR", "T2W"] * len(networks)
    for row in rows:
        shown = [row["n"], f"{float(row['dsc_mean']):.3f}", f"{float(row['iou_mean']):.3f}"]
        assert [*row["network"].split(), row["channel"], *shown] in lesions.lines()
    for network in networks:
        assert folders(lesions.out / network) == ["FLAIR", "T2W", "tables"]
    assert f"open {lesions.report} in a browser" in lesions.first


def test_a_second_demo_of_lesions_repeats_nothing(lesions: Shown) -> None:
    assert lesions.second.count("already trained") == lesions.second.count("already evaluated") == 4
    assert "epoch" not in lesions.second
    assert lesions.drawn[0] == lesions.drawn[1]


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "nilearn", None)
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match="demo"):
        run(tmp_path / "demo", "ms")
    assert not (tmp_path / "demo" / "data").exists()


# ------------------------------------------------------------------------------------------ neurites


@pytest.fixture(scope="module")
def neurites(tiny: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Shown in a folder in which the other demo's data are already."""

    def draw_little(folder: Path) -> None:
        write_em_stack(folder, slices=6, size=96)

    out = tmp_path_factory.mktemp("em")
    (out / "data" / "training01").mkdir(parents=True)
    return show_twice(out, "em", draw_little, *tiny, *SMALL_SLICES)


def test_neurites_end_in_a_table_and_a_report(neurites: Shown) -> None:
    assert neurites.report == neurites.out / "em" / "report.html"
    assert neurites.report.exists()
    assert folders(neurites.report.parent) == ["cache", "data", "sf_network", "tables", "unet2d"]
    for network in ("unet2d", "sf_network"):
        folder = neurites.report.parent / network / "EM"
        pooled = Evaluation.from_json(folder / "evaluation.json").pooled
        scores = [f"{pooled[key]:.3f}" for key in ("v_rand", "v_info", "dice")]
        assert [*network_title(network).split(), "2", *scores] in neurites.lines()
        assert tifffile.imread(folder / "predictions" / "phantom_probability.tif").shape == (2, 96, 96)
    assert f"open {neurites.report} in a browser" in neurites.first


def test_a_second_demo_of_neurites_repeats_nothing(neurites: Shown) -> None:
    assert neurites.second.count("already trained") == neurites.second.count("already evaluated") == 2
    assert "epoch" not in neurites.second
    assert neurites.drawn[0] == neurites.drawn[1]


def test_the_other_demo_s_data_stay_as_they_are(neurites: Shown) -> None:
    assert folders(neurites.out) == ["data", "em"]
    assert [path.name for path in (neurites.out / "data").rglob("*")] == ["training01"]


def test_a_stack_that_was_not_drawn_to_the_end_is_drawn_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = tmp_path / "em" / "data"
    data.mkdir(parents=True)
    (data / "phantom-volume.tif").touch()

    def refuse(folder: Path) -> None:
        raise InputError(f"asked to draw {folder}")

    monkeypatch.setitem(demo.DEMOS, "em", replace(demo.DEMOS["em"], draw=refuse))
    with pytest.raises(InputError, match="asked to draw"):
        run(tmp_path, "em")


def test_the_stack_that_is_drawn_is_the_one_that_the_configs_split(tmp_path: Path) -> None:
    demo.DEMOS["em"].draw(tmp_path)
    assert (tmp_path / demo.DEMOS["em"].drawn_last).exists()
    for network in demo.DEMOS["em"].networks:
        config = load_config(config_folder() / "demo" / f"em_{network}.yaml", [f"data.root={tmp_path}"])
        split = make_split(find_cases(config.data, tmp_path), config.split)
        assert [len(part) for part in (split.train, split.validation, split.test)] == [13, 3, 4]


@pytest.mark.parametrize("name", demo.DEMOS["em"].networks)
def test_neurite_networks_differ_in_the_network_alone(name: str) -> None:
    """The table compares networks, so all else is equal."""
    configs = [load_config(config_folder() / "demo" / f"em_{each}.yaml", []) for each in (name, "unet2d")]
    same = [config.model_dump(exclude={"name", "network"}) for config in configs]
    assert same[0] == same[1]
    assert isinstance(configs[0].training, TrainingConfig)
    assert configs[0].training.select == "val_v_rand"


@pytest.mark.slow
def test_both_networks_learn_to_separate_neurites(tmp_path: Path) -> None:
    run(tmp_path / "demo", "em")
    scores = [
        Evaluation.from_json(tmp_path / "demo" / "em" / name / "EM" / "evaluation.json").pooled["v_rand"]
        for name in demo.DEMOS["em"].networks
    ]
    assert np.min(scores) > 0.85
