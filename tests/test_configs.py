"""Every experiment file that comes with msseg trains, predicts and evaluates on small phantom data."""

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.evaluation.evaluation import Evaluation
from msseg.experiment import run_experiment
from msseg.inference.predictor import load_model
from msseg.volumes.phantom.cohort import small_case

FOLDER = config_folder()
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "layouts")
OPENMS_NAMES = {"FLAIR": "FLAIR", "T1W": "MPRAGE", "T2W": "T2W", "T1WKS": "PDW"}
"""How openms calls its channels, and the phantom's channel that stands for each."""


@pytest.fixture(scope="session")
def openms_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two patients of the openms experiments, in that data set's folders."""
    root = tmp_path_factory.mktemp("openms")
    for seed, patient in enumerate(("patient07", "patient19")):
        images, label = small_case((20, 22, 18), seed=seed)
        (root / patient).mkdir()
        for name, channel in OPENMS_NAMES.items():
            nib.save(nib.Nifti1Image(images[channel], np.eye(4)), root / patient / f"{patient}_{name}.nii.gz")
        mask = nib.Nifti1Image(label.astype(np.uint8), np.eye(4))
        nib.save(mask, root / patient / f"{patient}_consensus_gt.nii.gz")
    return root


@pytest.fixture
def data(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Small data in the folders of each layout that an experiment may name."""
    fixtures = {"isbi2015": "small_cohort", "openms": "openms_cohort"}
    return {layout: request.getfixturevalue(name) for layout, name in fixtures.items()}


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(FOLDER).as_posix() for path in FILES])
def test_it_trains_predicts_and_evaluates(
    path: Path, data: dict[str, Path], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    asked = load_config(path)
    assert asked.data.layout in data, f"{path.name} needs small data in the folders of {asked.data.layout}"
    channel = f"data.channels=[{asked.data.channels[0]}]"
    config = load_config(path, [*tiny, channel, f"data.root={data[asked.data.layout]}"])
    report = run_experiment(config, tmp_path / "run", Console(file=io.StringIO()))
    assert report.exists()
    folder = tmp_path / "run" / asked.data.channels[0]
    evaluation = Evaluation.from_json(folder / "evaluation.json")
    assert evaluation.cases
    assert not evaluation.failed
    assert load_model(folder).channels == (asked.data.channels[0],)
