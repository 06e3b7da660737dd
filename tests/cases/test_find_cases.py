import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from msseg.cases.case import Case
from msseg.cases.find import channel_sets, find_cases
from msseg.config.data import DataConfig
from msseg.errors import InputError

MakeTree = Callable[[Iterable[str]], Path]


def isbi(**settings: object) -> DataConfig:
    return DataConfig(layout="isbi2015", **settings)  # type: ignore[arg-type]


def openms(**settings: object) -> DataConfig:
    return DataConfig(layout="openms", **settings)  # type: ignore[arg-type]


def complaint(data: DataConfig, root: Path, need_label: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        find_cases(data, root, need_label)
    return str(caught.value)


# -------------------------------------------------------------------------------------------------- isbi2015
def test_isbi_training_set(make_tree: MakeTree, isbi_training: list[str]) -> None:
    root = make_tree(isbi_training)
    cases = find_cases(isbi(), root)
    assert len(cases) == 21
    assert [case.id for case in cases] == sorted(case.id for case in cases)
    home = root / "training" / "training03"
    assert cases[8] == Case(
        id="training03_01",
        group="training03",
        scan="training03_01",
        images={
            "FLAIR": home / "preprocessed" / "training03_01_flair_pp.nii",
            "MPRAGE": home / "preprocessed" / "training03_01_mprage_pp.nii",
            "PDW": home / "preprocessed" / "training03_01_pd_pp.nii",
            "T2W": home / "preprocessed" / "training03_01_t2_pp.nii",
        },
        label=home / "masks" / "training03_01_mask1.nii",
    )
    assert len({hash(case) for case in cases}) == 21


def test_isbi_raters(make_tree: MakeTree, isbi_training: list[str]) -> None:
    root = make_tree(isbi_training)
    second = find_cases(isbi(select={"rater": ("2",)}), root)
    assert [case.id for case in second[:2]] == ["training01_01", "training01_02"]
    assert {case.label.name[-9:] for case in second if case.label} == {"mask2.nii"}
    for choice in (("1", "2"), ("*",)):
        both = find_cases(isbi(select={"rater": choice}), root)
        assert len(both) == 42
        assert [case.id for case in both[:2]] == ["training01_01_rater1", "training01_01_rater2"]
        assert {(case.scan, case.group) for case in both[:2]} == {("training01_01", "training01")}
        assert both[0].images == both[1].images
        assert both[0].label != both[1].label


def test_isbi_test_set_is_for_prediction(make_tree: MakeTree, isbi_training: list[str], isbi_test: list[str]) -> None:
    root = make_tree([*isbi_training, *isbi_test])
    cases = find_cases(isbi(channels=("FLAIR",)), root / "testdata_website", need_label=False)
    assert len(cases) == 8
    assert all(case.label is None and list(case.images) == ["FLAIR"] for case in cases)
    message = complaint(isbi(), root)
    assert "8 of 29 scans" in message
    assert "no label of rater 1 ({patient}_{session}_mask{rater}.nii[.gz]) for test01_01, test01_02" in message
    assert "test02_01 and 3 more; add them or leave scans out with data.select" in message
    assert len(find_cases(isbi(select={"patient": ("training*",)}), root)) == 21
    assert len(find_cases(isbi(), root, need_label=False)) == 29


def test_several_raters_are_one_case_where_no_label_is_needed(make_tree: MakeTree, isbi_training: list[str]) -> None:
    root = make_tree(isbi_training)
    cases = find_cases(isbi(select={"rater": ("1", "2")}), root, need_label=False)
    assert len(cases) == 21
    assert all(case.label is None for case in cases)


def test_a_patients_folder_or_flat_files_do_as_well(make_tree: MakeTree, isbi_training: list[str]) -> None:
    root = make_tree(isbi_training)
    assert len(find_cases(isbi(), root / "training" / "training03")) == 5
    flat = root.parent / "flat"
    flat.mkdir()
    for path in isbi_training:
        if "/orig/" not in path:
            (flat / (Path(path).name + ".gz")).touch()
    assert len(find_cases(isbi(), flat)) == 21


def test_a_missing_mask_of_one_of_two_raters_is_named(make_tree: MakeTree, isbi_training: list[str]) -> None:
    root = make_tree(isbi_training)
    (root / "training/training02/masks/training02_03_mask2.nii").unlink()
    assert len(find_cases(isbi(), root)) == 21
    message = complaint(isbi(select={"rater": ("1", "2")}), root)
    assert "1 of 21 scans" in message
    assert "lacks files: no label of rater 2" in message
    assert "for training02_03" in message


# ---------------------------------------------------------------------------------------------------- openms
def test_openms_release(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree(openms_release)
    cases = find_cases(openms(), root)
    assert [(case.id, case.group, case.scan) for case in cases] == [
        ("patient01", "patient01", "patient01"),
        ("patient02", "patient02", "patient02"),
    ]
    assert {channel: path.name for channel, path in cases[0].images.items()} == {
        "FLAIR": "patient01_FLAIR.nii.gz",
        "T1": "patient01_T1W.nii.gz",
        "T1POST": "patient01_T1WKS.nii.gz",
        "T2": "patient01_T2W.nii.gz",
    }
    assert all(path.parent == root / "patient01" for path in cases[0].images.values())
    assert cases[0].label == root / "patient01" / "patient01_consensus_gt.nii.gz"


@pytest.mark.parametrize("variant", ["raw", "coregistered", "MNI"])
def test_openms_on_github(make_tree: MakeTree, openms_github: dict[str, list[str]], variant: str) -> None:
    root = make_tree(path for paths in openms_github.values() for path in paths)
    cases = find_cases(openms(), root / variant)
    assert [case.id for case in cases] == ["patient01", "patient02"]
    for case in cases:
        assert list(case.images) == ["FLAIR", "T1", "T1POST", "T2"]
        assert case.label is not None
        assert {path.parent for path in (*case.images.values(), case.label)} == {root / variant / case.id}
    assert "T1POST" in cases[0].images["T1POST"].name or "T1WKS" in cases[0].images["T1POST"].name


def test_several_variants_of_a_case_are_told_apart_by_the_user(
    make_tree: MakeTree, openms_github: dict[str, list[str]]
) -> None:
    root = make_tree(path for paths in openms_github.values() for path in paths)
    message = complaint(openms(), root.parent)
    assert "patient01 has two images of FLAIR" in message
    assert re.search(r"data/\w+/patient01/FLAIR\S*\.nii\.gz and data/\w+/patient01/FLAIR\S*\.nii\.gz", message)
    assert f"({root / 'MNI'} or {root / 'coregistered'})" in message


def test_a_file_with_its_compressed_copy_is_one_too_many(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree([*openms_release, "patient02/patient02_consensus_gt.nii"])
    assert complaint(openms(), root).endswith(
        "patient02 has two labels: patient02/patient02_consensus_gt.nii"
        " and patient02/patient02_consensus_gt.nii.gz; keep one of them"
    )


def test_openms_longitudinal_studies_can_be_predicted_only(make_tree: MakeTree) -> None:
    release = [f"patient1/patient1_study{n}_{name}reg.nii.gz" for n in (1, 2) for name in ("FLAIR", "T1W", "T2W")]
    originals = [f"patient1/raw/patient1_study{n}_FLAIR.nii.gz" for n in (1, 2)]
    root = make_tree([*release, *originals, "patient1/patient1_gt.nii.gz"])
    wanted = openms(channels=("FLAIR",))
    cases = find_cases(wanted, root, need_label=False)
    assert [(case.id, case.group) for case in cases] == [
        ("patient1_1", "patient1"),
        ("patient1_2", "patient1"),
    ]
    assert "no label" in complaint(wanted, root)
    github = root.parent / "github" / "patient1"
    github.mkdir(parents=True)
    for name in ("study1_FLAIR", "study2_FLAIR", "gt"):
        (github / f"{name}.nii.gz").touch()
    assert [case.id for case in find_cases(wanted, github, need_label=False)] == ["patient1_1", "patient1_2"]


# -------------------------------------------------------------------------------------------------- channels
def test_only_wanted_channels_have_to_be_there(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree(path for path in openms_release if not path.endswith("patient02_T2W.nii.gz"))
    cases = find_cases(openms(channels=("T1", "FLAIR+T1")), root)
    assert [list(case.images) for case in cases] == [["T1", "FLAIR"]] * 2
    message = complaint(openms(channels=("FLAIR", "FLAIR+T2")), root)
    assert "1 of 2 scans" in message
    assert "no T2 (T2 or T2W in the file's name) for patient02" in message
    assert "data.channels: [FLAIR]" in message


def test_a_channel_that_nobody_has(make_tree: MakeTree) -> None:
    root = make_tree(["p1/FLAIR.nii", "p2/FLAIR.nii", "p1/consensus_gt.nii", "p2/consensus_gt.nii"])
    message = complaint(openms(), root)
    assert "2 of 2 scans" in message
    assert "no T1 (T1 or T1W in the file's name) for any of the 2 scans" in message
    assert "data.channels: [FLAIR]" in message


def test_a_label_without_images_is_named(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree([*openms_release, "patient03/patient03_consensus_gt.nii.gz"])
    message = complaint(openms(channels=("FLAIR",)), root)
    assert "1 of 3 scans" in message
    assert "no FLAIR (FLAIR in the file's name) for patient03" in message
    assert len(find_cases(openms(channels=("FLAIR",)), root, need_label=False)) == 2


def test_unknown_channels(tmp_path: Path) -> None:
    for channel, hint in (
        ("FLAR", "did you mean FLAIR?"),
        ("t1w", "it is called T1 there"),
        ("XYZ", "openms. Ch"),
    ):
        message = complaint(openms(channels=(channel,)), tmp_path)
        assert f"there is no channel {channel} in layout openms" in message
        assert hint in message
        assert message.endswith("Channels: FLAIR, T1, T1POST, T2")


def test_channel_sets() -> None:
    assert channel_sets(openms(channels=("FLAIR", "FLAIR+T1"))) == (("FLAIR",), ("FLAIR", "T1"))
    assert channel_sets(openms(channels=("T1 + FLAIR",))) == (("T1", "FLAIR"),)
    assert channel_sets(openms()) == (("FLAIR",), ("T1",), ("T1POST",), ("T2",))
    for entry in ("FLAIR+", "FLAIR+FLAIR", "", "+"):
        with pytest.raises(ValueError, match="FLAIR\\+T1"):
            openms(channels=(entry,))


# ------------------------------------------------------------------------------------------------- selection
def test_selection(make_tree: MakeTree, isbi_training: list[str]) -> None:
    root = make_tree(isbi_training)
    cases = find_cases(isbi(select={"patient": ("training02", "*03"), "session": ("?1", "05")}), root)
    assert [case.id for case in cases] == ["training02_01", "training03_01", "training03_05"]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({"patint": ("x",)}, "the field patint, which layout isbi2015 does not have; did you mean patient?"),
        ({"patient": ("training1",)}, "keeps patient training1, but no file has it; did you mean training"),
        ({"rater": ("3",)}, "keeps rater 3, but no file has it. There are: 1 and 2"),
        ({"channel": ("flair",)}, "name them in data.channels"),
        ({"patient": ("training01",), "session": ("05",)}, "leaves no scan"),
    ],
)
def test_a_selection_that_cannot_be_meant(
    make_tree: MakeTree, isbi_training: list[str], select: dict[str, tuple[str, ...]], expected: str
) -> None:
    assert expected in complaint(isbi(select=select), make_tree(isbi_training))


# --------------------------------------------------------------------------------------------- nothing found
def test_a_layout_that_finds_nothing_says_what_it_looked_for_and_what_is_there(
    make_tree: MakeTree, isbi_training: list[str]
) -> None:
    root = make_tree([*isbi_training, "notes.txt", "table"])
    message = complaint(openms(), root)
    assert f"layout openms finds no image in {root}" in message
    assert "{patient}/{patient}_{channel}.nii[.gz] or {patient}/{channel}.nii[.gz]" in message
    assert "{channel} is FLAIR, T1, T1W" in message
    assert "holds 212 files (126 .nii, 84 .nii.gz, 1 .txt and 1 without suffix)" in message
    assert "such as training/training01/masks/training01_01_mask1.nii, " in message
    assert "layout isbi2015 fits some of them" in message


def test_the_folder_is_wrong(make_tree: MakeTree, tmp_path: Path) -> None:
    root = make_tree([])
    assert complaint(openms(), root).endswith("but the folder holds no files")
    assert "does not exist; give another as data.root or with --data" in complaint(openms(), root / "none")
    (root / "cases.csv").touch()
    assert "is a file, not a folder; to read a table, set data.table" in complaint(openms(), root / "cases.csv")
    with pytest.raises(InputError, match=r"where is the data set \(layout openms\)\? Give data.root or --data"):
        find_cases(openms())
    with pytest.raises(InputError, match=r"set data.layout .* or data.table"):
        find_cases(DataConfig(root=str(root)))


def test_the_root_in_the_config_and_the_one_that_replaces_it(
    make_tree: MakeTree, openms_release: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(openms_release)
    assert len(find_cases(openms(root=str(root)))) == 2
    assert len(find_cases(openms(root="/nowhere"), root / "patient01")) == 1
    monkeypatch.chdir(root / "patient01")
    assert find_cases(openms(root="."))[0].label == root / "patient01" / "patient01_consensus_gt.nii.gz"
    assert len(find_cases(openms(root=".."))) == 2
    monkeypatch.setenv("HOME", str(root.parent))
    assert len(find_cases(openms(root="~/data"))) == 2


# ------------------------------------------------------------------------------------------------- odd trees
def test_hidden_files_and_what_macos_leaves_behind_are_not_seen(make_tree: MakeTree, openms_release: list[str]) -> None:
    hidden = ["__MACOSX/patient01/FLAIR.nii", ".git/patient01/FLAIR.nii", "patient01/._FLAIR.nii.gz"]
    assert len(find_cases(openms(), make_tree([*openms_release, *hidden]))) == 2


def test_links_are_followed_but_not_in_circles(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree(openms_release)
    (root / "patient02" / "up").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to(root / "self", target_is_directory=True)
    assert len(find_cases(openms(), root)) == 2
    linked = root.parent / "linked"
    linked.mkdir()
    (linked / "patient01").symlink_to(root / "patient01", target_is_directory=True)
    assert find_cases(openms(), linked)[0].label == linked / "patient01" / "patient01_consensus_gt.nii.gz"


def test_a_patient_that_is_a_link_to_another_is_refused(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree(openms_release)
    folder = root / "patient03"
    folder.mkdir()
    for path in sorted((root / "patient01").glob("*.nii.gz")):
        (folder / path.name.replace("01", "03")).symlink_to(path)
    message = complaint(openms(channels=("FLAIR",)), root)
    assert "the cases patient01 and patient03 have the same image" in message
    assert f"(by a link also {root / 'patient01' / 'patient01_FLAIR.nii.gz'})" in message
    assert message.endswith("give both the same group, or leave one out")


def test_a_broken_link_is_named(make_tree: MakeTree, openms_release: list[str]) -> None:
    root = make_tree(openms_release)
    for name in ("patient01_FLAIR.nii.gz", "patient01_T1W.nii.gz"):
        (root / "patient01" / name).unlink()
        (root / "patient01" / name).symlink_to("/annex/absent")
    message = complaint(openms(channels=("FLAIR+T1",)), root)
    assert "patient01_FLAIR.nii.gz (and 1 other file) of case patient01 is a link to /annex/absent" in message


def test_a_folder_that_cannot_be_read_is_named(
    make_tree: MakeTree, openms_release: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scan_folder = make_tree(openms_release), os.scandir
    closed = root / "patient01"

    def scandir(path: str) -> object:  # in place of chmod, which does not keep root out
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return scan_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert complaint(openms(), root) == f"the folder {closed} cannot be read: Permission denied"


def test_layouts_of_ones_own(make_tree: MakeTree, tmp_path: Path) -> None:
    root = make_tree(["A/s1/flair.nii", "A/s2/flair.nii", "B/s1/flair.nii", "A/s1/lesion.nii"])
    layout = tmp_path / "mine.yaml"
    base = 'images: "{patient}/{session}/{channel}.nii"\nchannels: [FLAIR]\n'
    layout.write_text(base)
    data = DataConfig(layout=str(layout))
    assert [case.id for case in find_cases(data, root, need_label=False)] == ["A_s1", "A_s2", "B_s1"]
    assert "layout mine has no labels" in complaint(data, root)
    layout.write_text(f'{base}case: "{{session}}"\n')
    message = complaint(data, root, need_label=False)
    assert "gives the id s1 to several scans (patient A, session s1 and patient B, session s1)" in message
    layout.write_text(f'{base}labels: "{{patient}}/{{session}}/flair.nii"\n')
    assert "is an image by '{patient}/{session}/{channel}.nii' and a label by" in complaint(data, root)
    layout.write_text(f'{base}labels: "{{patient}}/{{session}}/*.nii"\n')
    (root / "A/s2/other.nii").touch()
    (root / "B/s1/third.nii").touch()
    assert [case.label.name for case in find_cases(data, root) if case.label] == [
        "lesion.nii",
        "other.nii",
        "third.nii",
    ]


def test_an_id_that_cannot_name_a_file(make_tree: MakeTree, tmp_path: Path) -> None:
    root = make_tree(["a\nb/FLAIR.nii", "a\nb/consensus_gt.nii"])
    assert r"the case id 'a\nb' cannot name a file" in complaint(openms(channels=("FLAIR",)), root)


# ------------------------------------------------------------------------------------------------- real data
@pytest.mark.real
def test_the_real_openms_files(shared_data: Path) -> None:
    root = shared_data / "openms"
    if not root.is_dir():
        pytest.skip("openms is not in ../shared/data")
    cases = find_cases(openms(root=str(root)))
    assert [case.id for case in cases] == ["patient07", "patient19"]
    for case in cases:
        assert list(case.images) == ["FLAIR", "T1", "T1POST", "T2"]
        assert case.label is not None
        files = [case.label, *case.images.values()]
        assert all(path.stat().st_size > 0 for path in files)
        assert set(files) == set((root / case.id).resolve().iterdir())
        for channel, path in case.images.items():
            assert path.name.startswith(f"{channel}_N4")
