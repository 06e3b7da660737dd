"""Pairing: the data sets' real namings, folders that tell what files do not, tables, and refusals."""

from pathlib import Path

import pytest

from msseg.errors import InputError
from msseg.evaluation.names import comparable, without_channel, without_role
from msseg.evaluation.pairs import Pair, pair_files


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def pairing(prediction: Path, truth: Path, **options) -> dict[str, tuple[str, str]]:
    """Case -> relative paths of prediction and truth."""

    def relative(path: Path, root: Path) -> str:
        return path.relative_to(root if root.is_dir() else root.parent).as_posix()

    pairs = pair_files(prediction, truth, **options)
    return {pair.case: (relative(pair.prediction, prediction), relative(pair.truth, truth)) for pair in pairs}


NAMINGS = {
    "same names": (["a.nii.gz", "b.nii"], ["a.nii", "b.nii.gz"], {"a": (0, 0), "b": (1, 1)}),
    "our suffix": (["a_mask.nii.gz", "b_mask.nii.gz"], ["a.nii", "b.nii"], {"a": (0, 0), "b": (1, 1)}),
    "probabilities beside masks": (["a_mask.nii", "a_probability.nii"], ["a.nii"], {"a": (0, 0)}),
    "probabilities alone": (["a_probability.nii"], ["a_label.nii"], {"a": (0, 0)}),
    "hidden files": (["a_mask.nii", "._a_mask.nii"], [".trash/a.nii", "a.nii"], {"a": (0, 1)}),
    "other case and separators": (
        ["Sub-01_ses-2_mask.nii"],
        ["sub_01_ses_2_seg.nii"],
        {"Sub-01_ses-2": (0, 0)},
    ),
    "roles in front": (["pred_a.nii", "pred_b.nii"], ["gt-a.nii", "gt-b.nii"], {"a": (0, 0), "b": (1, 1)}),
    "several roles": (["a_lesion_mask.nii"], ["a_manual_segmentation.nii"], {"a": (0, 0)}),
    "openms, release": (
        ["patient07_FLAIR_mask.nii.gz", "patient19_FLAIR_mask.nii.gz"],
        [
            "patient07/patient07_FLAIR.nii.gz",
            "patient07/patient07_brainmask.nii.gz",
            "patient07/patient07_brain_mask.nii.gz",
            "patient07/patient07_consensus_gt.nii.gz",
            "patient19/patient19_consensus_gt.nii.gz",
        ],
        {"patient07": (0, 3), "patient19": (1, 4)},
    ),
    "openms, copy": (
        ["patient07_mask.nii.gz", "patient19_mask.nii.gz"],
        ["patient07/FLAIR.nii.gz", "patient07/consensus_gt.nii.gz", "patient19/consensus_gt.nii.gz"],
        {"patient07": (0, 1), "patient19": (1, 2)},
    ),
    "openms, MNI, by case": (
        ["patient07_mask.nii.gz", "patient19_mask.nii.gz"],
        [
            "patient07/FLAIR_N4_brain_regtoMNI.nii.gz",
            "patient07/GOLD_STANDARD_N4_regtoMNI.nii.gz",
            "patient19/GOLD_STANDARD_N4_regtoMNI.nii.gz",
        ],
        {"patient07": (0, 1), "patient19": (1, 2)},
    ),
    "openms, MNI, folders on both sides": (
        ["patient07/FLAIR_N4_regtoMNI_mask.nii.gz", "patient19/FLAIR_N4_regtoMNI_mask.nii.gz"],
        ["patient07/GOLD_STANDARD_N4_regtoMNI.nii.gz", "patient19/GOLD_STANDARD_N4_regtoMNI.nii.gz"],
        {"patient07": (0, 0), "patient19": (1, 1)},
    ),
    "isbi2015, by file": (
        ["training01_01_flair_pp_mask.nii", "training01_02_flair_pp_mask.nii"],
        [
            "training01/preprocessed/training01_01_flair_pp.nii",
            "training01/masks/training01_01_mask1.nii",
            "training01/masks/training01_02_mask1.nii",
        ],
        {"training01_01": (0, 1), "training01_02": (1, 2)},
    ),
    "isbi2015, both raters": (
        ["training01_01_rater1_mask.nii", "training01_01_rater2_mask.nii"],
        ["training01/masks/training01_01_mask1.nii", "training01/masks/training01_01_mask2.nii"],
        {"training01_01_rater1": (0, 0), "training01_01_rater2": (1, 1)},
    ),
    "miccai2008": (
        ["UNC_train_Case01_FLAIR_mask.nii", "UNC_train_Case02_FLAIR_mask.nii"],
        ["UNC_train_Case01_lesion.nii", "UNC_train_Case02_lesion.nii"],
        {"UNC_train_Case01": (0, 0), "UNC_train_Case02": (1, 1)},
    ),
    "time points called T1 and T2": (
        ["P1/P1_T1_FLAIR_mask.nii", "P1/P1_T2_FLAIR_mask.nii"],
        ["P1/T1/P1_T1_MASK.nii", "P1/T2/P1_T2_MASK.nii"],
        {"P1_T1": (0, 0), "P1_T2": (1, 1)},
    ),
    "time points as files in folders": (
        ["P1/T1_mask.nii", "P1/T2_mask.nii"],
        ["P1_T1_gt.nii", "P1_T2_gt.nii"],
        {"P1_T1": (0, 0), "P1_T2": (1, 1)},
    ),
    "several channels at once": (["p1_FLAIR+T1_mask.nii"], ["p1_lesion.nii"], {"p1": (0, 0)}),
    "patients with sessions": (
        ["p1/s1/FLAIR_mask.nii", "p1/s2/FLAIR_mask.nii", "p2/s1/FLAIR_mask.nii"],
        ["p1/s1/gold.nii", "p1/s2/gold.nii", "p2/s1/gold.nii"],
        {"p1_s1": (0, 0), "p1_s2": (1, 1), "p2_s1": (2, 2)},
    ),
    "sessions as files, predictions in folders": (
        ["p1/s1_mask.nii", "p1/s2_mask.nii", "p2/s1_mask.nii"],
        ["p1_s1_gt.nii", "p1_s2_gt.nii", "p2_s1_gt.nii"],
        {"p1_s1": (0, 0), "p1_s2": (1, 1), "p2_s1": (2, 2)},
    ),
    "sessions as files of a channel, predictions in folders": (
        ["p1/s1_FLAIR_mask.nii", "p1/s2_FLAIR_mask.nii", "p2/s1_FLAIR_mask.nii"],
        ["p1_s1_gt.nii", "p1_s2_gt.nii", "p2_s1_gt.nii"],
        {"p1_s1": (0, 0), "p1_s2": (1, 1), "p2_s1": (2, 2)},
    ),
    "sessions as files, truths in folders": (
        ["p1_s1_mask.nii", "p1_s2_mask.nii", "p2_s1_mask.nii"],
        ["p1/s1_gt.nii", "p1/s2_gt.nii", "p2/s1_gt.nii"],
        {"p1_s1": (0, 0), "p1_s2": (1, 1), "p2_s1": (2, 2)},
    ),
    "BIDS, predictions with probabilities": (
        [
            "sub-01/ses-1/anat/sub-01_ses-1_space-orig_label-lesion_mask.nii.gz",
            "sub-01/ses-1/anat/sub-01_ses-1_space-orig_label-lesion_probseg.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_space-orig_label-lesion_mask.nii.gz",
            "sub-01/ses-2/anat/sub-01_ses-2_space-orig_label-lesion_probseg.nii.gz",
        ],
        [
            "sub-01/ses-1/anat/sub-01_ses-1_FLAIR.nii.gz",
            "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_roi.nii.gz",
            "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz",
            "derivatives/manual/sub-01/ses-2/anat/sub-01_ses-2_label-lesion_roi.nii.gz",
        ],
        {"sub-01_ses-1": (0, 1), "sub-01_ses-2": (2, 3)},
    ),
    "BIDS, without sessions": (
        ["sub-01/anat/sub-01_space-orig_label-lesion_mask.nii", "sub-02/anat/sub-02_space-orig_label-lesion_mask.nii"],
        ["sub-01/anat/sub-01_acq-3D_dseg.nii", "sub-02/anat/sub-02_acq-3D_dseg.nii"],
        {"sub-01": (0, 0), "sub-02": (1, 1)},
    ),
    "probabilities among the truths": (["a_mask.nii"], ["a_gt.nii", "a_prob.nii"], {"a": (0, 0)}),
    "images and labels apart": (
        ["a_mask.nii", "b_mask.nii"],
        ["images/a.nii", "images/b.nii", "labels/a.nii", "labels/b.nii"],
        {"a": (0, 2), "b": (1, 3)},
    ),
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_namings(tmp_path, naming):
    predictions, truths, expected = NAMINGS[naming]
    left, right = make(tmp_path / "out", *predictions), make(tmp_path / "data", *truths)
    assert pairing(left, right) == {case: (predictions[i], truths[j]) for case, (i, j) in expected.items()}


def test_two_files_are_a_pair_whatever_their_names(tmp_path):
    make(tmp_path, "p07_mask.nii.gz", "other.nii")
    pairs = pair_files(tmp_path / "p07_mask.nii.gz", tmp_path / "other.nii")
    assert pairs == [Pair("p07", tmp_path / "p07_mask.nii.gz", tmp_path / "other.nii")]


def test_one_prediction_finds_its_truth_among_many(tmp_path):
    prediction = make(tmp_path / "out", "p1_mask.nii", "p2_mask.nii") / "p1_mask.nii"
    truth = make(tmp_path / "data", "p1/lesion.nii", "p2/lesion.nii")
    assert pairing(prediction, truth) == {"p1": ("p1_mask.nii", "p1/lesion.nii")}


def test_the_folder_of_a_chosen_prediction_counts(tmp_path):
    prediction = make(tmp_path / "out", "p1/FLAIR_mask.nii", "p2/FLAIR_mask.nii") / "p2/FLAIR_mask.nii"
    truth = make(tmp_path / "data", "p1/lesion.nii", "p2/lesion.nii")
    assert pairing(prediction, truth) == {"p2": ("FLAIR_mask.nii", "p2/lesion.nii")}


def test_the_name_of_the_truths_folder_counts(tmp_path):
    predictions = make(tmp_path / "out", "p2_mask.nii")
    assert pairing(predictions, make(tmp_path / "p2", "lesion.nii")) == {"p2": ("p2_mask.nii", "lesion.nii")}
    with pytest.raises(InputError, match="nothing belongs to"):
        pair_files(predictions, make(tmp_path / "p1", "lesion.nii"))


def test_one_truth_finds_its_prediction_among_many(tmp_path):
    predictions = make(tmp_path / "out", "p1_mask.nii", "p2_mask.nii")
    truth = make(tmp_path / "data", "p1/lesion.nii", "p2/lesion.nii") / "p2/lesion.nii"
    assert pairing(predictions, truth) == {"p2": ("p2_mask.nii", "lesion.nii")}


def test_truths_without_prediction_are_refused_unless_partial(tmp_path):
    predictions = make(tmp_path / "out", "a_mask.nii")
    truths = make(tmp_path / "data", "a.nii", "b.nii", "c.nii")
    with pytest.raises(InputError, match=r"no prediction belongs to b\.nii and c\.nii"):
        pair_files(predictions, truths)
    assert pairing(predictions, truths, partial=True) == {"a": ("a_mask.nii", "a.nii")}


REFUSED = {
    "missing truth": (
        ["a_mask.nii", "b_mask.nii"],
        ["a.nii", "c.nii"],
        r"nothing belongs to b_mask\.nii by name",
    ),
    "no name in common": (["x.nii"], ["y.nii"], r"nothing belongs to x\.nii by name .* \(y\.nii\)"),
    "two raters": (
        ["p1_mask.nii"],
        ["p1_mask1.nii", "p1_mask2.nii"],
        r"p1_mask\.nii may belong to each of p1_mask1\.nii and p1_mask2\.nii",
    ),
    "two channels": (
        ["FLAIR/p1_mask.nii", "T1/p1_mask.nii"],
        ["p1_lesion.nii"],
        r"FLAIR/p1_mask\.nii and T1/p1_mask\.nii belong to .*p1_lesion\.nii alike",
    ),
    "time points are no channels": (["P1_T1_mask.nii"], ["P1_T2_MASK.nii"], "nothing belongs to P1_T1_mask"),
    "folders without meaning": (["labels/a.nii"], ["labels/b.nii"], r"nothing belongs to labels/a\.nii"),
    "numbers are no suffix": (["p_0001_mask.nii"], ["p_0002_gt.nii"], "nothing belongs to p_0001_mask"),
    "no volume": (["notes.txt"], ["a.nii"], r"out holds no volume .*1 \.txt"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(tmp_path, reason):
    predictions, truths, message = REFUSED[reason]
    left, right = make(tmp_path / "out", *predictions), make(tmp_path / "data", *truths)
    with pytest.raises(InputError, match=message):
        pair_files(left, right)


def test_missing_paths(tmp_path):
    make(tmp_path, "a.nii")
    with pytest.raises(InputError, match=r"b\.nii does not exist"):
        pair_files(tmp_path / "a.nii", tmp_path / "b.nii")
    with pytest.raises(InputError, match="a prediction and a truth are needed"):
        pair_files(tmp_path / "a.nii", None)


def test_long_lists_are_cut_short(tmp_path):
    predictions = make(tmp_path / "out", *(f"p{number}_mask.nii" for number in range(9)))
    with pytest.raises(InputError, match=r"p4_mask\.nii and 4 more"):
        pair_files(predictions, make(tmp_path / "data", "q.nii"))


def test_table(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("\ufeffcase,group,prediction,truth\nB,p2,out/b.nii,/data/b.nii\nA,,out/a.nii, gt/a.nii\n", "utf-8")
    assert pair_files(None, None, table) == [
        Pair("B", tmp_path / "out/b.nii", Path("/data/b.nii"), "p2"),
        Pair("A", tmp_path / "out/a.nii", tmp_path / "gt/a.nii"),
    ]


def test_table_relative_to_given_folders(tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("case,prediction,truth\nA,a.nii,a.nii\n")
    assert pair_files(Path("out"), Path("gt"), table) == [Pair("A", Path("out/a.nii"), Path("gt/a.nii"))]


def test_each_task_judges_its_kind_of_file(tmp_path):
    predictions = make(tmp_path / "out", *(f"s_{kind}.tif" for kind in ("mask", "probability", "instances")))
    truth = make(tmp_path / "data", "s-labels.tif", "s-volume.tif")
    judged = {task: pairing(predictions, truth, task=task)["s"][0] for task in ("lesions", "membranes", "cells")}
    assert judged == {"lesions": "s_mask.tif", "membranes": "s_probability.tif", "cells": "s_instances.tif"}


def test_stacks_of_all_kinds_are_found(tmp_path):
    predictions = make(tmp_path / "out", "a.tif", "b.tiff", "c.png", "d.h5", "e.nii.gz")
    truths = make(tmp_path / "data", "a_gt.png", "b_gt.h5", "c_gt.tif", "d_gt.tif", "e_gt.nii")
    assert list(pairing(predictions, truths)) == ["a", "b", "c", "d", "e"]


def test_data_sets_in_containers_are_files(tmp_path):
    make(tmp_path, "p.h5", "t.h5")
    assert pair_files(tmp_path / "p.h5" / "out", tmp_path / "t.h5" / "labels") == [
        Pair("p", tmp_path / "p.h5" / "out", tmp_path / "t.h5" / "labels")
    ]
    with pytest.raises(InputError, match=r"gone\.h5/main does not exist"):
        pair_files(tmp_path / "gone.h5" / "main", tmp_path / "t.h5")


def test_frames_of_the_cell_tracking_challenge(tmp_path):
    predictions = make(tmp_path / "out", "mask002.tif", "mask003.tif", "mask010.tif")
    truths = make(tmp_path / "01_GT", "SEG/man_seg002.tif", "SEG/man_seg010.tif")
    assert pairing(predictions, truths, task="cells") == {
        "t002": ("mask002.tif", "SEG/man_seg002.tif"),
        "t010": ("mask010.tif", "SEG/man_seg010.tif"),
    }
    with pytest.raises(InputError, match="nothing belongs to"):
        pair_files(predictions, truths)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the column case"),
        (b"case,truth\nA,a.nii\n", "lacks the column prediction"),
        (b"case,prediction,truth\n", "lacks lines below its header"),
        (b"case,prediction,truth\nA,,a.nii\n", "empty field in the line of A"),
        (b"case,prediction,truth\nA\n", "empty field in the line of A"),
        (b"case,prediction,truth\n\xff\xfe,a,b\n", "not a CSV file in UTF-8"),
    ],
)
def test_bad_tables(tmp_path, content, message):
    table = tmp_path / "pairs.csv"
    table.write_bytes(content)
    with pytest.raises(InputError, match=message):
        pair_files(None, None, table)


def test_missing_table(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        pair_files(None, None, tmp_path / "pairs.csv")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("p07_lesion_mask", "p07"),
        ("p01_gt", "p01"),
        ("gt_p01", "p01"),
        ("mask", "mask"),
        ("unmasked", "unmasked"),
    ],
)
def test_role_words_come_off(name, expected):
    assert without_role(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("p01_flair_pp_mask", "p01"), ("P1_T1_FLAIR", "P1_T1"), ("p1_FLAIR+T1", "p1"), ("flairy", "flairy")],
)
def test_one_channel_comes_off(name, expected):
    assert without_channel(name) == expected


def test_mask_and_rater_numbers_agree():
    assert comparable("P-01/mask2") == comparable("p_01 rater2") != comparable("p_01_mask1")
    assert comparable("unmask2") == "unmask2"


def test_links_to_folders_are_followed(tmp_path):
    make(tmp_path / "far", "p1/lesion.nii")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "far")
    predictions = make(tmp_path / "out", "p1_mask.nii")
    assert pairing(predictions, tmp_path / "data") == {"p1": ("p1_mask.nii", "link/p1/lesion.nii")}


@pytest.mark.real
def test_openms(shared_data, tmp_path):
    predictions = make(tmp_path, "patient07_mask.nii.gz", "patient19_mask.nii.gz")
    pairs = pairing(predictions, shared_data / "openms")
    assert {case: truth.split("_")[0] for case, (_, truth) in pairs.items()} == {
        "patient07": "patient07/GOLD",
        "patient19": "patient19/GOLD",
    }
