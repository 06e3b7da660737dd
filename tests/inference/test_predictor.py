import itertools
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import torch

import msseg
from msseg.config.inference import InferenceConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.errors import InputError
from msseg.inference.predictor import Predictor, load_model
from msseg.inference.windows import predict_windows
from msseg.model import load_network
from msseg.volumes.files import read_volume
from msseg.volumes.preprocessing import prepare

ORIENTATIONS = [
    "".join(axis[side] for axis, side in zip(order, sides, strict=True))
    for order in itertools.permutations(["LR", "PA", "IS"])
    for sides in itertools.product((0, 1), repeat=3)
]


def oriented_affine(codes):
    affine = np.diag([1.0, 1.5, 2.0, 1.0]) @ nib.orientations.inv_ornt_aff(
        nib.orientations.axcodes2ornt(codes), (7, 6, 5)
    )
    affine[:3, 3] += (-90, 12.5, 3)
    return affine


def oblique_affine():
    turn = nib.eulerangles.euler2mat(0.3, -0.2, 0.15)
    return nib.affines.from_matvec(turn @ np.diag([0.9, 1.2, 3.0]), (-80, -100, 40))


def save_codes(path, data, affine, qform, sform):
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, qform)
    image.set_sform(affine, sform)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


# ------------------------------------------------------------------------------------------ the input's grid
@pytest.mark.parametrize("orientation", ["RAS", "keep"])
@pytest.mark.parametrize("codes", [*ORIENTATIONS, "oblique"])
def test_a_prediction_lies_exactly_on_the_input_s_grid(codes, orientation, tmp_path, above_level):
    affine = oblique_affine() if codes == "oblique" else oriented_affine(codes)
    data = np.zeros((7, 6, 5), dtype=np.float32)
    data[1:6, 2:5, 1:4] = np.random.default_rng(0).uniform(1, 100, (5, 3, 3))
    save_codes(tmp_path / "case.nii", data, affine, qform=1, sform=4)
    predictor = above_level(50.0, preprocessing=PreprocessingConfig(normalise="none", orientation=orientation))
    prediction = predictor.predict(tmp_path / "case.nii")
    np.testing.assert_array_equal(prediction.mask, data > 50)
    np.testing.assert_allclose(prediction.affine, affine, atol=1e-5)

    prediction.save(tmp_path / "mask.nii.gz")
    prediction.save_probability(tmp_path / "probability.nii")
    source = nib.load(tmp_path / "case.nii")
    for name, expected in [("mask.nii.gz", data > 50), ("probability.nii", prediction.probability)]:
        written = nib.load(tmp_path / name)
        np.testing.assert_array_equal(np.asarray(written.dataobj), expected)
        np.testing.assert_array_equal(written.affine, source.affine)
        for form in ("qform", "sform"):
            there, here = (getattr(image, f"get_{form}")(coded=True) for image in (written, source))
            np.testing.assert_array_equal(there[0], here[0])
            assert there[1] == here[1]
        assert written.header.get_xyzt_units() == source.header.get_xyzt_units()


@pytest.mark.real
def test_a_prediction_lies_on_a_real_file_s_grid(shared_data, tmp_path, above_level):
    (path,) = (shared_data / "openms" / "patient07").glob("FLAIR_*.nii.gz")
    source = nib.load(path)
    data = source.get_fdata(dtype=np.float32)
    level = float(np.percentile(data[data > 0], 90))
    above_level(level, patch=48).predict(path).save(tmp_path / "mask.nii.gz")
    written = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(written.affine, source.affine)
    assert nib.aff2axcodes(written.affine) == ("L", "A", "S")
    # Blending rounds: voxels next to the level may fall on either side.
    clear = np.abs(data - level) > 1e-4 * level
    np.testing.assert_array_equal(np.asarray(written.dataobj)[clear], (data > level)[clear])


def test_types_on_disk(tmp_path, write_image, above_level):
    prediction = above_level(50.0).predict(write_image())
    assert prediction.mask.dtype == bool
    assert prediction.probability.dtype == np.float32
    prediction.save(tmp_path / "mask.nii.gz")
    prediction.save_probability(tmp_path / "probability.nii.gz")
    assert nib.load(tmp_path / "mask.nii.gz").get_data_dtype() == np.uint8
    assert nib.load(tmp_path / "probability.nii.gz").get_data_dtype() == np.float32


def test_names_that_are_no_nifti_are_refused(tmp_path, write_image, above_level):
    prediction = above_level(50.0).predict(write_image())
    with pytest.raises(InputError, match=r"has to end in .nii.gz or .nii"):
        prediction.save(tmp_path / "mask.png")
    assert not (tmp_path / "mask.png").exists()


# ------------------------------------------------------------------------------------------ one model
def test_predicts_what_the_network_says_about_the_prepared_volume(write_model, write_image):
    folder, image = write_model(), write_image()
    network, settings = load_network(folder)
    prepared = prepare([read_volume(image)], settings.preprocessing)
    expected = predict_windows(network, torch.from_numpy(prepared.data), settings.patch_size)
    prediction = msseg.load_model(folder, precision="fp32").predict(image)
    inside = prepared.grid.to_network(prediction.probability)
    np.testing.assert_allclose(inside, expected.numpy(), atol=1e-5)
    assert 0 < prediction.mask.mean() < 1
    assert prediction.probability[0].max() == 0  # outside the crop


def test_bf16_is_close_to_fp32(write_model, write_image):
    folder, image = write_model(), write_image()
    full, half = (load_model(folder, "cpu", precision).predict(image) for precision in ("fp32", "bf16"))
    difference = np.abs(full.probability - half.probability)
    assert 0 < difference.max() < 0.1
    assert difference.mean() < 0.01


def test_thresholds(write_model, write_image):
    image = write_image()
    predictor = load_model(write_model(inference=InferenceConfig(threshold=0.6)), precision="fp32")
    prediction = predictor.predict(image)
    np.testing.assert_array_equal(prediction.mask, prediction.probability > 0.6)
    np.testing.assert_array_equal(predictor.predict(image, threshold=0.3).mask, prediction.probability > 0.3)
    assert not predictor.predict(image, threshold=1.0).mask.any()
    with pytest.raises(InputError, match="lies between 0 and 1, but is 50"):
        predictor.predict(image, threshold=50)


def test_inference_settings_can_replace_the_model_s(write_model, write_image):
    folder, image = write_model(patch=28), write_image(shape=(32, 32, 32))

    def probability(**settings):
        return load_model(folder, precision="fp32", inference=InferenceConfig(**settings)).predict(image).probability

    plain = load_model(folder, precision="fp32").predict(image).probability
    np.testing.assert_array_equal(probability(), plain)
    assert np.abs(plain - probability(mirror=True)).max() > 1e-3
    # The crop leaves 30 voxels of each axis, and the network needs 32: one pass.
    network, _ = load_network(folder)
    prepared = prepare([read_volume(image)], PreprocessingConfig())
    assert prepared.data.shape[1:] == (30, 30, 30)
    with torch.inference_mode():
        whole = network(torch.nn.functional.pad(torch.from_numpy(prepared.data), (1,) * 6)[None])[0, 0].sigmoid()
    inside = (slice(1, -1),) * 3
    np.testing.assert_allclose(probability(window="fit")[inside], whole[inside], atol=1e-5)
    assert np.abs(plain - whole.numpy())[inside].max() > 1e-3


def test_threads_are_set(write_model):
    before = torch.get_num_threads()
    try:
        load_model(write_model(), threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_network_whose_output_is_not_finite_is_refused(write_image, above_level):
    with pytest.raises(InputError, match="not finite in fp32: try the precision fp32"):
        above_level(float("nan")).predict(write_image())


# ------------------------------------------------------------------------------------------ channels
def test_channels_go_to_the_network_in_its_order(write_image, above_level):
    first, second = write_image("a.nii.gz", seed=1), write_image("b.nii.gz", seed=2)
    predictor = above_level(50.0, channels=("T1", "FLAIR"))
    mask = predictor.predict({"FLAIR": first, "T1": str(second)}).mask
    np.testing.assert_array_equal(mask, read_volume(second).data > 50)


def test_unknown_and_missing_channels_are_named(write_image, above_level):
    image = write_image()
    predictor = above_level(50.0, channels=("FLAIR", "T1"))
    with pytest.raises(InputError, match="does not know the channel PD; it knows FLAIR, T1"):
        predictor.predict({"FLAIR": image, "T1": image, "PD": image})
    with pytest.raises(InputError, match="needs the channel T1 as well; it was trained on FLAIR, T1"):
        predictor.predict({"FLAIR": image})
    with pytest.raises(InputError, match="needs FLAIR, T1: give one file for each, FLAIR=FILE T1=FILE"):
        predictor.predict(image)


def test_channels_on_different_grids_are_refused(write_image, above_level):
    predictor = above_level(50.0, channels=("FLAIR", "T1"))
    images = {"FLAIR": write_image("a.nii.gz"), "T1": write_image("b.nii.gz", shape=(20, 18, 23))}
    with pytest.raises(InputError, match="does not lie on the grid of"):
        predictor.predict(images)


# ------------------------------------------------------------------------------------------ several models
def test_several_models_are_averaged(write_model, write_image, tmp_path):
    image = write_image()
    folders = [write_model(f"folds/{seed}/model", seed=seed) for seed in (1, 2)]
    each = [load_model(folder, precision="fp32").predict(image).probability for folder in folders]
    for path in (folders, tmp_path / "folds"):
        both = load_model(path, precision="fp32").predict(image).probability
        np.testing.assert_allclose(both, (each[0] + each[1]) / 2, atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 0.01


def test_models_that_cannot_be_averaged_are_refused(write_model, tmp_path):
    flair, t1 = write_model("run/FLAIR/model"), write_model("run/T1/model", channels=("T1",))
    with pytest.raises(InputError, match=r"models of different channels \(FLAIR and T1\).*name one"):
        load_model(tmp_path / "run")
    keep = write_model("keep", preprocessing=PreprocessingConfig(orientation="keep"))
    with pytest.raises(InputError, match="preprocess their input differently"):
        load_model([flair, keep])
    assert load_model(tmp_path / "run", channels=["T1"]).channels == ("T1",)
    with pytest.raises(InputError, match="no model of PD; there are models of FLAIR, T1"):
        load_model(tmp_path / "run", channels=["PD"])
    assert load_model(t1).channels == ("T1",)


def test_models_with_different_thresholds_need_a_given_one(write_model, write_image):
    image = write_image()
    low = write_model("low", inference=InferenceConfig(threshold=0.4))
    predictor = load_model([low, write_model("high")])
    with pytest.raises(InputError, match=r"different thresholds \(0.4, 0.5\): give one"):
        predictor.predict(image)
    assert predictor.predict(image, threshold=0.5).mask.shape == (20, 18, 22)


def test_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no model was given"):
        load_model([])
    with pytest.raises(InputError, match="does not exist"):
        load_model(tmp_path / "nowhere")


# ------------------------------------------------------------------------------------------ lightness
def test_predicting_imports_nothing_heavy_but_torch(write_model, write_image):
    program = """
import sys
import msseg
assert "torch" not in sys.modules
msseg.load_model(sys.argv[1]).predict(sys.argv[2])
heavy = {"lightning", "pytorch_lightning", "torchio", "monai", "pandas", "matplotlib", "SimpleITK", "skimage"}
assert "torch" in sys.modules
print(sorted(heavy & set(sys.modules)))
"""
    command = [sys.executable, "-c", program, str(write_model()), str(write_image())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_load_model_gives_a_predictor(write_model):
    assert isinstance(msseg.load_model(str(write_model())), Predictor)
