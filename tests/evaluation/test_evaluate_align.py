"""Predictions that do not lie on their truth's grid."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from msseg.errors import InputError
from msseg.evaluation.evaluate import evaluate_pairs
from msseg.evaluation.pairs import Pair


def ball(path: Path, shape: tuple[int, int, int], affine: np.ndarray) -> Path:
    """A lesion of 8 mm radius about the world's origin."""
    world = np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)
    nib.save(nib.Nifti1Image(((world**2).sum(axis=0) < 64).astype(np.uint8), affine), path)
    return path


def about_the_origin(shape: tuple[int, int, int], matrix: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, -matrix @ ((np.array(shape) - 1) / 2)
    return affine


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A truth of 1 mm, and the same lesion predicted on a grid of 0.8 x 0.8 x 1.5 mm, turned and flipped."""
    cos, sin = np.cos(0.3), np.sin(0.3)
    turned = np.array([[-cos, -sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ np.diag([0.8, 0.8, 1.5])
    truth = ball(tmp_path / "truth.nii.gz", (30, 32, 34), about_the_origin((30, 32, 34), np.eye(3)))
    shape = (50, 52, 24)
    return Pair("a", ball(tmp_path / "mask.nii.gz", shape, about_the_origin(shape, turned)), truth, "a")


def test_they_are_refused_with_the_way_out(pair: Pair) -> None:
    with pytest.raises(InputError, match=r"mask\.nii\.gz does not lie on the grid of .*, or give --align resample"):
        evaluate_pairs([pair], bootstrap=0)


def test_they_are_resampled_where_that_is_asked_for(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    (case,) = evaluate_pairs([pair], bootstrap=0, align="resample").cases
    assert case.values["dsc"] > 0.94
    assert case.values["ltpr"] == 1
    assert "mask.nii.gz does not lie on the grid of" in caplog.text
