"""Windows of a model and a volume, in the memory there is."""

from dataclasses import dataclass

import numpy as np
import pytest

from msseg.config.inference import InferenceConfig
from msseg.config.network import ResidualUNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.config.trust import Trust, WayFigures
from msseg.inference import planning
from msseg.inference.planning import forecast_case, planned, seconds_per_voxel
from msseg.model import ModelSettings

HEAD = (132, 151, 121)


@dataclass
class Stub:
    """An engine that computes nothing, and remembers what it was given."""

    name: str = "torch"
    precision: str = "fp32"
    multiples: tuple[int, int, int] = (16, 16, 16)
    margin: int = 0
    on_cpu: bool = True

    def __post_init__(self):
        self.seen = []

    def __call__(self, windows):
        self.seen.append(windows.shape)
        return windows[:, :1]


def model(trusted=None, **inference):
    return ModelSettings(
        network=ResidualUNet3dConfig(),
        channels=("FLAIR",),
        preprocessing=PreprocessingConfig(),
        patch_size=(96, 96, 96),
        inference=InferenceConfig(**inference),
        trusted=trusted,
    )


def trust(dsc, precision="fp32"):
    way = WayFigures(window="fit", precision=precision, dsc=dsc, truth_dsc=0.9)
    return Trust(reference="patch", threshold=0.5, cases=("a",), voxels=5000, truth_dsc=0.9, ways=(way,))


@pytest.fixture
def memory(monkeypatch):
    def have(count):
        monkeypatch.setattr(planning, "available_memory", lambda: count)

    return have


@pytest.mark.parametrize(
    ("trusted", "window"),
    [(None, "patch"), (trust(0.998), "patch"), (trust(0.999), "fit"), (trust(1, "bf16"), "patch")],
)
def test_auto_is_resolved_by_the_model_s_figures(trusted, window):
    settings = model(trusted, window="auto")
    chosen, _ = planned(Stub(), settings, settings.inference, HEAD)
    assert chosen == settings.inference.model_copy(update={"window": window})


def test_windows_that_were_asked_for_stay():
    settings = model(trust(0.999))
    for window in ("patch", "whole", "fit"):
        chosen, _ = planned(Stub(), settings, InferenceConfig(window=window), HEAD)
        assert chosen.window == window


def test_less_memory_makes_more_windows_that_fit(memory):
    settings = model(window="fit")
    data = np.ones((1, *HEAD), np.float32)
    windows = []
    for available in (8_000_000_000, 1_600_000_000, 900_000_000):
        memory(available)
        forecast = forecast_case("anna", data, (182, 218, 182), [(Stub(), settings, settings.inference)], resident=0)
        assert forecast.fits
        assert forecast.memory < available
        windows.append(forecast.windows)
    assert windows[0] == 1
    assert windows == sorted(set(windows))


def test_windows_of_the_patch_do_not_shrink_and_the_forecast_says_so(memory):
    memory(100_000_000)
    settings = model(window="patch")
    data = np.ones((1, *HEAD), np.float32)
    forecast = forecast_case("anna", data, HEAD, [(Stub(), settings, settings.inference)], resident=0)
    assert forecast.window == (96, 96, 96)
    assert not forecast.fits


def test_a_gpu_s_windows_are_not_limited_by_the_main_memory(memory):
    memory(1)
    settings = model(window="fit")
    assert planned(Stub(), settings, settings.inference, HEAD, on_cpu=False)[1] is None
    assert planned(Stub(), settings, settings.inference, HEAD, on_cpu=True)[1] == 0


def test_time_and_copies_of_several_models():
    settings = model(window="patch", mirror=True)
    other = model(window="fit")
    data = np.ones((1, *HEAD), np.float32)
    models = [(Stub(), settings, settings.inference), (Stub(), other, other.inference)]
    forecast = forecast_case("anna", data, HEAD, models, [1e-6, 2e-6])
    assert (forecast.windows, forecast.copies, forecast.models) == (12, 8, 2)
    assert forecast.seconds == pytest.approx(1e-6 * 12 * 8 * 96**3 + 2e-6 * 144 * 160 * 128)
    assert forecast_case("anna", data, HEAD, models).seconds is None


def test_one_window_of_the_plan_is_timed():
    settings, engine = model(window="fit"), Stub()
    seconds = seconds_per_voxel(engine, settings, settings.inference, np.ones((1, *HEAD), np.float32))
    assert 0 < seconds < 1e-3
    assert set(engine.seen) == {(1, 1, 144, 160, 128)}
