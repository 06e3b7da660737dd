"""`msseg layouts --try`, and `msseg predict --layout` on BIDS data and on cases that lack a channel."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

Msseg = Callable[..., Any]


@pytest.fixture
def bids(small_cohort: Path, tmp_path: Path) -> Path:
    """Three patients in BIDS; the third has no T2, and the second has two sessions."""
    root = tmp_path / "bids"
    for number, folder in ((1, "sub-01"), (2, "sub-02/ses-1"), (3, "sub-02/ses-2"), (4, "sub-03")):
        source = small_cohort / f"training0{number}" / "preprocessed" / f"training0{number}_01"
        stem = root / folder / "anat" / folder.replace("/", "_")
        stem.parent.mkdir(parents=True)
        for channel, name in (("FLAIR", "flair"), ("T2w", "t2")):
            if (folder, channel) != ("sub-03", "T2w"):
                shutil.copy(f"{source}_{name}_pp.nii", f"{stem}_{channel}.nii")
    (root / "sub-01" / "anat" / "sub-01_FLAIR.json").write_text("{}")
    return root


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """BIDS with the channel names of the run."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        'images: "sub-{patient}/[ses-{session}/]anat/sub-{patient}[_ses-{session}]_{channel}.nii[.gz]"\n'
        "channels: {FLAIR: FLAIR, T2W: T2w}\n"
    )
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_predictions_of_bids_data_are_bids(
    msseg: Msseg, trained_run: tuple[Path, Any], bids: Path, tmp_path: Path
) -> None:
    model, out = trained_run[0] / "FLAIR", tmp_path / "derivatives" / "msseg"
    answer = msseg("predict", model, bids, "--layout", "bids", "--out", out, "--probability")
    assert answer.code == 0, answer.err
    stems = [
        "sub-01/anat/sub-01",
        "sub-02/ses-1/anat/sub-02_ses-1",
        "sub-02/ses-2/anat/sub-02_ses-2",
        "sub-03/anat/sub-03",
    ]
    kinds = ("mask", "probseg")
    expected = [f"{stem}_space-orig_label-lesion_{kind}.nii" for stem in stems for kind in kinds]
    assert files(out) == sorted([*expected, "dataset_description.json"])
    description = json.loads((out / "dataset_description.json").read_text())
    assert (description["DatasetType"], description["GeneratedBy"][0]["Name"]) == ("derivative", "msseg")
    source, mask = nib.load(bids / "sub-01/anat/sub-01_FLAIR.nii"), nib.load(out / expected[0])
    assert mask.shape == source.shape
    np.testing.assert_array_equal(mask.affine, source.affine)
    assert mask.get_data_dtype() == np.uint8


def test_a_single_file_with_a_bids_name(
    msseg: Msseg, trained_run: tuple[Path, Any], bids: Path, tmp_path: Path
) -> None:
    image = bids / "sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii"
    answer = msseg("predict", trained_run[0] / "FLAIR", image, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    mask = "sub-02/ses-1/anat/sub-02_ses-1_space-orig_label-lesion_mask.nii"
    assert files(tmp_path / "out") == ["dataset_description.json", mask]
    assert answer.out.startswith(f"{tmp_path / 'out' / mask}  ")
    folder = msseg("predict", trained_run[0] / "FLAIR", image.parent, "--out", tmp_path / "both")
    assert folder.code == 2
    assert "would have the same name" in folder.err
    assert not (tmp_path / "both").exists()


def test_cases_without_a_channel(
    msseg: Msseg, trained_run: tuple[Path, Any], bids: Path, layout: Path, tmp_path: Path
) -> None:
    command = ("predict", trained_run[0] / "FLAIR+T2W", bids, "--layout", layout)
    failing = msseg(*command, "--out", tmp_path / "error")
    assert failing.code == 3
    assert "03: the model needs the channel T2W as well" in failing.err
    assert failing.err.splitlines()[-1] == "some cases failed: 1 of 4 cases could not be predicted"
    assert len(list((tmp_path / "error").rglob("*_mask.nii"))) == 3
    skipped = msseg(*command, "--out", tmp_path / "skip", "--missing", "skip")
    assert skipped.code == 0, skipped.err
    assert "lacks a channel and is left out (data.missing: skip): no T2W for 03" in skipped.err
    assert len(list((tmp_path / "skip").rglob("*_mask.nii"))) == 3
    filled = msseg(*command, "--out", tmp_path / "zero", "--missing", "zero")
    assert filled.code == 0, filled.err
    assert "filled with zeros (data.missing: zero): no T2W for 03" in filled.err
    assert len(list((tmp_path / "zero").rglob("*_mask.nii"))) == 4


def test_one_of_several_runs(msseg: Msseg, trained_run: tuple[Path, Any], bids: Path, tmp_path: Path) -> None:
    shutil.copy(bids / "sub-01/anat/sub-01_FLAIR.nii", bids / "sub-01/anat/sub-01_run-2_FLAIR.nii")
    command = ("predict", trained_run[0] / "FLAIR", bids, "--layout", "bids", "--out", tmp_path / "out")
    answer = msseg(*command)
    assert answer.code == 2
    assert "say which run is meant ('' and '2')" in answer.err
    assert "or --select run=" in answer.err
    assert not (tmp_path / "out").exists()
    answer = msseg(*command, "--select", "run=2")
    assert answer.code == 0, answer.err
    mask = "sub-01/anat/sub-01_run-2_space-orig_label-lesion_mask.nii"
    assert files(tmp_path / "out") == ["dataset_description.json", mask]
    answer = msseg(*command, "--select", "run=", "--select", "patient=02,03")
    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()) == 3


def test_other_formats_by_their_layouts(
    msseg: Msseg, trained_run: tuple[Path, Any], small_cohort: Path, tmp_path: Path
) -> None:
    import SimpleITK

    names = {"FLAIR": "flair", "T2W": "t2"}
    for number, (channel, name) in enumerate(names.items()):
        image = SimpleITK.ReadImage(str(small_cohort / f"training01/preprocessed/training01_01_{name}_pp.nii"))
        for path in (f"CHB_train_Part1/CHB_train_Case01/CHB_train_Case01_{channel}.nhdr",
                     f"Dataset001/imagesTs/MS_01_{number:04d}.mha"):  # fmt: skip
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(image, str(tmp_path / path))
    (tmp_path / "Dataset001" / "dataset.json").write_text(json.dumps({"channel_names": {"0": "FLAIR", "1": "T2W"}}))
    model = trained_run[0] / "FLAIR"
    answer = msseg("predict", model, tmp_path, "--layout", "miccai2008", "--out", tmp_path / "nrrd")
    assert answer.code == 0, answer.err
    assert files(tmp_path / "nrrd") == ["CHB_train_Case01_mask.nrrd"]
    answer = msseg("predict", trained_run[0] / "FLAIR+T2W", tmp_path / "Dataset001", "--layout", "nnunet",
                   "--out", tmp_path / "mha")  # fmt: skip
    assert answer.code == 0, answer.err
    assert files(tmp_path / "mha") == ["MS_01_mask.mha"]
    written = SimpleITK.ReadImage(str(tmp_path / "mha" / "MS_01_mask.mha"))
    assert written.GetOrigin() == pytest.approx(image.GetOrigin())
    assert written.GetSize() == image.GetSize()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--select", "run=1"], "name the layout of INPUT with --layout as well"),
        (["--missing", "zero"], "name the layout of INPUT with --layout as well"),
        (["--layout", "bids", "--select", "run"], "--select run is not understood: write FIELD=VALUE"),
        (["--layout", "bids", "--select", "rnu=1"], "names the field rnu, which layout bids does not have; did you"),
    ],
)
def test_selections_that_are_refused(
    msseg: Msseg, trained_run: tuple[Path, Any], bids: Path, tmp_path: Path, arguments: list[str], part: str
) -> None:
    answer = msseg("predict", trained_run[0] / "FLAIR", bids, "--out", tmp_path / "out", *arguments)
    assert answer.code == 2
    assert part in answer.err


# ---------------------------------------------------------------------------------------------- layouts --try
def test_what_a_layout_finds_and_what_it_misses(msseg: Msseg, bids: Path, layout: Path) -> None:
    (bids / "sub-01" / "anat" / "sub-01_T2w_old.nii").touch()
    answer = msseg("layouts", "--try", layout, bids)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == f"layout mine in {bids}: 9 files"
    assert lines[1] == "channels: FLAIR (FLAIR), T2W (T2w)"
    assert "images: 7 files" in lines
    assert "    sub-02/ses-1/anat/sub-02_ses-1_FLAIR.nii  (patient 02, session 1, channel FLAIR)" in lines
    assert "4 scans of 3 groups (what a split keeps together)" in lines
    rows = [line.split() for line in lines[lines.index("4 scans of 3 groups (what a split keeps together)") + 1 :]]
    assert rows[:5] == [
        ["FLAIR", "T2W", "label", "group"],
        ["01", "yes", "yes", "-", "01"],
        ["02_1", "yes", "yes", "-", "02"],
        ["02_2", "yes", "yes", "-", "02"],
        ["03", "yes", "-", "-", "03"],
    ]
    assert "  no T2W: 03 (1 of 4)" in lines
    assert "  no label: all" in lines
    assert lines[-2:] == ["fit no pattern: 2 files (1 .json and 1 .nii)", "  sub-01/anat/sub-01_T2w_old.nii"]


def test_a_named_layout_is_tried(msseg: Msseg, small_cohort: Path) -> None:
    lines = msseg("layouts", "--try", "isbi2015", small_cohort).out.splitlines()
    assert "4 scans of 4 groups (what a split keeps together)" in lines
    assert "not kept by the layout's select (rater 1): 4 files, such as" in lines
    assert "  training01/masks/training01_01_mask2.nii  (rater 2)" in lines
    nothing = msseg("layouts", "--try", "openms", small_cohort).out.splitlines()
    assert nothing[-1] == "layout isbi2015 fits some of them"
    assert nothing[-2].startswith("no image is found: the folder holds ")


def test_problems_are_told_with_all_else(msseg: Msseg, bids: Path) -> None:
    shutil.copy(bids / "sub-01/anat/sub-01_FLAIR.nii", bids / "sub-01/anat/sub-01_run-2_FLAIR.nii")
    (bids / "sourcedata").mkdir()
    (bids / "sourcedata" / "x.dcm").touch()
    answer = msseg("layouts", "--try", "bids", bids)
    assert answer.code == 0
    problem = next(line for line in answer.out.splitlines() if line.startswith("problem: "))
    assert "sub-01 has two images of FLAIR" in problem
    assert 'data.select: {run: [""]}' in problem
    assert answer.out.splitlines()[-1] == "left aside by the layout's ignore (sourcedata, code, stimuli): 1 file"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--try", "bids"], "give it and the data set's folder: msseg layouts --try NAME|FILE SOURCE"),
        (["data"], "give it and the data set's folder"),
        (["--try", "bdis", "data"], "there is no layout 'bdis'; did you mean bids?"),
        (["--try", "bids", "nowhere"], "the data folder nowhere does not exist"),
    ],
)
def test_trials_that_are_refused(msseg: Msseg, arguments: list[str], part: str) -> None:
    answer = msseg("layouts", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err
    assert len(answer.err.splitlines()) == 1
