"""The layouts of challenges, BIDS and nnU-Net on trees as they are unpacked, with what stands in the way there."""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from msseg.cases.case import Case
from msseg.cases.find import channel_sets, find_cases
from msseg.config.data import DataConfig
from msseg.errors import InputError

MakeTree = Callable[[Iterable[str]], Path]


def data(layout: str, *channels: str, **select: Sequence[str]) -> DataConfig:
    return DataConfig(layout=layout, channels=channels, select={name: tuple(of) for name, of in select.items()})


def complaint(of: DataConfig, root: Path, need_label: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        find_cases(of, root, need_label)
    return str(caught.value)


def detached(stem: str) -> list[str]:
    return [f"{stem}.nhdr", f"{stem}.raw"]


# ------------------------------------------------------------------------------------------------- miccai2008
@pytest.fixture
def miccai(make_tree: MakeTree) -> Path:
    files = ["readme.txt"]
    for site, part, numbers in (("CHB", 1, (1, 2)), ("CHB", 2, (6,)), ("UNC", 1, (1, 2)), ("UNC", 2, (9, 10))):
        for name in (f"{site}_train_Case{number:02d}" for number in numbers):
            for image in ("FLAIR", "T1", "T2", "lesion"):
                files += detached(f"{site}_train_Part{part}/{name}/{name}_{image}")
            if site == "UNC":
                files += detached(f"UNC_train_lesion_byCHB/{name}/{name}_lesion_byCHB")
    return make_tree(files)


def test_miccai2008(miccai: Path) -> None:
    cases = find_cases(data("miccai2008"), miccai)
    assert [case.id for case in cases] == [
        "CHB_train_Case01", "CHB_train_Case02", "CHB_train_Case06",
        "UNC_train_Case01", "UNC_train_Case02", "UNC_train_Case09", "UNC_train_Case10",
    ]  # fmt: skip
    home = miccai / "UNC_train_Part1" / "UNC_train_Case01"
    assert cases[3] == Case(
        "UNC_train_Case01",
        "UNC_train_Case01",
        "UNC_train_Case01",
        {channel: home / f"UNC_train_Case01_{channel}.nhdr" for channel in ("FLAIR", "T1", "T2")},
        home / "UNC_train_Case01_lesion.nhdr",
    )


def test_miccai2008_as_the_other_hospital_reads_it(miccai: Path) -> None:
    cases = find_cases(data("miccai2008", rater=["byCHB"], patient=["UNC*"]), miccai)
    assert [case.label.name for case in cases if case.label][:1] == ["UNC_train_Case01_lesion_byCHB.nhdr"]
    both = find_cases(data("miccai2008", rater=["", "byCHB"], patient=["UNC*"]), miccai)
    assert [case.id for case in both[:2]] == ["UNC_train_Case01", "UNC_train_Case01_raterbyCHB"]
    assert {case.group for case in both[:2]} == {"UNC_train_Case01"}
    assert "3 of 7 scans" in complaint(data("miccai2008", rater=["byCHB"]), miccai)
    assert "for CHB_train_Case01, CHB_train" in complaint(data("miccai2008", rater=["byCHB"]), miccai)
    message = complaint(data("miccai2008", rater=["byNYU"]), miccai)
    assert "There are: '' (absent) and byCHB" in message


def test_miccai2008_test_cases_have_no_labels(make_tree: MakeTree, miccai: Path) -> None:
    for channel in ("FLAIR", "T1", "T2"):
        make_tree(detached(f"CHB_test1_Part1/CHB_test1_Case01/CHB_test1_Case01_{channel}"))
    assert "1 of 8 scans" in complaint(data("miccai2008"), miccai)
    assert len(find_cases(data("miccai2008", patient=["*_train_*"]), miccai)) == 7
    assert len(find_cases(data("miccai2008"), miccai, need_label=False)) == 8


def test_miccai2008_converted_beside_the_original(make_tree: MakeTree, miccai: Path) -> None:
    make_tree(["CHB_train_Part1/CHB_train_Case01/CHB_train_Case01_FLAIR.nii.gz"])
    assert "CHB_train_Case01 has two images of FLAIR: " in complaint(data("miccai2008"), miccai)
    assert "CHB_train_Case01_FLAIR.nii.gz; keep one of them" in complaint(data("miccai2008"), miccai)


# -------------------------------------------------------------------------------------------------- msseg2016
@pytest.fixture
def msseg(make_tree: MakeTree) -> Path:
    files = ["README.md", "Training/Center_01/notes.pdf"]
    for folder in ("Training/Center_01", "Training/Center_07", "Training/Center_08", "Testing/Center_03"):
        for patient in (f"{folder}/Patient_01", f"{folder}/Patient_02"):
            for name in ("FLAIR", "T1", "T2", "DP", "GADO"):
                files.append(f"{patient}/Preprocessed_Data/{name}_preprocessed.nii.gz")
                files.append(f"{patient}/Raw_Data/{name}.nii.gz")
            names = ["Consensus", "Brain_Mask", *(f"ManualSegmentation_{rater}" for rater in range(1, 8))]
            files += [f"{patient}/Masks/{name}.nii.gz" for name in names]
    return make_tree(files)


def test_msseg2016(msseg: Path) -> None:
    cases = find_cases(data("msseg2016"), msseg)
    assert len(cases) == 8
    home = msseg / "Training" / "Center_01" / "Patient_01"
    found = next(case for case in cases if case.id == "Center_01_Patient_01")
    names = {"FLAIR": "FLAIR", "T1": "T1", "T1POST": "GADO", "T2": "T2", "PD": "DP"}
    assert found.group == "Center_01_Patient_01"
    assert found.images == {
        channel: home / "Preprocessed_Data" / f"{name}_preprocessed.nii.gz" for channel, name in names.items()
    }
    assert found.label == home / "Masks" / "Consensus.nii.gz"
    assert len(find_cases(data("msseg2016"), msseg / "Testing")) == 2
    assert [case.group[:9] for case in find_cases(data("msseg2016", site=["Center_07"]), msseg)] == ["Center_07"] * 2


def test_msseg2016_raters(msseg: Path) -> None:
    third = find_cases(data("msseg2016", rater=["ManualSegmentation_3"]), msseg)
    assert {case.label.name for case in third if case.label} == {"ManualSegmentation_3.nii.gz"}
    every = find_cases(data("msseg2016", rater=["Manual*"]), msseg)
    assert len(every) == 8 * 7
    assert {case.scan for case in every[:7]} == {"Center_01_Patient_01"}
    assert every[0].id == "Center_01_Patient_01_raterManualSegmentation_1"


# --------------------------------------------------------------------------------------------------- mslesseg
@pytest.fixture
def mslesseg(make_tree: MakeTree) -> Path:
    files = ["MSLesSeg Dataset/info.xlsx"]
    for patient, points in (("P1", 3), ("P2", 1), ("P10", 2)):
        for point in (f"T{number}" for number in range(1, points + 1)):
            stem = f"MSLesSeg Dataset/train/{patient}/{point}/{patient}_{point}"
            files += [f"{stem}_{name}.nii.gz" for name in ("FLAIR", "T1", "T2", "MASK")]
    files += [f"MSLesSeg Dataset/test/P54/P54_{name}.nii.gz" for name in ("FLAIR", "T1", "T2", "MASK")]
    return make_tree(files)


def test_mslesseg(mslesseg: Path) -> None:
    cases = find_cases(data("mslesseg"), mslesseg)
    assert [case.id for case in cases] == ["P10_T1", "P10_T2", "P1_T1", "P1_T2", "P1_T3", "P2_T1", "P54"]
    assert [case.group for case in cases] == ["P10", "P10", "P1", "P1", "P1", "P2", "P54"]
    home = mslesseg / "MSLesSeg Dataset" / "train" / "P1" / "T2"
    assert cases[3].images == {channel: home / f"P1_T2_{channel}.nii.gz" for channel in ("FLAIR", "T1", "T2")}
    assert cases[3].label == home / "P1_T2_MASK.nii.gz"
    assert cases[-1].images["T2"].name == "P54_T2.nii.gz"
    assert [case.id for case in find_cases(data("mslesseg", session=["T1"], patient=["P1?", "P2"]), mslesseg)] == [
        "P10_T1",
        "P2_T1",
    ]


# ----------------------------------------------------------------------------------------------------- nnunet
def nnunet_tree(
    make_tree: MakeTree, description: object = None, ending: str = ".nii.gz", folder: str = "Dataset001_MS"
) -> Path:
    files = [f"{folder}/{name}" for name in ("splits_final.json", "imagesTr/notes.txt")]
    for number in (1, 2, 3):
        name = f"MS_{number:03d}"  # ends in digits, as BRATS_001 does
        files += [f"{folder}/imagesTr/{name}_{channel:04d}{ending}" for channel in (0, 1)]
        files.append(f"{folder}/labelsTr/{name}{ending}")
    files += [f"{folder}/imagesTs/MS_101_{channel:04d}{ending}" for channel in (0, 1)]
    root = make_tree(files) / folder
    if description is not None:
        (root / "dataset.json").write_text(json.dumps(description))
    return root


V2 = {"channel_names": {"0": "FLAIR", "1": "T1 post"}, "labels": {"background": 0, "lesion": 1}, "file_ending": ".mha"}
V1 = {"modality": {"0": "FLAIR", "1": "T1 post"}, "labels": {"0": "background", "1": "lesion"}, "numTraining": 3}


@pytest.mark.parametrize("description", [V1, V2])
@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd", ".tif"])
def test_nnunet(make_tree: MakeTree, description: object, ending: str, caplog: pytest.LogCaptureFixture) -> None:
    root = nnunet_tree(make_tree, description, ending)
    of = data("nnunet").model_copy(update={"root": str(root), "slices": False})
    assert channel_sets(of) == (("FLAIR",), ("T1_post",))
    cases = find_cases(of)
    assert [(case.id, case.group) for case in cases] == [(f"MS_00{n}", f"MS_00{n}") for n in (1, 2, 3)]
    assert cases[0].images["T1_post"] == root / "imagesTr" / f"MS_001_0001{ending}"
    assert cases[0].label == root / "labelsTr" / f"MS_001{ending}"
    assert "1 of 4 scans" in caplog.text
    assert "has no label and is left out" in caplog.text
    assert [case.id for case in find_cases(of, need_label=False)] == ["MS_001", "MS_002", "MS_003", "MS_101"]
    assert [case.id for case in find_cases(of, root / "imagesTs", need_label=False)] == ["MS_101"]
    assert [case.id for case in find_cases(of, root.parent)] == ["MS_001", "MS_002", "MS_003"]


def test_nnunet_a_case_of_both_parts(make_tree: MakeTree) -> None:
    root = nnunet_tree(make_tree, V2)
    for channel in (0, 1):
        (root / "imagesTs" / f"MS_001_{channel:04d}.nii.gz").touch()
    message = complaint(data("nnunet", "FLAIR"), root)
    assert "MS_001 has two images of FLAIR: imagesTr/MS_001_0000.nii.gz and imagesTs/MS_001_0000.nii.gz" in message
    assert "say which part is meant ('Tr' and 'Ts'): data.select: {part: [\"Tr\"]}" in message
    assert len(find_cases(data("nnunet", part=["Tr"]), root)) == 3


def test_nnunet_channels_of_one_name(make_tree: MakeTree) -> None:
    root = nnunet_tree(make_tree, {"channel_names": {"0": "MRI", "1": "MRI"}})
    assert list(find_cases(data("nnunet"), root)[0].images) == ["MRI_0", "MRI_1"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "takes the channels' names from dataset.json, which is neither in"),
        ("{", "dataset.json cannot be read as JSON"),
        ("[]", "dataset.json does not name the channels"),
        ('{"channel_names": {"FLAIR": 0}}', "dataset.json does not name the channels"),
        ('{"channel_names": {}}', "dataset.json does not name the channels"),
        ('{"channel_names": {"0": "T1"}}', "there is no channel FLAIR in layout nnunet. Channels: T1"),
    ],
)
def test_nnunet_without_names(make_tree: MakeTree, text: str | None, sentence: str) -> None:
    root = nnunet_tree(make_tree)
    if text is not None:
        (root / "dataset.json").write_text(text)
    assert sentence in complaint(data("nnunet", "FLAIR"), root)


def test_nnunet_several_data_sets(make_tree: MakeTree) -> None:
    nnunet_tree(make_tree, V2)
    root = nnunet_tree(make_tree, V2, folder="Dataset002_MS").parent
    assert "holds several data sets" in complaint(data("nnunet"), root)


# ------------------------------------------------------------------------------------------------------- bids
def bids_scan(patient: str, session: str | None, prefix: str = "", masks: str | None = "manual_masks") -> list[str]:
    folder = f"sub-{patient}/ses-{session}" if session else f"sub-{patient}"
    stem = f"{folder}/anat/sub-{patient}" + (f"_ses-{session}" if session else "")
    files = [f"{prefix}{stem}_{name}" for name in ("FLAIR.nii.gz", "FLAIR.json", "T1w.nii.gz", "ce-gd_T1w.nii.gz")]
    files.append(f"{prefix}{folder}/dwi/sub-{patient}_dwi.nii.gz")
    files += [f"derivatives/{masks}/{stem}_label-lesion_mask.nii.gz"] if masks else []
    return files


@pytest.fixture
def bids(make_tree: MakeTree) -> Path:
    files = ["dataset_description.json", "participants.tsv", "derivatives/manual_masks/dataset_description.json"]
    files += [*bids_scan("01", "1"), *bids_scan("01", "2"), *bids_scan("02", None), *bids_scan("MS03", "1")]
    files += bids_scan("01", "1", "sourcedata/", None)  # the originals, named alike
    for stem in ("sub-01/ses-1/anat/sub-01_ses-1", "sub-02/anat/sub-02"):
        files += [
            f"{stem}_FLAIR_defaced.nii.gz",  # no BIDS name
            f"derivatives/prep/{stem}_space-T1w_desc-preproc_FLAIR.nii.gz",
            f"derivatives/prep/{stem}_desc-brain_mask.nii.gz",
            f"derivatives/prep/{stem}_desc-lesionfilled_T1w.nii.gz",
            f"derivatives/manual_masks/{stem}_label-lesion_probseg.nii.gz",
            f"derivatives/manual_masks/{stem}_label-lesion_mask.json",
            f"derivatives/manual_masks/{stem}_label-brain_mask.nii.gz",
        ]
    return make_tree(files)


def test_bids(bids: Path) -> None:
    cases = find_cases(data("bids", "FLAIR", "T1+T1POST"), bids)
    assert [(case.id, case.group) for case in cases] == [
        ("sub-01_ses-1", "sub-01"),
        ("sub-01_ses-2", "sub-01"),
        ("sub-02", "sub-02"),
        ("sub-MS03_ses-1", "sub-MS03"),
    ]
    assert cases[0].images == {
        "FLAIR": bids / "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz",
        "T1": bids / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "T1POST": bids / "sub-01/ses-1/anat/sub-01_ses-1_ce-gd_T1w.nii.gz",
    }
    assert cases[0].label == bids / "derivatives/manual_masks/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz"
    assert cases[2].label == bids / "derivatives/manual_masks/sub-02/anat/sub-02_label-lesion_mask.nii.gz"
    assert [case.id for case in find_cases(data("bids", "FLAIR", patient=["0*"], session=["", "2"]), bids)] == [
        "sub-01_ses-2",
        "sub-02",
    ]


def test_bids_images_of_a_pipeline(bids: Path) -> None:
    cases = find_cases(data("bids", "FLAIR", pipeline=["prep"]), bids, need_label=False)
    assert [case.images["FLAIR"].name for case in cases] == [
        "sub-01_ses-1_space-T1w_desc-preproc_FLAIR.nii.gz",
        "sub-02_space-T1w_desc-preproc_FLAIR.nii.gz",
    ]
    assert cases[0].label is not None


def test_bids_masks_of_several_origins_are_told_apart_by_the_user(make_tree: MakeTree, bids: Path) -> None:
    make_tree(["derivatives/msseg/sub-02/anat/sub-02_space-orig_label-lesion_mask.nii.gz"])
    message = complaint(data("bids", "FLAIR"), bids)
    assert "sub-02 has two labels: derivatives/manual_masks/sub-02/anat/" in message
    assert "say which rater is meant ('manual_masks' and 'msseg'): data.select: {rater: [\"manual_masks\"]}" in message
    assert len(find_cases(data("bids", "FLAIR", rater=["manual_masks"]), bids)) == 4
    predicted = find_cases(data("bids", "FLAIR"), bids, need_label=False)
    assert [case.label is None for case in predicted] == [False, False, True, False]


def test_bids_several_runs_and_acquisitions(make_tree: MakeTree, bids: Path) -> None:
    make_tree([f"sub-02/anat/sub-02_acq-3d_run-{run}_FLAIR.nii.gz" for run in (1, 2)])
    message = complaint(data("bids", "FLAIR"), bids)
    assert "say which acq is meant ('' and '3d'): data.select: {acq: [\"\"]}, or --select acq=" in message
    assert "say which run is meant ('1' and '2')" in complaint(data("bids", "FLAIR", acq=["3d"]), bids)
    (case,) = find_cases(data("bids", "FLAIR", run=["2"]), bids, need_label=False)
    assert case.images["FLAIR"].name == "sub-02_acq-3d_run-2_FLAIR.nii.gz"
    assert len(find_cases(data("bids", "FLAIR", run=[""]), bids)) == 4


def test_bids_both_endings_and_other_names_of_masks(make_tree: MakeTree) -> None:
    masks = ["label-lesion_roi", "desc-lesion_mask", "space-orig_desc-lesions_dseg", "FLAIR_lesion-manual"]
    masks.append("lesion_mask")
    files = [f"sub-{number}/anat/sub-{number}_FLAIR.nii" for number in range(len(masks))]
    files += [f"derivatives/labels/sub-{number}/anat/sub-{number}_{name}.nii" for number, name in enumerate(masks)]
    root = make_tree(files)
    assert len(find_cases(data("bids", "FLAIR"), root)) == len(masks)
    make_tree(["sub-0/anat/sub-0_FLAIR.nii.gz"])
    message = complaint(data("bids", "FLAIR"), root)
    assert message.endswith("sub-0/anat/sub-0_FLAIR.nii and sub-0/anat/sub-0_FLAIR.nii.gz; keep one of them")


def test_bids_masks_beside_the_images_or_in_a_data_set_of_their_own(make_tree: MakeTree) -> None:
    root = make_tree(["raw/sub-1/anat/sub-1_FLAIR.nii.gz", "lesions/sub-1/anat/sub-1_label-lesion_mask.nii.gz"])
    (case,) = find_cases(data("bids", "FLAIR"), root)
    assert case.label == root / "lesions/sub-1/anat/sub-1_label-lesion_mask.nii.gz"


# ---------------------------------------------------------------------------------------------------- missing
def test_missing_channels_are_named_skipped_or_left_to_be_filled(
    make_tree: MakeTree, msseg: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (msseg / "Training/Center_01/Patient_02/Preprocessed_Data/GADO_preprocessed.nii.gz").unlink()
    of = data("msseg2016", "FLAIR+T1POST", site=["Center_01"])
    message = complaint(of, msseg)
    assert "1 of 2 scans" in message
    assert "no T1POST (GADO in the file's name) for Center_01_Patient_02" in message
    assert "data.missing: skip" in message
    assert not caplog.records
    skipped = find_cases(of.model_copy(update={"missing": "skip"}), msseg)
    assert [case.id for case in skipped] == ["Center_01_Patient_01"]
    assert "lacks a channel and is left out (data.missing: skip): no T1POST for Center_01_Patient_02" in caplog.text
    caplog.clear()
    filled = find_cases(of.model_copy(update={"missing": "zero"}), msseg)
    assert [list(case.images) for case in filled] == [["FLAIR", "T1POST"], ["FLAIR"]]
    assert "filled with zeros (data.missing: zero): no T1POST for Center_01_Patient_02" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    of = data("msseg2016", "FLAIR", "T1POST", site=["Center_01"]).model_copy(update={"missing": "zero"})
    assert "Center_01_Patient_02 in" in complaint(of, msseg)
    assert "has no image of T1POST at all: leave them out (data.missing: skip)" in complaint(of, msseg)
    kept = find_cases(of.model_copy(update={"missing": "error"}), msseg, need_label=False, incomplete=True)
    assert [list(case.images) for case in kept] == [["FLAIR", "T1POST"], ["FLAIR"]]


def test_nothing_is_left_after_skipping(make_tree: MakeTree) -> None:
    root = make_tree([f"{patient}/FLAIR.nii" for patient in "ab"] + [f"{patient}/consensus_gt.nii" for patient in "ab"])
    of = data("openms", "FLAIR+T1").model_copy(update={"missing": "skip"})
    assert "no T1 (T1 or T1W in the file's name) for any of the 2 scans" in complaint(of, root)
