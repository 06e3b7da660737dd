"""The demo's way from phantom data to the table, with small brains and tiny networks."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

import msseg.demo as demo
from msseg.config.experiment import ExperimentConfig
from msseg.config.load import load_config
from msseg.errors import InputError


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch, small_cohort: Path, tiny: tuple[str, ...]) -> None:
    def tiny_config(path: Path, overrides: list[str]) -> ExperimentConfig:
        return load_config(path, [*overrides, *tiny, "data.channels=[FLAIR, T2W]"])

    monkeypatch.setattr(demo, "load_config", tiny_config)
    monkeypatch.setattr(demo, "_write_cohort", lambda folder: shutil.copytree(small_cohort, folder))


def test_it_ends_in_a_table_and_a_report(small_demo: None, tmp_path: Path) -> None:
    text = io.StringIO()
    report = demo.run_demo(tmp_path / "demo", Console(file=text, width=100))
    assert report == tmp_path / "demo" / "report.html"
    with (tmp_path / "demo" / "tables" / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == ["FLAIR", "T2W"] * len(demo.NETWORKS)
    lines = [line.split() for line in text.getvalue().splitlines()]
    for row in rows:
        shown = [row["n"], f"{float(row['dsc_mean']):.3f}", f"{float(row['iou_mean']):.3f}"]
        assert [*row["network"].split(), row["channel"], *shown] in lines
    for network in demo.NETWORKS:
        assert sorted(path.name for path in (tmp_path / "demo" / network).iterdir() if path.is_dir()) == [
            "FLAIR", "T2W", "tables"
        ]  # fmt: skip
    assert f"open {report} in a browser" in text.getvalue()


def test_a_second_demo_repeats_nothing(small_demo: None, tmp_path: Path) -> None:
    demo.run_demo(tmp_path / "demo", Console(file=io.StringIO()))
    text = io.StringIO()
    demo.run_demo(tmp_path / "demo", Console(file=text))
    assert text.getvalue().count("already trained") == 4
    assert "epoch" not in text.getvalue()


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "nilearn", None)
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match="demo"):
        demo.run_demo(tmp_path / "demo", Console(file=io.StringIO()))
    assert not (tmp_path / "demo" / "data").exists()
