"""Training on thick slices, labels on another grid and cases that lack a channel."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from msseg.cases.case import Case
from msseg.cases.splits import Split
from msseg.config.experiment import ExperimentConfig
from msseg.config.network import ResidualUNet3dConfig
from msseg.errors import InputError
from msseg.inference.predictor import load_model
from msseg.model import read_settings
from msseg.runs import ModelRun
from msseg.training.fit import train_model

STRIDES = ((2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2))


@pytest.fixture
def thick_case(tmp_path: Path) -> Case:
    """FLAIR and T1 of 1 x 1 x 4 mm, and a label of 1 x 1 x 2 mm, turned by 5 degrees about the vertical axis."""
    random = np.random.default_rng(0)
    shape, affine = (36, 32, 8), np.diag([1.0, 1, 4, 1])
    images = {}
    for channel in ("FLAIR", "T1"):
        data = np.zeros(shape, np.float32)
        data[2:-2, 2:-2] = random.uniform(50, 100, (32, 28, 8))
        images[channel] = tmp_path / f"{channel}.nii.gz"
        nib.save(nib.Nifti1Image(data, affine), images[channel])
    label = np.zeros((36, 32, 16), np.uint8)
    label[14:22, 12:20, 6:10] = 1
    cos, sin = np.cos(np.radians(5)), np.sin(np.radians(5))
    turned = np.array([[cos, -sin, 0, 0], [sin, cos, 0, 0], [0, 0, 2, -1], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(label, turned), tmp_path / "label.nii.gz")
    return Case("thick", "thick", "thick", images, tmp_path / "label.nii.gz")


def train(config: ExperimentConfig, case: Case, folder: Path, channels: tuple[str, ...]) -> ModelRun:
    run = ModelRun(folder)
    train_model(config, channels, Split((case,), (case,), ()), run, folder / "cache", Console(quiet=True))
    return run


def test_what_is_left_to_the_training_cases_is_in_the_model_folder_in_numbers(
    make_config: Callable[..., ExperimentConfig], thick_case: Case, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(
        "preprocessing={align: resample, label_interpolation: signed_distance, spacing: median}",
        "network={name: residual_unet3d, base_channels: 2, strides: auto}",
        "patches.size=[32,32,8]",
    )
    run = train(config, thick_case, tmp_path / "run", ("FLAIR", "T1"))
    settings = read_settings(run.model)
    assert isinstance(settings.network, ResidualUNet3dConfig)
    assert settings.network.strides == STRIDES
    assert settings.preprocessing.spacing == (1, 1, 4)
    assert "label.nii.gz does not lie on the grid of" in caplog.text
    prediction = load_model(run.model, device="cpu", precision="fp32").predict(thick_case.images)
    assert prediction.mask.shape == (36, 32, 8)


@pytest.mark.parametrize(("size", "told"), [("[32,32,24]", True), ("[32,32,8]", False)])
def test_patches_that_are_mostly_padding_are_told(
    make_config: Callable[..., ExperimentConfig],
    thick_case: Case,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    size: str,
    told: bool,
) -> None:
    config = make_config("preprocessing.align=resample", "network.strides=auto", f"patches.size={size}")
    train(config, thick_case, tmp_path / "run", ("FLAIR",))
    expected = (
        "patches.size [32, 32, 24] is for the most part padding: the training volumes have about 32 x 28 x 8 voxels,"
        " so [32, 32, 8] would do"
    )
    assert (expected in caplog.messages) == told


def test_a_label_on_another_grid_is_refused_by_default(
    make_config: Callable[..., ExperimentConfig], thick_case: Case, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=r"label\.nii\.gz does not lie on the grid of .*preprocessing\.align: resample"
    ):
        train(make_config("patches.size=[16,16,8]"), thick_case, tmp_path / "run", ("FLAIR",))


def test_a_case_may_lack_a_channel(
    make_config: Callable[..., ExperimentConfig], thick_case: Case, tmp_path: Path
) -> None:
    config = make_config("preprocessing.align=resample", "patches.size=[16,16,8]")
    lacking = replace(thick_case, images={"FLAIR": thick_case.images["FLAIR"]})
    run = train(config, lacking, tmp_path / "run", ("FLAIR", "T1"))
    assert read_settings(run.model).channels == ("FLAIR", "T1")
