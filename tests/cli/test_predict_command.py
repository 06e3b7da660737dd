"""`msseg predict`, and the same in Python."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

Msseg = Callable[..., Any]


@pytest.fixture
def run(trained_run: tuple[Path, Any]) -> Path:
    return trained_run[0]


@pytest.fixture
def scans(small_cohort: Path, tmp_path: Path) -> Path:
    """A folder with two FLAIR images, one of them zipped, and one that no one reads."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for patient in ("training01", "training02"):
        source = small_cohort / patient / "preprocessed" / f"{patient}_01_flair_pp.nii"
        shutil.copy(source, folder / f"{patient}.nii")
    plain = folder / "training02.nii"
    (folder / "training02.nii.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    (folder / "notes.txt").write_text("not an image")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("model", ["FLAIR/model", "FLAIR"])
def test_a_file_becomes_a_mask_of_its_name_on_its_grid(
    msseg: Msseg, run: Path, scans: Path, tmp_path: Path, model: str
) -> None:
    image = scans / "training02.nii.gz"
    answer = msseg("predict", run / model, image, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert answer.err == ""
    assert names(tmp_path / "out") == ["training02_mask.nii.gz"]
    mask = tmp_path / "out" / "training02_mask.nii.gz"
    assert answer.out.startswith(f"{mask}  ")
    source, written = nib.load(image), nib.load(mask)
    assert written.shape == source.shape
    np.testing.assert_array_equal(written.affine, source.affine)
    assert set(np.unique(written.dataobj)) <= {0, 1}


def test_a_folder_with_probabilities_and_a_threshold(msseg: Msseg, run: Path, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("predict", run / "FLAIR", scans, "--out", out, "--probability")
    assert msseg(*command).code == 0
    probability = nib.load(out / "training01_probability.nii").get_fdata()
    threshold = float(np.median(probability[probability > 0]))
    assert msseg(*command, "--threshold", threshold).code == 0
    assert names(out) == [
        "training01_mask.nii", "training01_probability.nii",
        "training02_mask.nii.gz", "training02_probability.nii.gz",
    ]  # fmt: skip
    mask = np.asarray(nib.load(out / "training01_mask.nii").dataobj)
    np.testing.assert_array_equal(mask > 0, probability > threshold)
    assert 0 < mask.mean() < 1


def test_channels_by_name(msseg: Msseg, run: Path, small_cohort: Path, tmp_path: Path) -> None:
    """Of the run's two models the pairs choose the one of these channels; their order does not matter."""
    folder = small_cohort / "training01" / "preprocessed"
    pairs = [f"T2W={folder / 'training01_01_t2_pp.nii'}", f"FLAIR={folder / 'training01_01_flair_pp.nii'}"]
    answer = msseg("predict", run, *pairs, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert names(tmp_path / "out") == ["training01_01_flair_pp_mask.nii"]


def test_a_data_set_by_its_layout(msseg: Msseg, run: Path, small_cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = msseg("predict", run / "FLAIR+T2W", small_cohort, "--layout", "isbi2015", "--out", out)
    assert answer.code == 0, answer.err
    assert names(out) == [f"training0{number}_01_mask.nii" for number in range(1, 5)]


def test_models_are_averaged(msseg: Msseg, run: Path, scans: Path, tmp_path: Path) -> None:
    image = scans / "training01.nii"
    for out, more in (("one", ()), ("two", ("--ensemble", run / "FLAIR"))):
        answer = msseg("predict", run / "FLAIR", image, "--probability", "--out", tmp_path / out, *more)
        assert answer.code == 0, answer.err
    one, two = (nib.load(tmp_path / out / "training01_probability.nii").get_fdata() for out in ("one", "two"))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_bad_cases_are_named_in_stderr_and_the_others_in_stdout(
    msseg: Msseg, run: Path, scans: Path, tmp_path: Path
) -> None:
    (scans / "bad[1].nii").write_text("not an image")
    answer = msseg("predict", run / "FLAIR", scans, "--out", tmp_path / "out")
    assert answer.code == 3
    assert len(answer.out.splitlines()) == 2
    first, *table, last = answer.err.splitlines()
    assert first.startswith("bad[1]: ")
    assert [line.split(maxsplit=1)[0] for line in table] == ["case", "bad[1]"]
    assert last == "some cases failed: 1 of 3 cases could not be predicted"


def test_all_cases_bad(msseg: Msseg, run: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.nii").write_text("not an image")
    answer = msseg("predict", run / "FLAIR", tmp_path, "--out", tmp_path / "out")
    assert answer.code == 2
    assert answer.err.splitlines()[-1] == "error: none of 2 cases could be predicted; the reasons are above"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "are models of different channels (FLAIR and FLAIR+T2W)"),
        (["--threshold", "1.5"], "threshold"),
        (["--device", "gpu"], "invalid value for '--device': 'gpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["--layout", "isbi2016"], "isbi2015"),
    ],
)
def test_requests_that_are_refused(
    msseg: Msseg, run: Path, scans: Path, tmp_path: Path, arguments: list[str], part: str
) -> None:
    model = run / "FLAIR" if arguments else run  # a run of several models does not say which
    answer = msseg("predict", model, scans, "--out", tmp_path / "out", *arguments)
    assert answer.code == 2
    assert part in answer.err
    assert len(answer.err.splitlines()) == 1


def test_the_same_in_python(run: Path, scans: Path, tmp_path: Path, msseg: Msseg) -> None:
    import msseg as package

    prediction = package.load_model(run / "FLAIR" / "model").predict(scans / "training01.nii")
    prediction.save(tmp_path / "mask.nii.gz")
    assert prediction.mask.shape == prediction.probability.shape == (20, 22, 18)
    assert prediction.mask.dtype == bool
    np.testing.assert_array_equal(prediction.affine, nib.load(scans / "training01.nii").affine)
    msseg("predict", run / "FLAIR", scans / "training01.nii", "--out", tmp_path)
    np.testing.assert_array_equal(
        nib.load(tmp_path / "mask.nii.gz").dataobj, nib.load(tmp_path / "training01_mask.nii").dataobj
    )
