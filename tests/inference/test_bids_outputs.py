"""Outputs of images with BIDS names."""

import json
from pathlib import Path

import pytest

import msseg
from msseg.cases.case import Case
from msseg.errors import InputError
from msseg.inference.bids import bids_name, write_description
from msseg.inference.inputs import Input, inputs_from_arguments, inputs_from_cases, named_by_bids

FLAIR = ("FLAIR",)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("sub-01_FLAIR.nii.gz", "sub-01/anat/sub-01_space-orig_label-lesion_mask.nii.gz"),
        (
            "sub-01_ses-2_acq-3d_run-1_FLAIR.nii",
            "sub-01/ses-2/anat/sub-01_ses-2_acq-3d_run-1_space-orig_label-lesion_mask.nii",
        ),
        (
            "sub-01_space-MNI152_desc-preproc_FLAIR.nii.gz",
            "sub-01/anat/sub-01_space-MNI152_label-lesion_desc-preproc_mask.nii.gz",
        ),
        ("sub-01_FLAIR.mha", "x_mask.mha"),
        ("patient01_FLAIR.nii.gz", "x_mask.nii.gz"),
        ("sub-01.nii.gz", "x_mask.nii.gz"),
        ("sub-01_flair image.nii.gz", "x_mask.nii.gz"),
    ],
)
def test_names(image: str, mask: str) -> None:
    (item,) = named_by_bids([Input("x", {"FLAIR": Path("in") / image})])
    assert item.output(Path("out"), "_mask") == Path("out") / mask
    assert (item.bids is None) == mask.startswith("x_")


def test_other_outputs() -> None:
    (item,) = named_by_bids([Input("x", {"FLAIR": Path("sub-1_FLAIR.nii.gz")})])
    assert item.output(Path(), "_probability").name == "sub-1_space-orig_label-lesion_probseg.nii.gz"
    assert item.output(Path(), "_instances").name == "sub-1_space-orig_label-lesion_dseg.nii.gz"
    assert item.output(Path("o"), "_isbi2012") == Path("o/x_isbi2012.tif")
    assert bids_name(Path("sub-1_ses-a_T1w.nii")).entities == (("sub", "1"), ("ses", "a"))  # type: ignore[union-attr]


def test_two_images_of_one_output_are_refused() -> None:
    images = [Input(name, {"FLAIR": Path(f"sub-1_{name}.nii.gz")}) for name in ("FLAIR", "T1w")]
    with pytest.raises(InputError, match=r"of sub-1_FLAIR.nii.gz and sub-1_T1w.nii.gz would have the same name"):
        named_by_bids(images)


def test_scans_of_one_name_in_two_data_sets_are_both_predicted() -> None:
    cases = [Case("p1", "p1", "p1", {"FLAIR": Path(folder) / "p1" / "flair.nii.gz"}) for folder in ("a", "b")]
    with pytest.raises(InputError, match="would have the same name, p1_p1"):
        inputs_from_cases(cases, FLAIR)


def test_outputs_by_bids_are_no_inputs(tmp_path: Path) -> None:
    for name in ("FLAIR", "space-orig_label-lesion_mask", "space-orig_label-lesion_probseg", "space-orig_label-x_dseg"):
        (tmp_path / f"sub-1_{name}.nii.gz").touch()
    assert [item.name for item in inputs_from_arguments([tmp_path], FLAIR)] == ["sub-1_FLAIR"]


def test_the_description(tmp_path: Path) -> None:
    write_description(tmp_path / "new")
    content = json.loads((tmp_path / "new" / "dataset_description.json").read_text())
    assert content["DatasetType"] == "derivative"
    assert set(content) >= {"Name", "BIDSVersion"}  # what the specification requires
    assert content["GeneratedBy"] == [{"Name": "msseg", "Version": msseg.__version__}]
    (tmp_path / "dataset_description.json").write_text("{}")
    write_description(tmp_path)
    assert (tmp_path / "dataset_description.json").read_text() == "{}"
