"""A forecast is measured, and what follows from it is arithmetic."""

import dataclasses
from pathlib import Path

import pytest

from msseg.cases.find import find_cases
from msseg.config.data import DataConfig
from msseg.config.experiment import ExperimentConfig
from msseg.config.load import load_config
from msseg.errors import InputError
from msseg.forecast import Forecast, forecast
from msseg.forecast_text import describe

ROOT = Path(__file__).resolve().parents[1]

FIGURES = Forecast(
    channels=("FLAIR",), models=2, device="cpu", precision="float32", threads=2, parameters=7, validation_cases=3,
    epochs=10, steps=40, seconds_step=2.0, seconds_drawing=3.0, workers=2, windows=12, copies=8, seconds_window=4.0,
    memory=3_200_000_000, cache=50_000_000, cases=20,
)  # fmt: skip


def config_of(root: Path, tiny: tuple[str, ...]) -> ExperimentConfig:
    overrides = (f'data.root="{root}"', 'data.channels=["FLAIR","FLAIR+T2W"]', *tiny)
    return load_config(ROOT / "configs" / "demo" / "residual_unet3d.yaml", list(overrides))


def test_an_epoch_is_its_steps_and_the_validation_without_averaging() -> None:
    assert FIGURES.seconds_prediction == 48
    assert FIGURES.seconds_epoch == 40 * 2 + 3 * 48 / 8


def test_an_epoch_waits_for_its_patches_where_few_workers_draw_them() -> None:
    assert dataclasses.replace(FIGURES, workers=1).seconds_epoch == 40 * 3 + 3 * 48 / 8
    assert dataclasses.replace(FIGURES, workers=0).seconds_epoch == 40 * 5 + 3 * 48 / 8


def test_the_lines_say_it_in_units_that_matter() -> None:
    text = "\n".join(describe(FIGURES))
    assert "memory: 3.2 GB" in text
    assert "all 10 epochs 16 min 20 s; the experiment trains 2 models" in text
    assert "48 s a case (12 windows of 4 s)" in text
    assert "1.00 GB of cache (50 MB for each of 20 cases)" in text


def test_one_step_and_one_window_are_measured(small_cohort: Path, tiny: tuple[str, ...]) -> None:
    config = config_of(small_cohort, tiny)
    measured = forecast(config, find_cases(config.data, small_cohort))
    assert (measured.channels, measured.models, measured.device) == (("FLAIR",), 2, "cpu")
    assert min(measured.seconds_step, measured.seconds_window, measured.seconds_drawing) > 0
    assert measured.steps == -(-(measured.cases - measured.validation_cases) // config.patches.batch_size)
    assert measured.cache > 20_000
    assert measured.windows > 1
    assert measured.memory is None or measured.memory > 1e7


def test_nothing_is_left_behind(
    small_cohort: Path, tiny: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = config_of(small_cohort, tiny)
    forecast(config, find_cases(config.data, small_cohort))
    assert list(tmp_path.iterdir()) == []


def test_without_a_label_there_is_no_forecast(small_cohort: Path, tiny: tuple[str, ...]) -> None:
    config = config_of(small_cohort, tiny)
    data = DataConfig(layout="isbi2015", channels=("FLAIR",))
    cases = [dataclasses.replace(case, label=None) for case in find_cases(data, small_cohort)]
    with pytest.raises(InputError, match="no case has all channels and a label"):
        forecast(config, cases)
