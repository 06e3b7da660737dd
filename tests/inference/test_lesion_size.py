"""Small lesions are taken out of masks, and of nothing else."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from msseg.config.experiment import ExperimentConfig
from msseg.config.inference import InferenceConfig
from msseg.config.network import ResidualUNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.inference.batch import predict_batch
from msseg.inference.changes import Changes
from msseg.inference.inputs import Input
from msseg.inference.lesion_size import without_small_lesions
from msseg.inference.predictor import Predictor
from msseg.model import ModelSettings


@pytest.fixture
def mask() -> np.ndarray:
    """Lesions of 1, 2 (joined at a corner) and 8 voxels."""
    mask = np.zeros((12, 12, 12), bool)
    mask[1, 1, 1] = True
    mask[4, 4, 4] = mask[5, 5, 5] = True
    mask[8:10, 8:10, 8:10] = True
    return mask


@pytest.mark.parametrize(("smallest", "left"), [(0, 11), (0.5, 11), (2, 11), (2.01, 10), (4, 10), (4.1, 8), (17, 0)])
def test_lesions_below_the_volume_go(mask: np.ndarray, smallest: float, left: int) -> None:
    """Voxels of 2 mm^3, in single precision."""
    found = without_small_lesions(mask, (1, 1, float(np.float32(2.0000002))), smallest)
    assert found.sum() == left
    assert not (found & ~mask).any()


def test_empty_masks_stay_empty() -> None:
    assert not without_small_lesions(np.zeros((3, 3, 3), bool), (1, 1, 1), 5).any()


def image_of(mask: np.ndarray, path: Path) -> Path:
    nib.save(nib.Nifti1Image((10 + 80 * mask).astype(np.float32), np.diag([1, 1, 2, 1])), path)
    return path


@pytest.fixture
def predictors(above_level: Callable[..., Predictor]) -> Callable[..., Predictor]:
    """Models that are averaged, each with its smallest lesion."""

    def make(*smallest: float) -> Predictor:
        settings = [InferenceConfig(smallest_lesion_mm3=size) for size in smallest]
        models = [model for of in settings for model in above_level(50, inference=of)._models]
        return Predictor(models)

    return make


def make_settings(**changes: object) -> ModelSettings:
    values = {"network": ResidualUNet3dConfig(), "channels": ("FLAIR",), "preprocessing": PreprocessingConfig()}
    return ModelSettings(**{**values, "patch_size": (16, 16, 16), "inference": InferenceConfig(), **changes})


def test_the_predictor_drops_them_on_the_files_grid_and_keeps_the_probability(
    predictors: Callable[..., Predictor], mask: np.ndarray, tmp_path: Path
) -> None:
    path = image_of(mask, tmp_path / "case.nii")
    everything, large = predictors(0).predict(path), predictors(4.1).predict(path)
    np.testing.assert_array_equal(everything.mask, mask)
    assert large.mask.sum() == 8
    np.testing.assert_array_equal(large.probability, everything.probability)


def test_models_that_differ_are_refused_before_anything_is_read(
    predictors: Callable[..., Predictor], tmp_path: Path
) -> None:
    case = Input("x", {"FLAIR": tmp_path / "absent.nii"})
    with pytest.raises(InputError, match=r"below different volumes \(0, 5 mm3\): give one"):
        predict_batch(predictors(0, 5), [case], tmp_path / "out")
    assert predictors(5, 5).smallest_lesion() == 5


def test_changes_replace_what_the_model_says() -> None:
    assert Changes(smallest_lesion_mm3=7).applied(make_settings()).inference.smallest_lesion_mm3 == 7
    assert Changes().applied(make_settings(inference=InferenceConfig(smallest_lesion_mm3=3))).inference == (
        InferenceConfig(smallest_lesion_mm3=3)
    )


@pytest.mark.parametrize("volume", [-1.0, float("nan"), float("inf")])
def test_impossible_volumes_are_refused(volume: float) -> None:
    with pytest.raises(InputError, match="0 mm3 or more"):
        Changes(smallest_lesion_mm3=volume).applied(make_settings())


def test_models_of_membranes_have_no_lesions() -> None:
    with pytest.raises(InputError, match="this is one of membranes"):
        Changes(smallest_lesion_mm3=5).applied(make_settings(provenance={"task": "membranes"}))
    with pytest.raises(ValueError, match="smallest_lesion_mm3 is for task lesions; for cells leave it at 0"):
        ExperimentConfig(task="cells", inference={"smallest_lesion_mm3": 3.0})
