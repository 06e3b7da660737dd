"""What is written about faster ways of predicting when a training ends."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.inference.windows import predict_windows, window_size
from msseg.networks.registry import build_network
from msseg.training import finish
from msseg.training.finish import trusted_ways
from msseg.training.task import SegmentationTask
from msseg.volumes.cache import CachedCase

SHAPE = (40, 44, 36)


@pytest.fixture
def case(tmp_path: Path) -> CachedCase:
    random = np.random.default_rng(0)
    np.save(tmp_path / "data.npy", random.standard_normal((1, *SHAPE)).astype(np.float32))
    np.save(tmp_path / "label.npy", (random.random(SHAPE) < 0.1).astype(np.uint8))
    (tmp_path / "facts.json").write_text(json.dumps({}))
    return CachedCase("anna", tmp_path)


@pytest.fixture
def task() -> SegmentationTask:
    overrides = ["data.root=/tmp", "network.base_channels=2", "patches.size=[32, 32, 32]", "inference.window=auto"]
    config = load_config(config_folder() / "demo" / "residual_unet3d.yaml", overrides)
    torch.manual_seed(0)
    network = build_network(config.network, 1)
    return SegmentationTask(config, network, torch.float32).eval()


def test_the_figures_are_those_of_the_windows_that_are_predicted(task, case):
    config = task.config
    found = trusted_ways(config, task, [case], config.inference)
    assert (found.reference, found.cases) == ("patch", ("anna",))
    data = torch.from_numpy(np.array(case.data()))
    masks = {
        window: predict_windows(task.network, data, window_size(SHAPE, (32, 32, 32), window, (16, 16, 16))).numpy()
        > 0.5
        for window in ("patch", "fit")
    }
    both, sizes = (masks["patch"] & masks["fit"]).sum(), sum(int(mask.sum()) for mask in masks.values())
    (fit,) = (of for of in found.ways if (of.window, of.precision) == ("fit", "fp32"))
    assert found.voxels == masks["patch"].sum()
    assert fit.dsc == pytest.approx(2 * both / sizes, abs=2e-6)
    truth = np.array(case.label()) > 0
    hits = (masks["fit"] & truth).sum()
    assert fit.truth_dsc == pytest.approx(2 * hits / (masks["fit"].sum() + truth.sum()), abs=1e-6)


def test_a_reduced_precision_is_judged_where_the_device_is_fast_in_it(task, case, monkeypatch):
    for fast, precisions in ((False, {"fp32"}), (True, {"fp32", "bf16"})):
        monkeypatch.setattr(finish, "has_fast_bf16", lambda device, fast=fast: fast)
        found = trusted_ways(task.config, task, [case], task.config.inference)
        assert {of.precision for of in found.ways} == precisions


def test_without_validation_cases_nothing_is_known(task):
    assert trusted_ways(task.config, task, [], task.config.inference) is None
