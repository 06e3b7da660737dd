import threading

import nibabel as nib
import numpy as np
import pytest

from msseg.errors import InputError
from msseg.inference.batch import predict_batch
from msseg.inference.inputs import inputs_from_arguments
from msseg.inference.prediction import Prediction
from msseg.inference.predictor import load_model


def test_every_case_gets_its_files(tmp_path, write_model, write_image):
    files = [write_image("in/a.nii.gz", seed=1), write_image("in/b.nii", seed=2, shape=(18, 18, 18))]
    predictor = load_model(write_model(), precision="fp32")
    inputs = inputs_from_arguments([tmp_path / "in"], predictor.channels)
    results = list(predict_batch(predictor, inputs, tmp_path / "out" / "new", probability=True, threshold=0.4))
    names = {path.name for path in (tmp_path / "out" / "new").iterdir()}
    assert names == {"a_mask.nii.gz", "a_probability.nii.gz", "b_mask.nii", "b_probability.nii"}
    for file, result in zip(files, results, strict=True):
        assert result.error is None
        assert result.seconds > 0
        mask, probability = (np.asarray(nib.load(path).dataobj) for path in result.outputs)
        alone = predictor.predict(file, threshold=0.4)
        np.testing.assert_array_equal(mask, alone.mask)
        np.testing.assert_array_equal(probability, alone.probability)


def test_without_probability_there_is_the_mask_alone(tmp_path, write_image, above_level):
    predictor = above_level(50.0)
    inputs = inputs_from_arguments([write_image()], predictor.channels)
    (result,) = predict_batch(predictor, inputs, tmp_path / "out")
    assert [path.name for path in result.outputs] == ["case_mask.nii.gz"]
    assert list((tmp_path / "out").iterdir()) == list(result.outputs)


def test_bad_cases_do_not_stop_the_others(tmp_path, write_image, above_level):
    good = [write_image("in/a.nii.gz"), write_image("in/d.nii.gz")]
    (tmp_path / "in/b.nii.gz").write_bytes(good[0].read_bytes()[:300])
    (tmp_path / "in/c.nii.gz").write_text("not a volume")
    predictor = above_level(50.0)
    inputs = inputs_from_arguments([tmp_path / "in", tmp_path / "missing.nii.gz"], predictor.channels)
    results = list(predict_batch(predictor, inputs, tmp_path / "out"))
    assert [result.input.name for result in results] == ["a", "b", "c", "d", "missing"]
    assert [isinstance(result.error, InputError) for result in results] == [False, True, True, False, True]
    assert all(result.outputs == () for result in results if result.error)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_mask.nii.gz", "d_mask.nii.gz"]


def test_a_case_without_all_channels_fails_alone(tmp_path, write_image, above_level):
    write_image("f/p1.nii.gz"), write_image("f/p2.nii.gz"), write_image("t/p1.nii.gz")
    predictor = above_level(50.0, channels=("FLAIR", "T1"))
    arguments = [f"FLAIR={tmp_path / 'f'}", f"T1={tmp_path / 't'}"]
    results = list(predict_batch(predictor, inputs_from_arguments(arguments, predictor.channels), tmp_path / "out"))
    assert results[0].error is None
    assert "needs the channel T1 as well" in str(results[1].error)


def test_a_fault_of_ours_in_one_case_does_not_stop_the_others(tmp_path, write_image, above_level, monkeypatch):
    predictor = above_level(50.0)
    compute = predictor.predict_prepared
    faults = iter([ZeroDivisionError("a fault"), None])

    def sometimes(case, threshold):
        if fault := next(faults):
            raise fault
        return compute(case, threshold)

    monkeypatch.setattr(predictor, "predict_prepared", sometimes)
    inputs = inputs_from_arguments([write_image("a.nii"), write_image("b.nii")], predictor.channels)
    first, second = predict_batch(predictor, inputs, tmp_path / "out")
    assert isinstance(first.error, ZeroDivisionError)
    assert second.error is None


def test_the_next_case_is_read_while_one_is_computed(tmp_path, write_image, above_level, monkeypatch):
    predictor = above_level(50.0)
    read, compute = predictor.prepare, predictor.predict_prepared
    second_is_read = threading.Event()

    def reading(images, *slices):
        if images["FLAIR"].name == "b.nii":
            second_is_read.set()
        return read(images, *slices)

    def computing(case, threshold):
        assert second_is_read.wait(timeout=30), "the second case was not read while the first was computed"
        return compute(case, threshold)

    monkeypatch.setattr(predictor, "prepare", reading)
    monkeypatch.setattr(predictor, "predict_prepared", computing)
    inputs = inputs_from_arguments([write_image("a.nii"), write_image("b.nii")], predictor.channels)
    assert [result.error for result in predict_batch(predictor, inputs, tmp_path / "out")] == [None, None]


def test_results_come_one_by_one(tmp_path, write_image, above_level):
    predictor = above_level(50.0)
    inputs = inputs_from_arguments([write_image(f"{name}.nii") for name in "abc"], predictor.channels)
    results = predict_batch(predictor, inputs, tmp_path / "out")
    next(results)  # while it is written, the second is computed
    assert (tmp_path / "out" / "a_mask.nii").exists()
    assert not (tmp_path / "out" / "c_mask.nii").exists()
    results.close()


@pytest.mark.parametrize("place", ["occupied", "occupied/below"])
def test_an_output_folder_that_cannot_be_is_refused_before_computing(tmp_path, write_image, above_level, place):
    (tmp_path / "occupied").write_text("a file")
    predictor = above_level(50.0)
    inputs = inputs_from_arguments([write_image()], predictor.channels)
    with pytest.raises(InputError, match=r"the output folder .* cannot be written to"):
        predict_batch(predictor, inputs, tmp_path / place)


def test_an_output_never_replaces_an_input(tmp_path, write_image, above_level):
    files = [write_image("a.nii"), write_image("a_mask.nii")]
    predictor = above_level(50.0)
    with pytest.raises(InputError, match=r"a_mask.nii would replace an input"):
        predict_batch(predictor, inputs_from_arguments(files, predictor.channels), tmp_path)


def test_an_impossible_threshold_is_refused_before_computing(tmp_path, write_image, above_level):
    predictor = above_level(50.0)
    inputs = inputs_from_arguments([write_image()], predictor.channels)
    with pytest.raises(InputError, match="between 0 and 1"):
        predict_batch(predictor, inputs, tmp_path / "out", threshold=-0.5)
    assert not (tmp_path / "out").exists()


def test_no_inputs_give_no_results(tmp_path, above_level):
    assert list(predict_batch(above_level(50.0), [], tmp_path / "out")) == []


def test_a_case_is_written_while_the_next_one_is_computed(tmp_path, write_image, above_level, monkeypatch):
    predictor = above_level(50.0)
    compute, save = predictor.predict_prepared, Prediction.save
    second_begins, calls = threading.Event(), []

    def computing(case, threshold):
        calls.append(case)
        if len(calls) == 2:
            second_begins.set()
        return compute(case, threshold)

    def saving(prediction, path):
        assert second_begins.wait(20)
        save(prediction, path)

    monkeypatch.setattr(predictor, "predict_prepared", computing)
    monkeypatch.setattr(Prediction, "save", saving)
    inputs = inputs_from_arguments([write_image("a.nii"), write_image("b.nii")], predictor.channels)
    results = list(predict_batch(predictor, inputs, tmp_path / "out"))
    assert [result.error for result in results] == [None, None]
    assert all(result.seconds > 0 for result in results)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_mask.nii", "b_mask.nii"]
