"""Input that cannot be used, from the command line: a sentence, exit code 2, nothing half-written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from msseg.config.folder import config_folder

CONFIG = config_folder() / "demo" / "residual_unet3d.yaml"


def refused(answer: Any, *parts: str) -> None:
    """One error line that holds all parts (warnings aside), no traceback, exit code 2."""
    assert answer.code == 2, answer.out + answer.err
    (line,) = [line for line in answer.err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ")
    for part in parts:
        assert part in line, line


@pytest.fixture
def model(trained_run: tuple[Path, Any]) -> Path:
    return trained_run[0] / "FLAIR"


@pytest.fixture
def data(small_cohort: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_cohort, tmp_path / "data"))


@pytest.fixture
def run(msseg: Callable[..., Any], tmp_path: Path, tiny: tuple[str, ...]) -> Callable[..., Any]:
    """msseg run over a data set, with settings."""
    return lambda data, *rest, channel="FLAIR": msseg(
        "run", CONFIG, "--data", data, "--out", tmp_path / "run", "--channel", channel, *tiny, *rest
    )


def nifti(change: Callable[[nib.Nifti1Header], object], shape: tuple[int, ...] = (20, 22, 18)) -> bytes:
    """A file of noise whose header was changed, behind the back of nibabel."""
    image = nib.Nifti1Image(np.random.default_rng(0).normal(100, 9, shape).astype(np.float32), np.diag([1, 1, 2, 1]))
    header = image.header.copy()
    header.set_data_offset(352)
    header.set_sform(image.affine, code=1)
    change(header)
    return bytes(header.binaryblock + bytes(4) + np.asarray(image.dataobj).tobytes(order="F"))


def spacing(value: float) -> Callable[[nib.Nifti1Header], object]:
    def change(header: nib.Nifti1Header) -> None:
        header["pixdim"][2] = value
        header["sform_code"] = 0
        header["qform_code"] = 1
        header["quatern_b"] = header["quatern_c"] = header["quatern_d"] = 0

    return change


def singular(header: nib.Nifti1Header) -> None:
    header["srow_y"] = header["srow_x"]


IMAGES: dict[str, tuple[bytes, str]] = {
    "zero spacing": (nifti(spacing(0)), "voxel size"),
    "NaN spacing": (nifti(spacing(float("nan"))), ""),
    "infinite spacing": (nifti(spacing(float("inf"))), ""),
    "singular affine": (nifti(singular), "affine"),
    "five dimensions": (nifti(lambda header: None, (4, 4, 4, 2, 3)), ""),
    "all zero": (nifti(lambda header: None)[:352] + bytes(4 * 20 * 22 * 18), ""),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_images_that_cannot_be_used(
    msseg: Callable[..., Any], run: Callable[..., Any], model: Path, data: Path, tmp_path: Path, kind: str
) -> None:
    """To predict, to train on, and to score."""
    content, words = IMAGES[kind]
    (tmp_path / "bad.nii").write_bytes(content)
    refused(msseg("predict", model, tmp_path / "bad.nii", "--out", tmp_path / "out"), "bad.nii", words)
    assert not list((tmp_path / "out").iterdir())
    (scan,) = data.rglob("training02_01_flair_pp.nii")
    scan.write_bytes(content)
    refused(run(data), "training02_01_flair_pp.nii", words)
    assert not (tmp_path / "run").exists()
    if kind != "all zero":  # which says that there is no lesion
        (truth,) = data.rglob("training01_01_mask1.nii")
        json = tmp_path / "scores.json"
        answer = msseg("evaluate", "--prediction", tmp_path / "bad.nii", "--truth", truth, "--json", json)
        refused(answer, "bad.nii", words)
        assert not json.exists()


def test_a_label_of_several_values_needs_to_be_told_which_count(
    run: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    for path in data.rglob("*mask1.nii"):
        image = nib.load(path)
        values = np.asarray(image.dataobj).astype(np.uint8)
        values[values > 0] = 1 + np.arange((values > 0).sum()) % 3
        nib.save(nib.Nifti1Image(values, image.affine), path)
    answer = run(data)
    refused(answer, "mask1.nii", "1", "2", "3", "label_values")
    assert not (tmp_path / "run").exists()
    answer = run(data, "data.label_values=[1,3]")
    assert answer.code == 0, answer.err


def test_a_channel_that_some_cases_lack(run: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    (missing,) = data.rglob("training02_01_t2_pp.nii")
    missing.unlink()
    refused(run(data, channel="FLAIR+T2W"), "training02", "T2W")
    assert not (tmp_path / "run").exists()
    skipped = run(data, "data.missing=skip", channel="FLAIR+T2W")
    assert skipped.code == 0, skipped.err
    assert "training02" in skipped.err
    assert "training02" not in (tmp_path / "run" / "split.json").read_text()
    shutil.rmtree(tmp_path / "run")
    filled = run(data, "data.missing=zero", channel="FLAIR+T2W")
    assert filled.code == 0, filled.err
    assert "training02" in (tmp_path / "run" / "split.json").read_text()


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ("name,T1\na,b.nii\n", ("table.csv", "case")),
        ("case,group,label,FLAIR\na,p,m.nii,f.nii\na,q,m.nii,f.nii\n", ("table.csv", "the case a", "line 2", "3")),
        ("case,group,label,FLAIR\na,p,none.nii,f.nii\nb,q,m.nii,f.nii\n", ("none.nii",)),
        ("case,group,label,FLAIR\na,p,m.nii\n", ("table.csv", "line 2")),
        ("case,group,label,FLAIR\n", ("table.csv", "no rows")),
        ("", ("table.csv", "empty")),
    ],
    ids=["wrong columns", "duplicate ids", "absent files", "short row", "no rows", "empty"],
)
def test_tables_that_cannot_be_used(
    msseg: Callable[..., Any], tmp_path: Path, tiny: tuple[str, ...], table: str, parts: tuple[str, ...]
) -> None:
    (tmp_path / "table.csv").write_text(table)
    for name in ("f.nii", "m.nii"):
        (tmp_path / name).write_bytes(nifti(lambda header: None))
    settings = (f"data.table={tmp_path / 'table.csv'}", "data.layout=null", "data.select={}")
    answer = msseg("run", CONFIG, "--out", tmp_path / "run", "--channel", "FLAIR", *tiny, *settings)
    refused(answer, *parts)
    assert not (tmp_path / "run").exists()


LAYOUT = "title: mine\nimages: [{images}]\nlabels: ['{{patient}}_mask.nii']\nchannels: {{FLAIR: flair, T1: t1}}\n"


@pytest.mark.parametrize(
    ("images", "parts"),
    [
        ("'{patient}_{colour}_{channel}.nii'", ("mine.yaml", "colour")),
        ("'{patient}_{channel.nii'", ("mine.yaml", "{channel")),
        ("'{patient}[_{channel}.nii'", ("mine.yaml",)),
        ("'/absolute/{patient}_{channel}.nii'", ("mine.yaml",)),
    ],
    ids=["unknown field", "open field", "open bracket", "absolute"],
)
def test_layouts_that_cannot_be_used(
    run: Callable[..., Any], data: Path, tmp_path: Path, images: str, parts: tuple[str, ...]
) -> None:
    (tmp_path / "mine.yaml").write_text(LAYOUT.format(images=images))
    refused(run(data, f"data.layout={tmp_path / 'mine.yaml'}", "data.select={}"), *parts)
    assert not (tmp_path / "run").exists()


def test_a_layout_that_gives_a_case_two_files_for_one_channel(
    run: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        for name in ("flair", "a_flair", "mask"):
            (tmp_path / "own" / f"p{number}").mkdir(parents=True, exist_ok=True)
            (tmp_path / "own" / f"p{number}" / f"p{number}_{name}.nii").write_bytes(nifti(lambda header: None))
    (tmp_path / "mine.yaml").write_text(LAYOUT.format(images="'{patient}/*_{channel}.nii'").replace(
        "'{patient}_mask.nii'", "'{patient}/{patient}_mask.nii'"
    ))  # fmt: skip
    refused(run(tmp_path / "own", f"data.layout={tmp_path / 'mine.yaml'}", "data.select={}"), "p1", "flair.nii")
    assert not (tmp_path / "run").exists()
