"""Tiny trainings on phantom cases."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from msseg.cases.case import Case
from msseg.cases.find import find_cases
from msseg.cases.splits import Split
from msseg.config.data import DataConfig
from msseg.config.experiment import ExperimentConfig
from msseg.config.load import load_config
from msseg.runs import ModelRun
from msseg.training.fit import train_model
from msseg.training.progress import read_epochs


@dataclass(frozen=True)
class Trained:
    """A training's folder and what it printed."""

    run: ModelRun
    text: str

    @property
    def weights(self) -> dict[str, Tensor]:
        return load_file(self.run.model / "model.safetensors")

    @property
    def rows(self) -> list[dict[str, str]]:
        return read_epochs(self.run.epochs)


@pytest.fixture(scope="session")
def cases(small_cohort: Path) -> dict[str, Case]:
    """The cohort's cases by patient, labels of rater 1; `lesion-free` is training02 as rater 2 sees it."""
    data = DataConfig(layout="isbi2015", channels=("FLAIR",))
    found = {case.group: case for case in find_cases(data, small_cohort)}
    second = DataConfig(layout="isbi2015", channels=("FLAIR",), select={"rater": ("2",), "patient": ("training02",)})
    (found["lesion-free"],) = find_cases(second, small_cohort)
    return found


@pytest.fixture
def make_config(tmp_path: Path, tiny: tuple[str, ...]) -> Callable[..., ExperimentConfig]:
    """The paper's experiment with tiny sizes and further overrides."""

    def make(*overrides: str) -> ExperimentConfig:
        path = tmp_path / "experiment.yaml"
        path.write_text("name: tiny\n")
        return load_config(path, [*tiny, *overrides])

    return make


@pytest.fixture
def train(
    tmp_path: Path, cases: dict[str, Case], make_config: Callable[..., ExperimentConfig]
) -> Callable[..., Trained]:
    """Train on some patients (training01 if not told otherwise), validate on others (nobody)."""

    def fit(
        *overrides: str,
        on: tuple[str, ...] = ("training01",),
        validation: tuple[str, ...] = (),
        name: str = "FLAIR",
        resume: bool = False,
        terminal: bool = False,
    ) -> Trained:
        split = Split(tuple(cases[who] for who in on), tuple(cases[who] for who in validation), ())
        run, text = ModelRun(tmp_path / name), io.StringIO()
        fit.folder = run.folder
        console = Console(file=text, force_terminal=terminal, width=150)
        config = make_config(*overrides)
        try:
            train_model(config, ("FLAIR",), split, run, tmp_path / "cache", console, resume)
        finally:
            fit.text = text.getvalue()  # also where it ends in an error
        return Trained(run, text.getvalue())

    return fit
