"""The benchmarks: what they share counts correctly, and every script runs on small sizes."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py"))
SHARED = {"harness.py", "tables.py", "given.py", "launcher.py"}
MIB = 2**20


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Import a script as it is imported where it is run: the others lie beside it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("harness", "tables", "given"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def named(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return named


def run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, FOLDER / script, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


# ---------------------------------------------------------------------------------------- measuring


def test_contenders_take_turns(load) -> None:  # type: ignore[no-untyped-def]
    order: list[str] = []
    contenders = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    results = load("harness").compare("letters", contenders, rounds=3, warm_up=1)
    assert order == ["a", "b"] + ["a", "b"] * 3
    assert [(result.comparison, result.name, len(result.rounds)) for result in results] == [
        ("letters", "a", 3),
        ("letters", "b", 3),
    ]


def test_calls_are_timed_and_add_their_figures(load) -> None:  # type: ignore[no-untyped-def]
    answers = iter([{"maps": 1, "what": "words"}, {"maps": 3}, {"maps": 2}])

    def call() -> dict[str, object]:
        time.sleep(0.02)
        return next(answers)

    (result,) = load("harness").compare("sleep", {"call": call}, rounds=3, warm_up=0)
    assert result.seconds >= 0.02
    assert set(result.median) == {"seconds", "processor_s", "maps"}
    assert result.median["processor_s"] < 0.01  # it slept
    assert result.median["maps"] == 2


def test_processes_tell_their_own_peak_memory(load) -> None:  # type: ignore[no-untyped-def]
    """A child of a large process starts with that one's peak; what is told is the child's own."""
    ballast = np.ones(60 * MIB, dtype=np.uint8)
    commands = {
        "small": [sys.executable, "-c", "pass"],
        "large": [sys.executable, "-c", f"bytearray(b'1') * {80 * MIB}"],
    }
    small, large = load("harness").compare_commands("memory", commands, rounds=1)
    assert small.median["peak_mib"] < ballast.nbytes / MIB
    assert large.median["peak_mib"] - small.median["peak_mib"] == pytest.approx(80, abs=8)
    assert 0 < small.median["processor_s"] < 10


def test_the_last_line_of_a_process_adds_figures(load) -> None:  # type: ignore[no-untyped-def]
    program = 'print(\'{"not": 1}\'); print(\'{"file_to_file_s": 2.5, "name": "x"}\')'
    (result,) = load("harness").compare_commands("output", {"child": [sys.executable, "-c", program]}, rounds=1)
    assert result.median["file_to_file_s"] == 2.5
    assert not {"not", "name"} & set(result.median)


def test_a_failing_process_ends_the_benchmark_with_its_words(load) -> None:  # type: ignore[no-untyped-def]
    command = [sys.executable, "-c", "raise SystemExit('no such volume')"]
    with pytest.raises(SystemExit, match=r"failed \(1\)[\s\S]*no such volume"):
        load("harness").run_command(command)


# ---------------------------------------------------------------------------------------- tables


def test_tables_show_medians_and_ratios(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    harness = load("harness")
    ours = harness.Result("patch", "msseg", tuple({"seconds": s, "peak_mib": 100.0} for s in (9.0, 1.0, 2.0)))
    peer = harness.Result("patch", "peer", ({"seconds": 5.0, "peak_mib": 300.0},), {"dsc_with_truth": 0.87654})
    aims = [harness.Target("time", 2.0, at_most=2.5), harness.Target("gain", 2.5, at_least=3)]
    path = harness.write_results("area", [ours, peer], {"rounds": 3}, aims, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "| msseg | 2.00 | 100 |  | 1.00 | 1.00 |" in text
    assert "| peer | 5.00 | 300 | 0.8765 | 2.50 | 3.00 |" in text
    assert "| time | at most 2.5 | 2 | met |" in text
    assert "| gain | at least 3 | 2.5 | **not met** |" in text
    report = json.loads((tmp_path / "area.json").read_text(encoding="utf-8"))
    assert report["comparisons"]["patch"]["msseg"]["median"]["seconds"] == 2
    assert [aim["met"] for aim in report["targets"]] == [True, False]
    assert {"commit", "processor", "python", "numpy", "rounds"} <= set(report)


def test_results_name_no_folders(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tables = load("tables")
    assert tables.without_folder(tmp_path / "flair.nii.gz") == "flair.nii.gz"
    assert tables.without_folder("data/flair.nii.gz") == "data/flair.nii.gz"


# ---------------------------------------------------------------------------------------- scripts


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in SHARED])
def test_every_script_tells_how_it_is_run(script: str) -> None:
    module = ast.parse((FOLDER / script).read_text(encoding="utf-8"))
    assert f"python benchmarks/{script}" in (ast.get_docstring(module) or "")


@pytest.mark.parametrize("script", ["startup", "metrics", "inference", "scaling", "equal_minutes"])
def test_scripts_know_the_common_options(script: str) -> None:
    done = run(f"{script}.py", "--help")
    assert done.returncode == 0, done.stderr
    assert all(option in done.stdout for option in ("--rounds", "--threads", "--device", "--out", "--tiny"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "area", ["startup", "metrics", "augmentation", "training", "inference", "scaling", "equal_minutes"]
)
def test_every_area_runs_on_small_sizes(area: str, tmp_path: Path) -> None:
    arguments = ["--only", "msseg predict", "MONAI, cropped"] if area == "inference" else []
    for package in {
        "startup": ["openvino", "nnunetv2"],
        "scaling": ["nnunetv2"],
        "inference": ["onnxruntime"],
        "equal_minutes": ["nnunetv2"],
    }.get(area, []):
        pytest.importorskip(package)
    done = run(f"{area}.py", "--tiny", "--out", tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / f"{area}.json").read_text(encoding="utf-8"))
    assert report["comparisons"]
    assert report["targets"]


def test_a_contender_is_found_by_a_word_of_its_name(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    inference = load("inference")
    arguments = inference.parse(["--only", "TorchIO", "onnx", "--device", "cpu"])
    commands, masks = inference.contenders(tmp_path / "model", tmp_path / "x.nii.gz", tmp_path, arguments)
    assert list(commands) == list(masks) == ["msseg predict, onnxruntime fp32", "TorchIO"]
    assert commands["msseg predict, onnxruntime fp32"][-4:] == ["--engine", "onnxruntime", "--precision", "fp32"]
    assert [path.name for path in masks.values()] == ["x_mask.nii.gz", "torchio.nii.gz"]


def test_on_a_gpu_only_pytorch_computes(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    inference = load("inference")
    commands, _ = inference.contenders(
        tmp_path / "model", tmp_path / "x.nii", tmp_path, inference.parse(["--device", "cuda"])
    )
    assert not [name for name in commands if "openvino" in name or "onnx" in name]
    assert {"msseg predict", "msseg predict, torch fp32", "MONAI", "nnU-Net"} <= set(commands)


def test_aims_of_prediction_follow_from_the_figures(load) -> None:  # type: ignore[no-untyped-def]
    inference, harness = load("inference"), load("harness")
    rows = {inference.OURS: (2.0, 500.0), "MONAI": (50.0, 1200.0), "nnU-Net, its crop to non-zero": (9.0, 900.0)}
    results = [
        harness.Result("files", name, ({"seconds": seconds, "peak_mib": peak},), {"dsc_with_reference": 0.9995})
        for name, (seconds, peak) in rows.items()
    ]
    aims = {aim.what: (aim.measured, aim.met) for aim in inference.targets(results)}
    assert aims["times faster than MONAI"] == (25, True)
    assert aims["times faster than nnU-Net, its crop to non-zero"] == (4.5, False)
    assert aims["peak memory / that of nnU-Net, its crop to non-zero"] == (pytest.approx(5 / 9), False)
    assert aims["DSC with the reference"] == (0.9995, True)


def test_the_figure_shows_the_peers_and_leaves_out_the_rest(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    harness, figure = load("harness"), load("figure")
    names = ("msseg predict", "msseg predict, torch fp32", "MONAI", "TorchIO")
    results = [
        harness.Result("One image file to one mask file", name, ({"seconds": 1.0 + place},))
        for place, name in enumerate(names)
    ]
    assert not figure.figure(tmp_path, tmp_path / "speed.png")
    harness.write_results("inference", results, out=tmp_path)
    ((_, seconds, _),) = figure.panels(tmp_path)
    assert seconds == {"msseg predict": 1, "MONAI": 3, "TorchIO": 4}
    assert figure.figure(tmp_path, tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 1000


def test_masks_are_compared_on_the_grid_of_the_image(load, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A peer's mask, turned and cropped, is the same mask."""
    given = load("given")
    nib = pytest.importorskip("nibabel")
    mask = np.zeros((20, 24, 16), np.uint8)
    mask[3:8, 5:9, 2:7] = 1
    affine = np.diag([-1.0, 1, 2, 1])
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "image.nii.gz")
    turned = nib.as_closest_canonical(nib.Nifti1Image(mask, affine)).slicer[8:, 4:, :10]
    nib.save(turned, tmp_path / "mask.nii.gz")
    found = given.on_grid(tmp_path / "mask.nii.gz", tmp_path / "image.nii.gz")
    assert given.dsc(found, mask > 0) == 1
    assert given.dsc(np.roll(found, 1, axis=0), mask > 0) == pytest.approx(0.8)
