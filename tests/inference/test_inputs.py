from pathlib import Path

import pytest

from msseg.cases.case import Case
from msseg.errors import InputError
from msseg.inference.inputs import Input, inputs_from_arguments, inputs_from_cases

FLAIR = ("FLAIR",)
BOTH = ("FLAIR", "T1")


@pytest.fixture
def touch(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return [tmp_path / name for name in names]

    return make


def outputs(inputs):
    return [item.output(Path("out"), "_mask").name for item in inputs]


def test_files_keep_their_names_and_suffixes(touch):
    files = touch("a/X.nii.gz", "a/Y.nii", "b/v1.2_z.nii.gz")
    inputs = inputs_from_arguments(files, FLAIR)
    assert outputs(inputs) == ["X_mask.nii.gz", "Y_mask.nii", "v1.2_z_mask.nii.gz"]
    assert [item.images for item in inputs] == [{"FLAIR": file} for file in files]


def test_a_folder_gives_its_images_without_outputs_and_hidden_files(touch, tmp_path):
    touch("in/b.nii.gz", "in/a.nii", "in/a_mask.nii", "in/b_probability.nii.gz", "in/._b.nii.gz", "in/notes.txt")
    touch("in/deeper/c.nii.gz")
    inputs = inputs_from_arguments([tmp_path / "in"], FLAIR)
    assert [item.name for item in inputs] == ["a", "b"]


def test_a_file_that_is_named_twice_is_predicted_once(touch, tmp_path):
    (file,) = touch("in/a.nii.gz")
    assert len(inputs_from_arguments([file, tmp_path / "in", tmp_path / "in" / ".." / "in"], FLAIR)) == 1


def test_a_folder_without_images_says_what_it_holds(touch, tmp_path):
    touch("in/a.dcm", "in/b.dcm", "in/c_mask.nii.gz")
    with pytest.raises(InputError, match=r"no image to predict .* 2 files with .dcm, 1 masks or probabilities"):
        inputs_from_arguments([tmp_path / "in"], FLAIR)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"it holds no files$"):
        inputs_from_arguments([tmp_path / "empty"], FLAIR)
    with pytest.raises(InputError, match="it holds no files; what is in folders of it is found with --layout"):
        inputs_from_arguments([tmp_path], FLAIR)


def test_equal_names_get_their_folder_s(touch):
    files = touch("p1/flair.nii.gz", "p2/flair.nii.gz", "p2/other.nii.gz")
    inputs = inputs_from_arguments(files, FLAIR)
    assert outputs(inputs) == ["p1_flair_mask.nii.gz", "p2_flair_mask.nii.gz", "other_mask.nii.gz"]


@pytest.mark.parametrize(
    "names",
    [("a/s/x.nii.gz", "b/s/x.nii.gz"), ("a/x.nii", "a/x.nii.gz"), ("p/x.nii", "q/x.nii", "r/p_x.nii")],
)
def test_names_that_stay_equal_are_refused(touch, names):
    with pytest.raises(InputError, match=r"would have the same name, .*_x: predict them into different folders"):
        inputs_from_arguments(touch(*names), FLAIR)


def test_pairs_of_files_are_one_case(touch):
    flair, t1 = touch("p_flair.nii.gz", "p_t1.nii")
    (item,) = inputs_from_arguments([f"T1={t1}", f"FLAIR={flair}"], BOTH)
    assert item == Input("p_flair", {"FLAIR": flair, "T1": t1})
    assert list(item.images) == ["FLAIR", "T1"]


def test_a_file_with_an_equals_sign_in_its_name_is_a_file(touch, tmp_path, monkeypatch):
    touch("te=90.nii.gz")
    monkeypatch.chdir(tmp_path)
    (item,) = inputs_from_arguments(["te=90.nii.gz"], FLAIR)
    assert item.name == "te=90"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["FLAIR=a.nii", "PD=b.nii"], "does not know the channel PD; it knows FLAIR, T1"),
        (["FLAIR=a.nii"], "needs the channel T1 as well: add T1=PATH"),
        (["FLAIR=a.nii", "FLAIR=b.nii", "T1=c.nii"], "the channel FLAIR is given twice"),
        (["FLAIR=a.nii", "b.nii"], "b.nii was given without a channel"),
        (["a.nii"], "needs the channels FLAIR, T1: give one file or folder for each, FLAIR=PATH T1=PATH"),
        ([], "no input was given"),
    ],
)
def test_arguments_that_name_no_case(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        inputs_from_arguments(arguments, BOTH)


@pytest.mark.parametrize(
    "names",
    [
        ("f/p1.nii.gz", "f/p2.nii.gz", "t/p1.nii.gz", "t/p2.nii.gz"),
        ("f/p1_FLAIR.nii.gz", "f/p2_FLAIR.nii.gz", "t/p1_t1.nii.gz", "t/p2_t1.nii.gz"),
        ("f/p1_flair_pp.nii", "f/p2_flair_pp.nii", "t/p1_t1_pp.nii", "t/p2_t1_pp.nii"),
        ("f/FLAIR_p1.nii", "f/FLAIR_p2.nii", "t/T1_p1.nii", "t/T1_p2.nii"),
    ],
)
def test_folders_of_channels_are_paired_by_name(touch, tmp_path, names):
    a, b, c, d = touch(*names)
    inputs = inputs_from_arguments([f"FLAIR={tmp_path / 'f'}", f"T1={tmp_path / 't'}"], BOTH)
    assert [item.images for item in inputs] == [{"FLAIR": a, "T1": c}, {"FLAIR": b, "T1": d}]


def test_one_folder_may_hold_all_channels(touch, tmp_path):
    a, b, *_ = touch("p1_FLAIR.nii.gz", "p1_T1.nii.gz", "p1_T1gd.nii.gz", "p1_FLAIR_mask.nii.gz", "p1_gt.nii.gz")
    (item,) = inputs_from_arguments([f"FLAIR={tmp_path}", f"T1={tmp_path}"], BOTH)
    assert item == Input("p1_FLAIR", {"FLAIR": a, "T1": b})


def test_a_file_without_a_partner_stays_as_an_incomplete_case(touch, tmp_path):
    touch("f/p1.nii.gz", "f/p2.nii.gz", "t/p1.nii.gz")
    inputs = inputs_from_arguments([f"FLAIR={tmp_path / 'f'}", f"T1={tmp_path / 't'}"], BOTH)
    assert [list(item.images) for item in inputs] == [["FLAIR", "T1"], ["FLAIR"]]


def test_folders_that_do_not_pair_up_are_refused(touch, tmp_path):
    touch("f/p1.nii.gz", "t/q1.nii.gz")
    with pytest.raises(InputError, match="cannot be paired"):
        inputs_from_arguments([f"FLAIR={tmp_path / 'f'}", f"T1={tmp_path / 't'}"], BOTH)
    with pytest.raises(InputError, match="some channels are given as folders and others as files"):
        inputs_from_arguments([f"FLAIR={tmp_path / 'f'}", f"T1={tmp_path / 't' / 'q1.nii.gz'}"], BOTH)
    touch("f/p1_FLAIR.nii", "f/p1-flair.nii")
    with pytest.raises(InputError, match="are both FLAIR of one case"):
        inputs_from_arguments([f"FLAIR={tmp_path / 'f'}"], FLAIR)


def test_cases_of_a_data_set_give_the_channels_that_the_model_needs():
    images = {"T1": Path("a_t1.nii"), "FLAIR": Path("a.nii.gz"), "PD": Path("pd.nii")}
    (item,) = inputs_from_cases([Case("p1", "p1", "p1", images)], BOTH)
    assert item == Input("p1", {"FLAIR": Path("a.nii.gz"), "T1": Path("a_t1.nii")})
    assert outputs([item]) == ["p1_mask.nii.gz"]


def test_a_data_set_without_a_usable_case_is_refused():
    with pytest.raises(InputError, match="holds no case"):
        inputs_from_cases([], FLAIR)
    with pytest.raises(InputError, match="needs the channels FLAIR, T1, which no case has; there are FLAIR, PD"):
        inputs_from_cases([Case("p1", "p1", "p1", {"FLAIR": Path("a.nii"), "PD": Path("b.nii")})], BOTH)


def test_raters_share_a_scan_and_slices_a_stack():
    raters = [Case(f"s_{rater}", "p", "s", {"FLAIR": Path("s.nii")}) for rater in "12"]
    assert inputs_from_cases(raters, FLAIR) == [Input("s", {"FLAIR": Path("s.nii")})]
    slices = [Case(f"e_{page}", "e", "e", {"EM": Path("e.tif")}, slice_index=page) for page in (7, 5)]
    (item,) = inputs_from_cases(slices, ("EM",))
    assert item.slices == (5, 7)
    assert outputs([item]) == ["e_mask.tif"]
