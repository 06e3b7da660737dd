"""A cohort with bad files in it: every good case is done as if it were alone, every bad one named with its reason."""

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

AFFINE = np.diag([1.0, 1.5, 2.0, 1.0])


def volume(seed: int, size: int = 24) -> np.ndarray:
    """A blurred head of noise with a bright spot, zero around it."""
    random = np.random.default_rng(seed)
    data = random.normal(100, 20, (size, size, size)).astype(np.float32)
    data[10:14, 8:12, 9:15] += 150
    data[:2] = data[:, :2] = data[:, :, :2] = 0
    return data


def save(path: Path, data: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(data, AFFINE), path)


def truncated(path: Path) -> None:
    save(path, volume(1))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def damaged(path: Path) -> None:
    """A byte in the middle is another one."""
    save(path, volume(2))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)


def colour(path: Path) -> None:
    voxels = np.zeros((24, 24, 24), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)


def spacing(path: Path) -> None:
    """Zero along the second axis, in the header and in the affine."""
    image = nib.Nifti1Image(volume(3), AFFINE)
    image.header["pixdim"][2] = 0
    image.header["srow_y"] = 0
    header = image.header.binaryblock
    path.write_bytes(gzip.compress(header + bytes(4) + volume(3).tobytes(order="F")))


def loop(path: Path) -> None:
    path.symlink_to(path.name)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncated, "truncated|ended|short|incomplete|Compressed file"),
    "damaged": (damaged, "damaged|CRC|Error -3|invalid|decompress"),
    "empty": (Path.touch, "empty"),
    "text": (lambda path: path.write_text("not an image"), "gzip|NIfTI"),
    "frames": (lambda path: save(path, np.ones((8, 8, 8, 3), np.float32)), "dimensions|frames|3"),
    "nan": (lambda path: save(path, np.full((24, 24, 24), np.nan, np.float32)), "NaN|finite"),
    "constant": (lambda path: save(path, np.full((24, 24, 24), 7, np.float32)), "constant|same value|no contrast"),
    "zeros": (lambda path: save(path, np.zeros((24, 24, 24), np.float32)), "zero|empty|constant|same value"),
    "missing": (lambda path: path.symlink_to("nowhere.nii.gz"), "not there|does not exist|No such file"),
    "spacing": (spacing, "spacing|voxel size|pixdim|affine"),
    "colour": (colour, "RGB|colour"),
    "folder": (Path.mkdir, "folder|directory"),
    "loop": (loop, "link|does not exist|cannot be read"),
}
"""How a file is made that cannot be used, and what has to be said about it."""

WATCH = """
import msseg.inference.batch as batch
predict_one = batch._predict_one

def watched(*arguments):
    try:
        return predict_one(*arguments)
    finally:
        with open("/proc/self/status") as file, open({log!r}, "a") as log:
            log.write(next(line.split()[1] for line in file if line.startswith("VmHWM")) + "\\n")

batch._predict_one = watched
"""
"""Writes the peak of the memory (KiB) after each case."""


@pytest.fixture
def model(undisturbed: Path) -> Path:
    return undisturbed / "FLAIR" / "model"


def make_cohort(folder: Path, good: int, make: Callable[[Path, int], None]) -> None:
    """Good cases with the bad ones spread among them."""
    folder.mkdir()
    for number in range(good):
        make(folder / f"case{number:03}.nii.gz", number)
    for place, kind in enumerate(BAD):
        BAD[kind][0](folder / f"case{place * good // len(BAD):03}_{kind}.nii.gz")


def reason(text: str, kind: str) -> str:
    """What the table says about a bad case."""
    table = text[text.rindex("case  ") if "\ncase  " in text else text.index("case ") :]
    (line,) = [line for line in table.splitlines() if re.match(rf"case\d+_{kind} ", line)]
    return line.split(maxsplit=1)[1]


@pytest.mark.parametrize("good", [13, pytest.param(190, marks=pytest.mark.slow)])
def test_a_cohort_with_bad_files_is_predicted(call: Callable, model: Path, tmp_path: Path, good: int) -> None:
    import msseg

    make_cohort(tmp_path / "in", good, lambda path, number: save(path, volume(100 + number)))
    before = WATCH.format(log=str(tmp_path / "memory"))
    child = call("predict", model, tmp_path / "in", "--out", tmp_path / "out", "--precision", "fp32", before=before)
    assert child.code == 3, child.err
    assert sorted(os.listdir(tmp_path / "out")) == [f"case{number:03}_mask.nii.gz" for number in range(good)]

    predictor = msseg.load_model(model, precision="fp32", threads=1)
    for number in range(0, good, 1 if good > 100 else 8):
        alone = predictor.predict(tmp_path / "in" / f"case{number:03}.nii.gz")
        together = nib.load(tmp_path / "out" / f"case{number:03}_mask.nii.gz")
        assert np.array_equal(np.asarray(together.dataobj), alone.mask)
        assert np.array_equal(together.affine, AFFINE)

    assert "Traceback" not in child.err
    for kind, (_, words) in BAD.items():
        assert re.search(words, reason(child.err, kind), re.IGNORECASE), (kind, reason(child.err, kind))
    assert child.err.rstrip().endswith(f"{len(BAD)} of {good + len(BAD)} cases could not be predicted")

    peaks = [int(line) for line in (tmp_path / "memory").read_text().split()]
    assert len(peaks) == good + len(BAD)
    if good > 100:  # before, libraries are still being loaded
        assert peaks[-1] - peaks[len(peaks) // 2] < 4_000  # KiB, in the second half


@pytest.mark.parametrize("good", [13, pytest.param(190, marks=pytest.mark.slow)])
def test_a_cohort_with_bad_files_is_evaluated(call: Callable, tmp_path: Path, good: int) -> None:
    """Bad predictions; the truths are right."""

    def mask(path: Path, number: int) -> None:
        save(path, (volume(number) > 200).astype(np.uint8))

    (tmp_path / "truth").mkdir()
    make_cohort(tmp_path / "predicted", good, mask)
    for path in (tmp_path / "predicted").iterdir():
        if not path.is_dir():  # a folder is no prediction
            mask(tmp_path / "truth" / path.name, 0)
    child = call(
        "evaluate", "--prediction", tmp_path / "predicted", "--truth", tmp_path / "truth", "--json", tmp_path / "s.json"
    )
    assert child.code == 3, child.err
    scores = json.loads((tmp_path / "s.json").read_text())
    named = {entry["case"] for entry in scores["cases"]}
    assert {f"case{number:03}" for number in range(good)} <= named
    for kind, (_, words) in BAD.items():
        if kind not in {"constant", "zeros", "folder"}:  # as masks: everything, nothing; and no prediction at all
            (failed,) = [case for case in scores["failed"] if case.endswith(f"_{kind}")]
            assert re.search(words, scores["failed"][failed], re.IGNORECASE), scores["failed"][failed]
            assert failed in child.err
