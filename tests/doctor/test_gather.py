"""What the examination finds in data sets of the named layouts: the cases that a run would use."""

import json
from pathlib import Path

import pytest

from msseg.cases.find import find_cases
from msseg.config.data import DataConfig
from msseg.doctor.gather import gather

BIDS = (
    "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz",
    "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
    "sub-02/anat/sub-02_FLAIR.nii.gz",
    "sub-02/anat/sub-02_T1w.nii.gz",
    "sourcedata/sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz",
    "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz",
    "derivatives/manual/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
)
NNUNET = tuple(
    name
    for case in ("MS_001", "MS_002")
    for name in (f"imagesTr/{case}_0000.nii.gz", f"imagesTr/{case}_0001.nii.gz", f"labelsTr/{case}.nii.gz")
)
MICCAI2008 = tuple(
    f"UNC_train_Case0{number}/UNC_train_Case0{number}_{name}.nhdr"
    for number in (1, 2)
    for name in ("FLAIR", "T1", "T2", "lesion")
)
MSLESSEG = tuple(
    f"train/P1/{point}/P1_{point}_{name}.nii.gz" for point in ("T1", "T2") for name in ("FLAIR", "T1", "T2", "MASK")
)
MSSEG2016 = tuple(
    f"Center_01/Patient_0{number}/{name}.nii.gz"
    for number in (1, 2)
    for name in ("Preprocessed_Data/FLAIR_preprocessed", "Preprocessed_Data/DP_preprocessed", "Raw_Data/FLAIR",
                 "Masks/Consensus", "Masks/ManualSegmentation_1")
)  # fmt: skip
TREES = {"bids": BIDS, "nnunet": NNUNET, "miccai2008": MICCAI2008, "mslesseg": MSLESSEG, "msseg2016": MSSEG2016}


@pytest.mark.parametrize("recognised", [True, False])
@pytest.mark.parametrize("layout", TREES)
def test_the_cases_are_those_of_a_run(layout: str, recognised: bool, tmp_path: Path) -> None:
    for name in TREES[layout]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if layout == "nnunet":
        (tmp_path / "dataset.json").write_text(json.dumps({"channel_names": {"0": "FLAIR", "1": "T1 post"}}))
    gathered = gather(tmp_path, None if recognised else layout)
    channels = tuple(gathered.cases[0].images)
    wanted = find_cases(DataConfig(layout=layout, root=str(tmp_path), channels=channels))
    assert gathered.layout == layout
    assert not gathered.problems
    assert [(case.id, case.group, case.images, case.label) for case in gathered.cases] == [
        (case.id, case.group, case.images, case.label) for case in wanted
    ]
