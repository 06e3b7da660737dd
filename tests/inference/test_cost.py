"""Memory forecasts against processes that were measured, and what memory there is."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from msseg.config.network import ResidualUNet3dConfig, SFNetworkConfig
from msseg.inference import cost
from msseg.inference.cost import (
    available_memory,
    largest_window,
    network_cost,
    peak_memory,
    resident_memory,
    seconds_of_window,
)
from msseg.inference.window_plan import make_plan

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory on Linux alone")

PREDICTS = """
import json, sys, numpy as np, torch
from msseg.config.inference import InferenceConfig
from msseg.inference.cost import resident_memory
from msseg.inference.engines.torch_engine import TorchEngine
from msseg.networks.registry import build_network
from msseg.config.network import ResidualUNet3dConfig
torch.set_num_threads(1)
engine = TorchEngine(build_network(ResidualUNet3dConfig(base_channels=8), 1).eval(), torch.device("cpu"), torch.float32)
data = np.random.default_rng(0).standard_normal((1, 96, 80, 80), np.float32)
before = resident_memory()
engine.probability(data, (64, 64, 64), InferenceConfig(window="fit"))
peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024
print(json.dumps([before, peak]))
"""


@linux
def test_the_forecast_is_within_a_quarter_of_what_a_process_takes():
    answer = subprocess.run([sys.executable, "-c", PREDICTS], capture_output=True, text=True, check=True)
    before, peak = json.loads(answer.stdout)
    needs = network_cost(ResidualUNet3dConfig(base_channels=8), 1, "torch", "fp32")
    plan = make_plan(np.ones((1, 96, 80, 80), np.float32), (64, 64, 64), "fit", multiples=(16, 16, 16))
    forecast = before + peak_memory(needs, plan, 1, (96, 80, 80))
    assert peak > 1.25 * before  # or the comparison says nothing about the network
    assert forecast == pytest.approx(peak, rel=0.25)


# ------------------------------------------------------------------------------------------ networks
def test_memory_grows_with_maps_voxels_and_the_arithmetic():
    narrow, wide = (network_cost(ResidualUNet3dConfig(base_channels=base), 1, "torch", "fp32") for base in (8, 16))
    half = network_cost(ResidualUNet3dConfig(base_channels=16), 1, "torch", "bf16")
    assert wide.per_voxel > 1.9 * narrow.per_voxel
    assert half.per_voxel < 0.6 * wide.per_voxel
    assert wide.memory(2000) - wide.memory(1000) == pytest.approx(1000 * wide.per_voxel, abs=1)
    heavy = network_cost(ResidualUNet3dConfig(base_channels=16), 1, "openvino", "fp32", weights=1_000_000)
    light = network_cost(ResidualUNet3dConfig(base_channels=16), 1, "openvino", "fp32")
    assert heavy.fixed - light.fixed == 2_000_000


def test_slices_that_are_computed_together_count_together():
    needs = network_cost(SFNetworkConfig(), 1, "torch", "fp32")
    plan = make_plan(np.ones((1, 64, 64, 5), np.float32), (64, 64, 1))
    one, four, many = (peak_memory(needs, plan, 1, (64, 64, 5), batch) for batch in (1, 4, 99))
    assert one < four < many
    assert many - one == pytest.approx(4 * 64 * 64 * (needs.per_voxel + 4), abs=2)


def test_a_volume_of_background_takes_no_network():
    needs = network_cost(ResidualUNet3dConfig(), 1, "torch", "fp32")
    plan = make_plan(np.zeros((1, 64, 64, 64), np.float32), (64, 64, 64))
    assert peak_memory(needs, plan, 1, (64, 64, 64)) < 10_000_000


@pytest.mark.parametrize("available", [600_000_000, 1_000_000_000, 3_000_000_000])
def test_the_largest_window_is_forecast_to_fit(available):
    needs = network_cost(ResidualUNet3dConfig(), 1, "torch", "fp32")
    shape = (132, 151, 121)
    largest = largest_window(needs, shape, 1, available)
    plan = make_plan(np.ones((1, *shape), np.float32), (96, 96, 96), "fit", 0.5, (16, 16, 16), largest)
    assert peak_memory(needs, plan, 1, shape) <= available


def test_little_memory_allows_no_window_and_unknown_memory_any():
    needs = network_cost(ResidualUNet3dConfig(), 1, "torch", "fp32")
    assert largest_window(needs, (132, 151, 121), 1, 10_000_000) == 0
    assert largest_window(needs, (132, 151, 121), 1, None) is None


def test_a_window_is_timed_twice_unless_it_takes_long(monkeypatch):
    shapes = []
    assert seconds_of_window(lambda window: shapes.append(window.shape), (8, 9, 10), 2) < 1
    assert shapes == [(1, 2, 8, 9, 10)] * 2
    monkeypatch.setattr(cost, "LONG_WINDOW", -1.0)
    seconds_of_window(lambda window: shapes.append(window.shape), (8, 9, 10), 2)
    assert len(shapes) == 3


# ------------------------------------------------------------------------------------------ the machine
@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Files of a Linux system, in place of this one's."""
    monkeypatch.setattr(cost, "PROC", tmp_path / "proc")
    monkeypatch.setattr(cost, "CGROUPS", tmp_path / "cgroup")

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    write(proc__meminfo="MemTotal: 9000000 kB\nMemAvailable:    8000000 kB\n")
    return write


def test_what_the_machine_has_left(system):
    assert available_memory() == 8_000_000 * 1024


def test_a_container_s_limit_counts_less_what_is_used(system):
    system(
        proc__self__cgroup="0::/\n",
        cgroup__memory_dot_max="3000000000\n",
        cgroup__memory_dot_current="1000000000\n",
        cgroup__memory_dot_stat="anon 5\ninactive_file 200000000\n",
    )
    assert available_memory() == 2_200_000_000


def test_the_tightest_of_nested_groups_counts(system):
    system(
        proc__self__cgroup="0::/outer/inner\n",
        cgroup__outer__memory_dot_max="2000000000",
        cgroup__outer__memory_dot_current="500000000",
        cgroup__outer__inner__memory_dot_max="max",
        cgroup__outer__inner__memory_dot_current="400000000",
    )
    assert available_memory() == 1_500_000_000


def test_version_1_of_control_groups(system):
    system(
        proc__self__cgroup="5:cpu:/x\n4:memory:/outside/its/own/name\n",
        cgroup__memory__memory_dot_limit_in_bytes="1000000000",
        cgroup__memory__memory_dot_usage_in_bytes="300000000",
        cgroup__memory__memory_dot_stat="total_inactive_file 100000000\n",
    )
    assert available_memory() == 800_000_000


def test_a_full_container_has_nothing_left(system):
    system(proc__self__cgroup="0::/\n", cgroup__memory_dot_max="1000", cgroup__memory_dot_current="2000")
    assert available_memory() == 0


def test_what_is_not_told_is_not_known(system, monkeypatch):
    system(proc__meminfo="", proc__self__status="Name: x\n")
    monkeypatch.setattr(cost.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert available_memory() is None
    assert resident_memory() is None


@linux
def test_this_machine_tells_both():
    assert resident_memory() > 10_000_000
    assert available_memory() > 10_000_000
