"""Data sets as trees of empty files: finding cases opens none of them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from msseg.cases.containers import split_container

MNI = "N4_noneck_reduced_winsor_regtoFLAIR"
MODALITIES = ("FLAIR", "T1W", "T1WKS", "T2W")


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[[Iterable[str]], Path]:
    """Create empty files below a folder `data`."""

    def make(paths: Iterable[str]) -> Path:
        root = tmp_path / "data"
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        return root

    return make


@pytest.fixture(scope="session")
def isbi_training() -> list[str]:
    """The training set of the ISBI 2015 challenge as it is unpacked: 21 scans of 5 patients."""
    visits = {"training01": 4, "training02": 4, "training03": 5, "training04": 4, "training05": 4}
    return [f"training/{path}" for path in _isbi(visits, raters=(1, 2))]


@pytest.fixture(scope="session")
def isbi_test() -> list[str]:
    """Two patients of its test set, which has no masks."""
    return [f"testdata_website/{path}" for path in _isbi({"test01": 4, "test02": 4}, raters=())]


@pytest.fixture(scope="session")
def openms_release() -> list[str]:
    """The release: co-registered images, and the originals in a folder raw of each patient."""
    paths = []
    for patient in ("patient01", "patient02"):
        paths += [f"{patient}/{patient}_{name}.nii.gz" for name in (*MODALITIES, "brainmask", "consensus_gt")]
        paths += [f"{patient}/raw/{patient}_{name}.nii.gz" for name in MODALITIES]
        paths += [f"{patient}/{patient}_{name}_to_FLAIR.txt" for name in MODALITIES[1:]]
    return paths


@pytest.fixture(scope="session")
def openms_github() -> dict[str, list[str]]:
    """The copy on GitHub: the same patients in three variants."""
    images = [f"{name}_{MNI}_brain_N4_regtoMNI" for name in ("FLAIR", "T1", "T1POST", "T2")]
    names = {
        "raw": [*MODALITIES, "consensus_gt"],
        "coregistered": [*MODALITIES, "consensus_gt", "brainmask"],
        "MNI": [*images, f"GOLD_STANDARD_{MNI}_regtoMNI"],
    }
    return {
        variant: [f"{variant}/{patient}/{name}.nii.gz" for patient in ("patient01", "patient02") for name in files]
        for variant, files in names.items()
    }


def _isbi(visits: Mapping[str, int], raters: Iterable[int]) -> list[str]:
    paths = []
    for patient, number in visits.items():
        for scan in (f"{patient}_{visit:02d}" for visit in range(1, number + 1)):
            for channel in ("flair", "mprage", "pd", "t2"):
                paths.append(f"{patient}/preprocessed/{scan}_{channel}_pp.nii")
                paths.append(f"{patient}/orig/{scan}_{channel}.nii.gz")
            paths += [f"{patient}/masks/{scan}_mask{rater}.nii" for rater in raters]
    return paths


@pytest.fixture
def write_stack() -> Callable[..., Path]:
    """Write a stack of slices of 4 x 5 pixels: TIFF, PNG (one slice) or HDF5 (`a.h5/main` names a data set)."""
    return _write_stack


def _write_stack(path: Path, slices: int = 1) -> Path:
    file, dataset = split_container(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.zeros((slices, 4, 5), np.uint8)
    if dataset is not None:
        with h5py.File(file, "a") as container:
            container[dataset] = voxels
    elif path.suffix == ".png":
        Image.fromarray(voxels[0]).save(file)
    else:
        tifffile.imwrite(file, voxels, photometric="minisblack", metadata=None)
    return file
