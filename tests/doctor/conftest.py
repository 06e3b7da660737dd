"""A cohort of invented heads in openms' folders: alike in the large, each with folds and lesions of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

SHAPE = (48, 56, 40)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
AFFINE[:3, 3] = -72, -84, -60
PATIENTS = 9


def head(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """FLAIR and T1 (float32, 0 outside the brain) and the lesion mask of an invented patient."""
    common, own = np.random.default_rng(7), np.random.default_rng([11, seed])
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij")
    width = 0.84 - 0.25 * y * (y > 0)  # narrow at the front
    brain = (x / width) ** 2 + (y / 0.84) ** 2 + (z / (0.84 - 0.3 * (z < 0) * (y > -0.2))) ** 2 < 1
    shared = _standard(ndimage.gaussian_filter(common.normal(size=SHAPE), 5)) + y + 0.7 * z
    folds = _standard(ndimage.gaussian_filter(own.normal(size=SHAPE), 1.2))
    tissue = shared + folds
    lesions = np.zeros(SHAPE, dtype=bool)
    central = brain & brain[::-1] & brain[:, ::-1] & brain[:, :, ::-1]  # a flipped label is in the brain as well
    core = np.argwhere(ndimage.binary_erosion(central, iterations=3))
    for centre in core[own.choice(len(core), 14, replace=False)]:
        lesions[tuple(slice(at - 1, at + 2) for at in centre)] = True
    flair = 100 + 8 * tissue + 60 * lesions + own.normal(0, 2, SHAPE)
    t1 = 300 - 25 * tissue**2 / 3 + 20 * shared - 40 * lesions + own.normal(0, 4, SHAPE)
    images = {"FLAIR": flair * own.uniform(0.8, 1.2), "T1": t1 * own.uniform(0.8, 1.2)}
    return {name: np.where(brain, image.clip(5), 0).astype(np.float32) for name, image in images.items()}, lesions


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    """Write a NIfTI file with both forms set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)


def load(path: Path) -> np.ndarray:
    """All voxels of a file."""
    return np.asarray(nib.load(path).dataobj).copy()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def clean_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine patients without a fault; not to be changed."""
    root = tmp_path_factory.mktemp("clean") / "data"
    for number in range(1, PATIENTS + 1):
        images, label = head(number)
        name = f"patient{number:02d}"
        for channel, image in images.items():
            save(root / name / f"{name}_{channel}.nii.gz", image)
        save(root / name / f"{name}_consensus_gt.nii.gz", label.astype(np.uint8))
    return root


@pytest.fixture
def cohort(clean_cohort: Path, tmp_path: Path) -> Path:
    """A copy of the clean cohort to spoil."""
    return Path(shutil.copytree(clean_cohort, tmp_path / "data"))


@pytest.fixture
def three(clean_cohort: Path, tmp_path: Path) -> Path:
    """Three of the patients to spoil: most faults need no more to be told from the rest."""
    for name in ("patient01", "patient02", "patient03"):
        shutil.copytree(clean_cohort / name, tmp_path / "three" / name)
    return tmp_path / "three"


@pytest.fixture(scope="session")
def examined() -> Callable[..., object]:
    """Examine a folder as the command does, without a configuration."""
    from msseg.doctor.examine import Subject, examine
    from msseg.doctor.findings import Examination
    from msseg.doctor.gather import gather
    from msseg.doctor.measure import Settings

    def run(root: Path, layout: str | None = "openms", **settings: object) -> Examination:
        gathered = gather(root, layout)
        chosen = Settings(**{"meaning": gathered.meaning, **settings})  # type: ignore[arg-type]
        return examine(gathered.cases, chosen, Subject(str(root), gathered.layout, gathered.problems))

    return run
