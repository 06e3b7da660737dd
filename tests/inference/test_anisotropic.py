"""Predictions of models that see another spacing, other grids, or too few channels: back on the input's own grid."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from msseg.config.network import ResidualUNet3dConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.inference.changes import Changes
from msseg.inference.predictor import Predictor, load_model
from msseg.metrics.overlap import count_overlap
from msseg.model import read_settings

THICK = np.array([[-0.5, 0.02, 0.1, 9], [0.01, 0.5, -0.3, -7], [0.01, 0.03, 4, 3], [0, 0, 0, 1.0]])
"""0.5 x 0.5 x 4 mm, oblique, the first axis to the left."""
STRIDES = ((2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2))


def smooth(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """A smooth function of the world, about 100."""
    x, y, z = np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)
    data: np.ndarray = 100 + 20 * np.sin(x / 6) * np.cos(y / 7) + 15 * np.sin(z / 9)
    return data.astype(np.float32)


def write(path: Path, shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    data = smooth(shape, affine)
    image = nib.Nifti1Image(data, affine)
    image.header.set_sform(affine, 4)
    image.header.set_qform(affine, 0)
    nib.save(image, path)
    return data


@pytest.mark.parametrize("spacing", [(1, 1, 4), (1, 1, 1), (0.5, 0.5, 2), None], ids=str)
def test_a_mask_lies_on_the_input_s_grid_whatever_the_network_sees(
    above_level: Callable[..., Predictor], tmp_path: Path, spacing: tuple[float, float, float] | None
) -> None:
    data = write(tmp_path / "flair.nii.gz", (64, 60, 12), THICK)
    settings = PreprocessingConfig(normalise="none", spacing=spacing)
    predictor = above_level(110, preprocessing=settings)
    prediction = predictor.predict(tmp_path / "flair.nii.gz")
    assert prediction.mask.shape == data.shape
    assert prediction.probability.dtype == np.float32
    assert 0 <= prediction.probability.min() <= prediction.probability.max() <= 1
    assert count_overlap(prediction.mask, data > 110).dsc > 0.95
    prediction.save(tmp_path / "mask.nii.gz")
    mask, image = nib.load(tmp_path / "mask.nii.gz"), nib.load(tmp_path / "flair.nii.gz")
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert mask.shape == image.shape
    for code in ("sform_code", "qform_code"):
        assert mask.header[code] == image.header[code]


def test_a_network_with_strides_predicts_flat_windows(write_model: Callable[..., Path], tmp_path: Path) -> None:
    write(tmp_path / "flair.nii.gz", (64, 60, 12), THICK)
    folder = write_model(
        network=ResidualUNet3dConfig(base_channels=2, strides=STRIDES),
        patch_size=(32, 32, 6),
        preprocessing=PreprocessingConfig(spacing=(1, 1, 4)),
    )
    assert read_settings(folder).network == ResidualUNet3dConfig(base_channels=2, strides=STRIDES)
    predictor = load_model(folder, device="cpu", precision="fp32")
    sizes: list[torch.Size] = []
    network = predictor.engines[0].network
    network.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[2:]))
    prediction = predictor.predict(tmp_path / "flair.nii.gz")
    assert prediction.probability.shape == (64, 60, 12)
    assert np.isfinite(prediction.probability).all()
    assert set(sizes) == {(32, 32, 6)}


def test_channels_on_another_grid_are_refused_or_resampled(
    above_level: Callable[..., Predictor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flair = write(tmp_path / "flair.nii.gz", (40, 40, 10), np.diag([1, 1, 3, 1]))
    write(tmp_path / "t1.nii.gz", (44, 42, 34), np.diag([0.95, 1, 1, 1]))
    images = {"T1": tmp_path / "t1.nii.gz", "FLAIR": tmp_path / "flair.nii.gz"}
    refusing = PreprocessingConfig(normalise="none")
    with pytest.raises(InputError, match=r"t1\.nii\.gz does not lie on the grid of .*flair\.nii\.gz"):
        above_level(110, channels=("FLAIR", "T1"), preprocessing=refusing).predict(images)
    asked = PreprocessingConfig(normalise="none", align="resample")
    prediction = above_level(110, channels=("FLAIR", "T1"), preprocessing=asked).predict(images)
    np.testing.assert_array_equal(prediction.mask, flair > 110)
    assert "t1.nii.gz does not lie on the grid" in caplog.text


def test_align_can_be_asked_for_at_prediction(write_model: Callable[..., Path]) -> None:
    settings = read_settings(write_model())
    assert settings.preprocessing.align == "refuse"
    changed = Changes(align="resample").applied(settings)
    assert changed.preprocessing == settings.preprocessing.model_copy(update={"align": "resample"})


def test_a_missing_channel_is_zero_where_that_is_asked_for(
    write_model: Callable[..., Path], write_image: Callable[..., Path]
) -> None:
    folder, flair = write_model(channels=("T1", "FLAIR")), write_image("flair.nii.gz")
    with pytest.raises(InputError, match="the model needs the channel T1 as well"):
        load_model(folder, device="cpu", precision="fp32").predict({"FLAIR": flair})
    lenient = load_model(folder, device="cpu", precision="fp32", missing="zero")
    case = lenient.prepare({"FLAIR": flair})
    assert not case.prepared.data[0].any()
    assert case.prepared.data[1].any()
    assert lenient.predict({"FLAIR": flair}).mask.shape == (20, 18, 22)
    with pytest.raises(InputError, match="the model needs the channel T1, FLAIR"):
        lenient.predict({})
