"""What one pass costs against windows of the patch's size, measured on a trained model.

Instance normalisation makes the two different predictions, so nothing but a trained model can tell by how much.
"""

from pathlib import Path

import numpy as np
import pytest

from msseg.config.folder import config_folder
from msseg.config.inference import InferenceConfig
from msseg.config.load import load_config
from msseg.inference.predictor import Predictor, load_model
from msseg.metrics.overlap import count_overlap
from msseg.volumes.files import read_label
from msseg.volumes.phantom import write_small_cohort

PATCH = (112, 112, 112)
SHAPES = {"close": (128, 124, 120), "large": (144, 140, 136)}
"""Heads that are a little larger than a patch, and heads that are a third larger."""


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("cohorts")
    for name, shape in SHAPES.items():
        write_small_cohort(folder / name, patients=4, sessions=1, shape=shape, seed=5)
    return {name: folder / name for name in SHAPES}


@pytest.fixture(scope="module")
def model(cohorts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual U-Net trained on patches of the large heads of three patients."""
    from rich.console import Console

    from msseg.experiment import train_experiment

    overrides = [
        f"data.root={cohorts['large']}",
        f"patches.size={list(PATCH)}",
        "patches.per_volume=20",
        "split.train=[training01,training02,training03]",
        "split.validation=[]",
        "split.test=[training04]",
        "data.channels=[FLAIR]",
        "network.base_channels=4",
        "training.epochs=1",
        "training.threads=1",
    ]
    config = load_config(config_folder() / "demo" / "residual_unet3d.yaml", overrides)
    (folder,) = train_experiment(config, tmp_path_factory.mktemp("run") / "run", Console(quiet=True))
    return folder


def dsc(model: Path, cohort: Path, window: str) -> float:
    """DSC on the fourth patient, whom the model has not seen."""
    predictor: Predictor = load_model(model, "cpu", "auto", inference=InferenceConfig(window=window))  # type: ignore[arg-type]
    scan = cohort / "training04"
    prediction = predictor.predict(next(scan.rglob("*flair_pp.nii")))
    truth = read_label(next(scan.rglob("*mask1.nii"))).data
    score = count_overlap(np.asarray(prediction.mask), truth).dsc
    print(f"{cohort.name} heads, window {window}: DSC {score:.4f}")  # noqa: T201 - the measurement that the docs quote
    return score


@pytest.mark.slow
@pytest.mark.parametrize("heads", SHAPES)
def test_one_pass_costs_less_than_a_fifth_of_dsc(model: Path, cohorts: dict[str, Path], heads: str) -> None:
    windows, one_pass = (dsc(model, cohorts[heads], window) for window in ("patch", "fit"))
    assert windows > 0.4, "the model has to have learned something, or the comparison says nothing"
    assert one_pass > windows - 0.2


@pytest.mark.slow
def test_auto_keeps_to_the_patch_size_where_nothing_is_known(model: Path, cohorts: dict[str, Path]) -> None:
    assert dsc(model, cohorts["large"], "auto") == dsc(model, cohorts["large"], "patch") > 0.4
