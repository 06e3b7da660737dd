"""Electron microscopy by the commands: train, predict, evaluate on a small generated stack; and bad input."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "em" / "isbi2012_sf_network.yaml"
TINY_EM = (
    "patches.size=[32,32,1]", "patches.margin=8", "patches.per_volume=2", "network.base_channels=4",
    "training.epochs=1", "training.validate_every=1", "schedule.warmup_epochs=0", "training.workers=0",
    "training.threads=1", "training.precision=fp32", "evaluation.bootstrap=20",
)  # fmt: skip
SPLIT = ("split.train=1-3", "split.validation=4", "split.test=5-6")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    from msseg.volumes.phantom.em_stack import write_em_stack

    folder = tmp_path_factory.mktemp("em")
    write_em_stack(folder, slices=6, size=64, seed=1, name="s")
    return folder


@pytest.fixture(scope="module")
def em_run(msseg, stack, tmp_path_factory):
    out = tmp_path_factory.mktemp("em_run") / "run"
    answer = msseg("run", CONFIG, "--data", stack, "--out", out, *TINY_EM, *SPLIT)
    assert answer.code == 0, answer.err
    return out, answer


def test_a_run_trains_predicts_and_scores_slices(em_run):
    out, answer = em_run
    assert "V_rand" in answer.out
    assert "near each other look alike" in answer.err
    assert (out / "report.html").exists()
    mask, probability, segments = (
        tifffile.imread(out / "EM" / "predictions" / f"s_{name}.tif") for name in ("mask", "probability", "instances")
    )
    assert mask.shape == probability.shape == segments.shape == (2, 64, 64)
    assert (mask.dtype, probability.dtype, segments.dtype) == (np.uint8, np.float32, np.uint16)
    assert set(np.unique(mask)) <= {0, 255}
    np.testing.assert_array_equal(mask == 255, probability > 0.5)


def test_the_threshold_of_segments_is_chosen_and_stored(em_run):
    settings = yaml.safe_load((em_run[0] / "EM" / "model" / "model.yaml").read_text())
    assert 0 < settings["inference"]["segment_threshold"] < 1


def test_the_epochs_table_has_the_tasks_score(em_run):
    header, row = (em_run[0] / "EM" / "epochs.csv").read_text().splitlines()
    assert header.split(",")[3:5] == ["val_dsc", "val_v_rand"]
    assert 0 <= float(row.split(",")[4]) <= 1


def test_a_run_is_resumed_without_repeating(em_run, msseg, stack):
    answer = msseg("run", CONFIG, "--data", stack, "--out", em_run[0], "--resume", *TINY_EM, *SPLIT)
    assert answer.code == 0, answer.err
    assert "already trained" in answer.out
    assert "already evaluated" in answer.out


def test_a_stack_is_predicted_as_the_run_predicted_it(em_run, msseg, stack, tmp_path):
    answer = msseg("predict", em_run[0], stack / "s-volume.tif", "--out", tmp_path, "--probability")
    assert answer.code == 0, answer.err
    whole = tifffile.imread(tmp_path / "s-volume_probability.tif")
    test = tifffile.imread(em_run[0] / "EM" / "predictions" / "s_probability.tif")
    np.testing.assert_allclose(whole[4:], test, atol=0.02)  # bf16 of slices in another batch
    assert tifffile.imread(tmp_path / "s-volume_instances.tif").dtype == np.uint16


def test_the_challenges_submission(em_run, msseg, stack, tmp_path):
    answer = msseg("predict", em_run[0], stack / "s-volume.tif", "--out", tmp_path, "--format", "isbi2012")
    assert answer.code == 0, answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["s-volume_isbi2012.tif"]
    with tifffile.TiffFile(tmp_path / "s-volume_isbi2012.tif") as file:
        assert len(file.pages) == 6
        submission = file.asarray()
    assert submission.dtype == np.float32
    assert submission.min() >= 0
    assert submission.max() <= 1


def test_single_slices_and_other_files(em_run, msseg, stack, tmp_path):
    import h5py
    from PIL import Image

    pages = tifffile.imread(stack / "s-volume.tif")
    Image.fromarray(pages[0]).save(tmp_path / "slice.png")
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["main"] = pages[:2]
    out = tmp_path / "out"
    answer = msseg(
        "predict", em_run[0], tmp_path / "slice.png", tmp_path / "stack.h5", "--out", out, "--segment", "none"
    )
    assert answer.code == 0, answer.err
    assert sorted(path.name for path in out.iterdir()) == ["slice_mask.tif", "stack_mask.tif"]
    np.testing.assert_array_equal(
        tifffile.imread(out / "slice_mask.tif"), tifffile.imread(out / "stack_mask.tif", key=0)
    )


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_sixteen_bits_and_floats_give_the_same_mask(em_run, msseg, stack, tmp_path, kind):
    pages = tifffile.imread(stack / "s-volume.tif")[:1]
    for name, values in (("a", pages), ("b", pages.astype(kind) * kind(3))):
        tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric="minisblack")
    answer = msseg("predict", em_run[0], tmp_path / "a.tif", tmp_path / "b.tif", "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    first, second = (tifffile.imread(tmp_path / "out" / f"{name}_mask.tif") for name in "ab")
    assert (first == second).mean() > 0.999


def test_neighbouring_slices_as_channels(msseg, stack, tmp_path):
    answer = msseg(
        "run", CONFIG, "--data", stack, "--out", tmp_path / "run", "preprocessing.context=1", *TINY_EM, *SPLIT
    )
    assert answer.code == 0, answer.err
    tifffile.imwrite(tmp_path / "one.tif", tifffile.imread(stack / "s-volume.tif", key=0))
    answer = msseg("predict", tmp_path / "run", tmp_path / "one.tif", "--out", tmp_path)
    assert answer.code == 0, answer.err
    assert "single slice" in answer.err


@pytest.mark.parametrize(
    ("network", "size"),
    [
        ("{name: unet2d, padding: valid, base_channels: 2}", 188),
        ("{name: mcdnn, base_channels: 2, neurons: 4, columns: [{window: 63}]}", 71),
    ],
)
def test_networks_without_padding(msseg, stack, tmp_path, network, size):
    own = [entry for entry in TINY_EM if not entry.startswith(("network", "patches"))]
    settings = (f"network={network}", f"patches.size=[{size},{size},1]", "patches.margin=0", "patches.per_volume=1")
    more = ("inference.mirror=false", "inference.rotate=false")
    answer = msseg("run", CONFIG, "--data", stack, "--out", tmp_path / "run", *own, *SPLIT, *settings, *more)
    assert answer.code == 0, answer.err
    assert tifffile.imread(tmp_path / "run" / "EM" / "predictions" / "s_probability.tif").shape == (2, 64, 64)


def test_a_calibration_is_fitted_and_saved(msseg, stack, tmp_path):
    from msseg.model import load_network

    own = [entry for entry in TINY_EM if not entry.startswith(("network", "patches"))]
    network = "network={name: mcdnn, base_channels: 2, neurons: 4, columns: [{window: 63}]}"
    settings = ("patches.size=[71,71,1]", "patches.margin=0", "patches.per_volume=1", "inference.mirror=false")
    answer = msseg("train", CONFIG, "--data", stack, "--out", tmp_path / "run", network, *own, *SPLIT, *settings)
    assert answer.code == 0, answer.err
    fresh = load_network(tmp_path / "run" / "EM" / "model")[0]
    buffers = dict(fresh.named_buffers())
    calibration = next(value for name, value in buffers.items() if "calib" in name or "coeff" in name)
    assert calibration.numel() >= 4
    assert calibration.tolist() != [0, 1, 0, 0]


# ------------------------------------------------------------------------------------------ bad input


@pytest.fixture
def damaged(stack, tmp_path):
    """A copy of the stack whose pages can be replaced."""

    def save(name: str, pages: np.ndarray, **options: object) -> Path:
        for part in ("volume", "labels"):
            path = tmp_path / f"s-{part}.tif"
            if not path.exists():
                path.write_bytes((stack / path.name).read_bytes())
        tifffile.imwrite(tmp_path / f"s-{name}.tif", pages, **({"photometric": "minisblack"} | options))
        return tmp_path

    return save


def refused(answer, *words):
    assert answer.code == 2, answer.out + answer.err
    last = answer.err.strip().splitlines()[-1]
    assert "Traceback" not in answer.err
    for word in words:
        assert word in last


def test_labels_of_another_slice_count(msseg, damaged, tmp_path):
    data = damaged("labels", np.zeros((5, 64, 64), np.uint8))
    refused(msseg("run", CONFIG, "--data", data, "--out", tmp_path / "r", *TINY_EM, *SPLIT), "s-labels.tif", "5", "6")
    assert not (tmp_path / "r").exists()


def test_labels_of_another_shape(msseg, damaged, tmp_path):
    data = damaged("labels", np.zeros((6, 64, 60), np.uint8))
    refused(msseg("run", CONFIG, "--data", data, "--out", tmp_path / "r", *TINY_EM, *SPLIT), "64 x 60", "64 x 64")
    assert not (tmp_path / "r").exists()


def test_labels_of_three_values(msseg, damaged, stack, tmp_path):
    pages = tifffile.imread(stack / "s-labels.tif")
    pages[:, :4] = 100
    data = damaged("labels", pages)
    refused(
        msseg("run", CONFIG, "--data", data, "--out", tmp_path / "r", *TINY_EM, *SPLIT), "3 values", "label_meaning"
    )


def test_colours_where_grey_is_needed(msseg, em_run, tmp_path):
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((64, 64, 3), np.uint8) + np.uint8([1, 2, 3]), photometric="rgb")
    refused(msseg("predict", em_run[0], tmp_path / "c.tif", "--out", tmp_path / "o"), "c.tif", "RGB", "--colour grey")


def test_colours_turned_into_grey(msseg, em_run, stack, tmp_path):
    page = tifffile.imread(stack / "s-volume.tif", key=0)
    tifffile.imwrite(tmp_path / "c.tif", np.repeat(page[..., None], 3, axis=2), photometric="rgb")
    answer = msseg("predict", em_run[0], tmp_path / "c.tif", "--out", tmp_path / "o", "--colour", "grey")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (("split.train=1-3", "split.test=5-9"), ("9", "6")),
        (("split.train=1-4", "split.test=4-6"), ("4",)),
        (("split.train=3-1", "split.test=5-6"), ("3-1",)),
    ],
)
def test_slice_ranges(msseg, stack, tmp_path, split, words):
    answer = msseg("run", CONFIG, "--data", stack, "--out", tmp_path / "r", *TINY_EM, "split.validation=null", *split)
    refused(answer, *words)
    assert not (tmp_path / "r").exists()


def test_a_tile_below_the_receptive_field(msseg, stack, tmp_path):
    config = ROOT / "configs" / "em" / "isbi2012_unet2d.yaml"
    valid = ("network.padding=valid", "network.norm=batch")
    answer = msseg("run", config, "--data", stack, "--out", tmp_path / "r", *TINY_EM, *SPLIT, *valid)
    refused(answer, "32 x 32", "188")
    assert not (tmp_path / "r").exists()


def test_a_stack_that_is_cut_off(msseg, em_run, stack, tmp_path):
    content = (stack / "s-volume.tif").read_bytes()
    (tmp_path / "s.tif").write_bytes(content[: len(content) // 2])
    refused(msseg("predict", em_run[0], tmp_path / "s.tif", "--out", tmp_path / "o"), "s.tif")
    assert list((tmp_path / "o").iterdir()) == []


def test_hdf5_without_the_data_set(msseg, em_run, tmp_path):
    import h5py

    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["volumes/raw"] = np.zeros((2, 64, 64))
    refused(msseg("predict", em_run[0], tmp_path / "s.h5", "--out", tmp_path / "o"), "main", "volumes/raw")
