"""Which engine computes, what an export has to be, and what is said where an engine cannot be had."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from msseg.errors import InputError
from msseg.inference.engines import check, load
from msseg.inference.engines.export import save_export
from msseg.inference.engines.store import Export, read_export
from msseg.inference.predictor import load_model
from msseg.model import CHECK_FILE, GRAPH_FILE, WEIGHTS_FILE, load_network, read_settings, save_model

pytest.importorskip("onnx")
pytest.importorskip("openvino")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with its export; to be copied, not changed."""
    import torch

    from msseg.config.inference import InferenceConfig
    from msseg.config.network import ResidualUNet3dConfig
    from msseg.config.preprocessing import PreprocessingConfig
    from msseg.model import ModelSettings
    from msseg.networks.registry import build_network

    folder = tmp_path_factory.mktemp("exported") / "model"
    torch.manual_seed(0)
    settings = ModelSettings(
        network=ResidualUNet3dConfig(base_channels=2),
        channels=("FLAIR",),
        preprocessing=PreprocessingConfig(),
        patch_size=(16, 16, 16),
        inference=InferenceConfig(),
    )
    save_model(folder, build_network(settings.network, in_channels=1), settings)
    assert save_export(folder)
    return folder


@pytest.fixture
def model(exported: Path, tmp_path: Path) -> Path:
    """The model folder with its export, to do with as one likes."""
    return Path(shutil.copytree(exported, tmp_path / "model"))


def name_of(model: Path, **wish: object) -> str:
    return load_model(model, **{"engine": "auto", "device": "cpu", **wish}).engines[0].name  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ which engine
def test_auto_takes_openvino_on_a_cpu(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert name_of(model) == "openvino"
    assert name_of(model, engine="torch") == "torch"
    assert load_model(model, "cpu").engines[0].name == "torch"
    monkeypatch.setattr(load, "GPU_FILES", ("/",))
    assert name_of(model, device="auto") == "torch"
    monkeypatch.setattr(load, "GPU_FILES", ("/nowhere/at/all",))
    assert name_of(model, device="auto") == "openvino"


def test_a_network_may_load_while_the_first_case_is_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert name_of(model, wait=False) == "openvino"
    (model / WEIGHTS_FILE).unlink()
    predictor = load_model(model, engine="auto", device="cpu", wait=False)
    assert predictor.channels == ("FLAIR",)
    for _ in range(2):
        with pytest.raises(InputError, match=WEIGHTS_FILE):
            _ = predictor.engines
    with pytest.raises(InputError, match=WEIGHTS_FILE):
        load_model(model, engine="auto", device="cpu")


def test_missing_weights_come_before_what_is_wrong_with_images(model: Path, tmp_path: Path) -> None:
    import nibabel as nib

    (model / WEIGHTS_FILE).unlink()
    image = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((16, 16, 16), np.float32), np.eye(4)), image)
    command = [sys.executable, "-m", "msseg", "predict", model, image, image, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert WEIGHTS_FILE in done.stderr
    assert "Traceback" not in done.stderr


def test_auto_goes_without_what_is_not_installed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "is_installed", lambda name: False)
    assert name_of(model) == "torch"


def test_a_missing_engine_is_named_with_what_installs_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msseg.inference.engines.installed.find_spec", lambda name: None)
    for engine, extra in (("openvino", "cpu"), ("onnxruntime", "onnx")):
        with pytest.raises(InputError, match=rf"{engine} is not installed: pip install 'msseg\[{extra}\]'"):
            name_of(model, engine=engine)
    (model / GRAPH_FILE).unlink()
    monkeypatch.setattr(load, "require_engine", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package onnx: pip install 'msseg\[cpu\]'"):
        name_of(model, engine="openvino")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"engine": "tensorrt"}, "the engine 'tensorrt' is unknown: give auto, torch, openvino, onnxruntime"),
        ({"engine": "openvino", "device": "cuda"}, "openvino computes on the CPU, not on cuda"),
        ({"engine": "openvino", "precision": "fp16"}, "openvino does not compute in fp16"),
        ({"engine": "onnxruntime", "precision": "bf16"}, "onnxruntime does not compute in bf16"),
        ({"engine": "openvino", "precision": "int8"}, "the precision 'int8' is unknown"),
        ({"precision": "int8"}, "the precision 'int8' is unknown"),
        ({"device": "tpu"}, "the device 'tpu' is unknown"),
    ],
)
def test_impossible_wishes_are_refused(model: Path, wish: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        name_of(model, **wish)


def test_engines_predict_the_same_files(model: Path, write_image: Callable[..., Path]) -> None:
    image = write_image()
    each = [load_model(model, "cpu", "fp32", engine=name).predict(image) for name in ("torch", "openvino")]
    np.testing.assert_allclose(each[1].probability, each[0].probability, atol=1e-4)
    two = load_model([model, model], "cpu", "fp32", engine="openvino").predict(image)
    np.testing.assert_allclose(two.probability, each[1].probability, atol=1e-6)


# ------------------------------------------------------------------------------------------ the export
def export_of(folder: Path) -> Export | None:
    return read_export(folder, read_settings(folder))


def test_training_s_export_is_checked_in_every_engine(exported: Path) -> None:
    made = export_of(exported)
    assert made is not None
    assert [engine.split()[0] for engine in made.about.checked] == ["openvino", "onnxruntime"]


def test_an_export_is_made_when_it_is_first_asked_for(model: Path) -> None:
    for name in (GRAPH_FILE, CHECK_FILE):
        (model / name).unlink()
    assert export_of(model) is None
    assert name_of(model) == "openvino"
    made = export_of(model)
    assert made is not None
    assert [engine.split()[0] for engine in made.about.checked] == ["openvino"]
    assert name_of(model, engine="onnxruntime") == "onnxruntime"
    assert len(export_of(model).about.checked) == 2  # type: ignore[union-attr]
    assert not list(model.glob(".*"))


@pytest.mark.parametrize("harm", ["no graph", "short graph", "other graph", "no check", "short check", "pickled check"])
def test_a_damaged_export_is_made_anew(model: Path, harm: str) -> None:
    graph, check_file = model / GRAPH_FILE, model / CHECK_FILE
    if harm == "no graph":
        graph.unlink()
    elif harm == "short graph":
        graph.write_bytes(graph.read_bytes()[:-100])
    elif harm == "other graph":
        graph.write_bytes(b"something else")
    elif harm == "no check":
        check_file.unlink()
    elif harm == "short check":
        check_file.write_bytes(check_file.read_bytes()[:-100])
    else:
        np.savez(check_file, about=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert export_of(model) is None
    assert name_of(model) == "openvino"
    assert export_of(model) is not None


def test_an_export_of_other_weights_is_none(model: Path, write_model: Callable[..., Path]) -> None:
    other = write_model("other", seed=3)
    for name in (GRAPH_FILE, CHECK_FILE):
        shutil.copy(model / name, other / name)
    assert export_of(other) is None
    with (model / WEIGHTS_FILE).open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="has changed since it was written"):
        name_of(model)


def test_answers_that_differ_are_not_used(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(check, "_version", lambda name: "0.0")  # a version that the export was not checked with
    monkeypatch.setattr(check, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match=r"openvino 0\.0 does not compute the model .* as PyTorch does"):
        name_of(model, engine="openvino")
    assert name_of(model) == "torch"
    assert "PyTorch computes it" in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_auto_makes_no_export_that_would_not_stay(model: Path) -> None:
    (model / GRAPH_FILE).unlink()
    model.chmod(0o500)
    try:
        assert name_of(model) == "torch"
        assert name_of(model, engine="openvino") == "openvino"
    finally:
        model.chmod(0o700)


def test_auto_leaves_the_box_as_it_was_installed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model / GRAPH_FILE).unlink()
    monkeypatch.setattr(load, "box_folder", lambda: model.parent)
    assert name_of(model) == "torch"
    assert not (model / GRAPH_FILE).exists()


def test_a_model_is_written_over_one_with_an_export(model: Path) -> None:
    """The old export goes with the old model."""
    network, settings = load_network(model)
    save_model(model, network, settings)
    assert sorted(path.name for path in model.iterdir()) == ["model.safetensors", "model.yaml"]


def test_networks_without_an_export(write_model: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    from msseg.config.network import MCDNNConfig

    columns = ({"window": 63, "transform": "foveation"},)
    network = MCDNNConfig.model_validate({"base_channels": 2, "neurons": 4, "columns": columns})
    folder = write_model("windows", network=network)
    assert not save_export(folder)
    assert name_of(folder) == "torch"
    assert not caplog.text
    with pytest.raises(InputError, match="columns with foveation or non-uniform sampling go window by window"):
        name_of(folder, engine="openvino")


# ------------------------------------------------------------------------------------------ lightness
HEAVY = ("torch", "monai", "lightning", "torchio", "scipy.ndimage", "h5py", "tifffile", "matplotlib", "skimage", "onnx")


def test_the_command_predicts_without_torch(model: Path, write_image: Callable[..., Path], tmp_path: Path) -> None:
    program = f"""
import sys
from msseg.cli.main import main
sys.argv = ["msseg", "predict", *sys.argv[1:]]
main()
print("imported:", *sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    arguments = [str(model), str(write_image()), "--out", str(tmp_path / "out"), "--device", "cpu"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("imported:"), done.stdout
    assert (tmp_path / "out" / "case_mask.nii.gz").exists()


def test_the_dry_run_tells_the_engine_and_writes_nothing(
    msseg: Callable, model: Path, write_image: Callable[..., Path], tmp_path: Path
) -> None:
    answer = msseg("predict", model, write_image(), "--out", tmp_path / "out", "--device", "cpu", "--dry-run")
    assert answer.code == 0, answer.err
    assert answer.out.startswith("openvino, ")
    assert "of 16 x 16 x 16" in answer.out
    assert not (tmp_path / "out").exists()
