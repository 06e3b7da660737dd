"""Prepared cases of any shape."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from msseg.cases.case import Case
from msseg.config.preprocessing import PreprocessingConfig
from msseg.volumes.cache import CachedCase, cache_case
from msseg.volumes.geometry import whole_grid
from msseg.volumes.phantom.cohort import small_case
from msseg.volumes.preprocessing import Prepared

MakeCase = Callable[..., CachedCase]


@pytest.fixture
def make_case(tmp_path: Path) -> MakeCase:
    """Cache a case from a label array (and an image, else its voxels count up from 1), voxel for voxel as given."""

    def make(label: np.ndarray, image: np.ndarray | None = None, name: str = "case") -> CachedCase:
        data = np.arange(1, label.size + 1).reshape(label.shape) if image is None else image
        paths = tmp_path / f"{name}.nii", tmp_path / f"{name}_label.nii"
        nib.save(nib.Nifti1Image(data.astype(np.float32), np.eye(4)), paths[0])
        nib.save(nib.Nifti1Image(label.astype(np.uint8), np.eye(4)), paths[1])
        case = Case(name, name, name, {"FLAIR": paths[0]}, paths[1])
        settings = PreprocessingConfig(crop="none", normalise="none")
        return cache_case(case, ("FLAIR",), settings, tmp_path / "cache")

    return make


@pytest.fixture
def thick_case(tmp_path: Path) -> CachedCase:
    """A case of 0.5 x 0.5 x 3 mm that the network sees in 1 x 1 x 3 mm."""
    label = np.zeros((40, 40, 10), np.uint8)
    label[18:24, 18:24, 4:6] = 1
    affine = np.diag([0.5, 0.5, 3, 1])
    paths = tmp_path / "thick.nii", tmp_path / "thick_label.nii"
    random = np.random.default_rng(0).uniform(1, 2, label.shape).astype(np.float32)
    nib.save(nib.Nifti1Image(random, affine), paths[0])
    nib.save(nib.Nifti1Image(label, affine), paths[1])
    case = Case("thick", "thick", "thick", {"FLAIR": paths[0]}, paths[1])
    return cache_case(case, ("FLAIR",), PreprocessingConfig(spacing=(1, 1, 3)), tmp_path / "cache")


@dataclass(frozen=True)
class CaseWithMaps:
    """A prepared case in memory, for tests that bring maps of their own (X, Y, Z)."""

    case: str
    image: np.ndarray
    truth: np.ndarray
    maps: dict[str, np.ndarray]

    def data(self) -> np.ndarray:
        return self.image

    def label(self) -> np.ndarray:
        return self.truth

    def lesion_voxels(self) -> np.ndarray:
        return np.argwhere(self.truth)

    def map(self, name: str) -> np.ndarray:
        return self.maps[name]

    def facts(self) -> dict[str, list[float]]:
        return {"spacing": [1.0, 1.0, 1.0]}

    def prepared(self) -> Prepared:
        return Prepared(self.image, self.truth, whole_grid(self.truth.shape, np.eye(4), "keep"), (1.0, 1.0, 1.0))


@pytest.fixture
def case_with_maps() -> type[CaseWithMaps]:
    """Make one from its id, image (C, X, Y, Z), label and maps (X, Y, Z)."""
    return CaseWithMaps


@pytest.fixture
def head_case(make_case: MakeCase) -> CachedCase:
    """A small head with lesions, 24 x 28 x 20 voxels, normalised."""
    images, label = small_case()
    flair = images["FLAIR"]
    return make_case(label, (flair - flair.mean()) / flair.std(), "head")


@pytest.fixture
def head_patch() -> tuple[np.ndarray, np.ndarray]:
    """Image and label of a head in a patch of 16^3: (1, 16, 16, 16) float32 each, the image normalised."""
    images, label = small_case((16, 16, 16))
    flair = images["FLAIR"][np.newaxis].astype(np.float32)
    return (flair - flair.mean()) / flair.std(), label[np.newaxis].astype(np.float32)
