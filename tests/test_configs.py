"""Every experiment file that comes with msseg trains, predicts and evaluates on small phantom data."""

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from rich.console import Console

from msseg.config.folder import config_folder
from msseg.config.load import load_config
from msseg.evaluation.evaluation import Evaluation
from msseg.experiment import run_experiment
from msseg.inference.predictor import load_model
from msseg.volumes.phantom.cohort import small_case
from msseg.volumes.phantom.em_stack import draw_em_stack, write_em_stack

FOLDER = config_folder()
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.parent.name != "layouts")
SLICES = (
    "patches.size=[32,32,1]",
    "split.train=1-3",
    "split.validation=4",
    "split.test=5-6",
    "training.validate_every=1",
)
SMALL = {"em_stack": SLICES, "cell_tracking": SLICES}
"""Overrides for the small data of a layout, after those that make any experiment tiny."""
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


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack of six sections with labels, as in ISBI 2012."""
    root = tmp_path_factory.mktemp("em_stack")
    write_em_stack(root, slices=6, size=96)
    return root


@pytest.fixture(scope="session")
def cell_sequence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence of six frames with numbered cells, gold and silver truth alike, as in the Cell Tracking Challenge."""
    root = tmp_path_factory.mktemp("cell_tracking")
    drawn = draw_em_stack(slices=6, size=96)
    for folder, name, frames in (
        ("01", "t", drawn.image),
        ("01_GT/SEG", "man_seg", drawn.neurite.astype(np.uint16)),
        ("01_ST/SEG", "man_seg", drawn.neurite.astype(np.uint16)),
    ):
        (root / folder).mkdir(parents=True)
        for number, frame in enumerate(frames, start=1):
            tifffile.imwrite(root / folder / f"{name}{number:03d}.tif", frame, photometric="minisblack")
    return root


@pytest.fixture
def data(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Small data in the folders of each layout that an experiment may name."""
    fixtures = {
        "isbi2015": "small_cohort",
        "openms": "openms_cohort",
        "em_stack": "stack",
        "cell_tracking": "cell_sequence",
    }
    return {layout: request.getfixturevalue(name) for layout, name in fixtures.items()}


@pytest.mark.parametrize("path", FILES, ids=[path.relative_to(FOLDER).as_posix() for path in FILES])
def test_it_trains_predicts_and_evaluates(
    path: Path, data: dict[str, Path], tiny: tuple[str, ...], tmp_path: Path
) -> None:
    asked = load_config(path)
    assert asked.data.layout in data, f"{path.name} needs small data in the folders of {asked.data.layout}"
    channel = f"data.channels=[{asked.data.channels[0]}]"
    small = (*tiny, *SMALL.get(asked.data.layout, ()))
    config = load_config(path, [*small, channel, f"data.root={data[asked.data.layout]}"])
    report = run_experiment(config, tmp_path / "run", Console(file=io.StringIO()))
    assert report.exists()
    folder = tmp_path / "run" / asked.data.channels[0]
    evaluation = Evaluation.from_json(folder / "evaluation.json")
    assert evaluation.cases
    assert not evaluation.failed
    assert load_model(folder).channels == (asked.data.channels[0],)
