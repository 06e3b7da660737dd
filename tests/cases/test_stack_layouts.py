import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from msseg.cases.case import Case
from msseg.cases.find import find_cases
from msseg.cases.labels import label_meaning_of
from msseg.config.data import DataConfig
from msseg.errors import InputError

WriteStack = Callable[..., Path]
MakeStacks = Callable[[Mapping[str, int]], Path]
EM = DataConfig(layout="em_stack")
CELLS = DataConfig(layout="cell_tracking")


@pytest.fixture
def make_stacks(tmp_path: Path, write_stack: WriteStack) -> MakeStacks:
    """Write stacks by path and number of slices below a folder `data`."""

    def make(stacks: Mapping[str, int]) -> Path:
        for path, slices in stacks.items():
            write_stack(tmp_path / "data" / path, slices)
        return tmp_path / "data"

    return make


def complaint(data: DataConfig, root: Path | None, need_label: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        find_cases(data, root, need_label)
    return str(caught.value)


def files(folder: str, names: str, numbers: range) -> dict[str, int]:
    return {f"{folder}/{names.format(number)}": 1 for number in numbers}


# ------------------------------------------------------------------------------------------------ stack files
def test_every_page_of_a_stack_is_a_case(make_stacks: MakeStacks) -> None:
    root = make_stacks({"train-volume.tif": 12, "train-labels.tif": 12})
    cases = find_cases(EM, root)
    assert len(cases) == 12
    assert cases[2] == Case(
        id="train_003",
        group="train",
        scan="train",
        images={"EM": root / "train-volume.tif"},
        label=root / "train-labels.tif",
        slice_index=2,
        slice_number=3,
        slice_span=(1, 12),
    )
    assert [case.slice_index for case in cases] == list(range(12))
    assert {case.stack for case in cases} == {"train"}


@pytest.mark.parametrize(
    ("image", "label", "stack"),
    [
        ("train-volume.tif", "train-labels.tif", "train"),
        ("a_b_volume.tiff", "a_b_labels.tiff", "a_b"),
        ("X.tif", "X_label.tif", "X"),
        ("X.tif", "X_labels.tif", "X"),
        ("X.tif", "X_seg.tif", "X"),
        ("X.tif", "X_gt.tif", "X"),
        ("X.tif", "X-mask.h5", "X"),
        ("images/X1.tif", "labels/X1.tif", "X1"),
        ("images/X.tif", "masks/X.tif", "X"),
        ("images/X.h5", "labels/X.h5", "X"),
        ("stack2/image.h5", "stack2/label.h5", "stack2"),
        ("stack2-input.h5", "stack2-label.h5", "stack2"),
        ("stack2-image.tif", "stack2-label.tif", "stack2"),
        ("s/raw.hdf5", "s/seg.hdf5", "s"),
        ("images/train-volume.tif", "images/train-labels.tif", "train"),
        ("images/X.tif", "images/X_gt.tif", "X"),
    ],
)
def test_names_of_stacks_and_labels(make_stacks: MakeStacks, image: str, label: str, stack: str) -> None:
    root = make_stacks({image: 3, label: 3})
    cases = find_cases(EM, root)
    assert [case.id for case in cases] == [f"{stack}_001", f"{stack}_002", f"{stack}_003"]
    assert {(case.images["EM"], case.label) for case in cases} == {(root / image, root / label)}


def test_stacks_of_several_kinds_side_by_side(make_stacks: MakeStacks) -> None:
    root = make_stacks(
        {
            "images/stack1.tif": 4,
            "labels/stack1.tif": 4,
            **files("images/stack2", "z{:03d}.png", range(1, 4)),
            **files("labels/stack2", "z{:03d}.png", range(1, 4)),
        }
    )
    assert [case.id for case in find_cases(EM, root)] == [
        *("stack1_001", "stack1_002", "stack1_003", "stack1_004"),
        *("stack2_001", "stack2_002", "stack2_003"),
    ]


def test_more_than_999_slices_stay_in_order(make_stacks: MakeStacks) -> None:
    cases = find_cases(EM, make_stacks({"s.h5": 1001, "s_label.h5": 1001}))
    assert [case.slice_number for case in cases] == list(range(1, 1002))
    assert (cases[0].id, cases[-1].id) == ("s_0001", "s_1001")
    assert [case.id for case in cases] == sorted(case.id for case in cases)


def test_a_stack_and_its_label_have_different_numbers_of_slices(make_stacks: MakeStacks) -> None:
    root = make_stacks({"s-volume.tif": 30, "s-labels.tif": 29})
    message = complaint(EM, root)
    assert message.startswith(f"the stack s has 30 slices in {root / 's-volume.tif'} but 29 in {root / 's-labels.tif'}")
    assert len(find_cases(EM, root, need_label=False)) == 30


def test_a_stack_without_a_label_is_named_unless_it_is_predicted(make_stacks: MakeStacks) -> None:
    root = make_stacks({"train-volume.tif": 2, "train-labels.tif": 2, "test-volume.tif": 2})
    message = complaint(EM, root)
    assert "1 of 2 stacks" in message
    assert "for test; add them or leave stacks out with data.select" in message
    assert len(find_cases(EM, root, need_label=False)) == 4
    chosen = DataConfig(layout="em_stack", select={"stack": ("train",)})
    assert [case.id for case in find_cases(chosen, root)] == ["train_001", "train_002"]


def test_a_stack_that_cannot_be_opened(make_stacks: MakeStacks) -> None:
    root = make_stacks({"s-volume.tif": 2, "s-labels.tif": 2})
    (root / "s-labels.tif").write_bytes(b"II*\x00 garbage")
    assert f"{root / 's-labels.tif'} is no TIFF file that can be read" in complaint(EM, root)
    (root / "s-labels.tif").unlink()
    (root / "s-labels.tif").symlink_to("/annex/absent")
    assert "is a link to /annex/absent" in complaint(EM, root)


def test_an_hdf5_file_without_main(make_stacks: MakeStacks) -> None:
    root = make_stacks({"s.h5/raw": 2, "s_label.h5/main": 2})
    assert "has no data set /main; it has /raw: name one in a table or a layout of your own" in complaint(EM, root)


def test_data_sets_by_a_layout_of_ones_own(make_stacks: MakeStacks, tmp_path: Path) -> None:
    root = make_stacks({"A.h5/volumes/raw": 3, "A.h5/volumes/labels": 3})
    layout = tmp_path / "cremi.yaml"
    layout.write_text(
        'images: "{stack}.h5/volumes/raw"\nlabels: "{stack}.h5/volumes/labels"\nchannels: [EM]\n'
        'group: "{stack}"\nslices: true\nlabel_meaning: instances\n'
    )
    data = DataConfig(layout=str(layout))
    case = find_cases(data, root)[0]
    assert (case.images["EM"], case.label) == (root / "A.h5/volumes/raw", root / "A.h5/volumes/labels")
    assert label_meaning_of(data) == "instances"


def test_slices_can_be_left_together(make_stacks: MakeStacks) -> None:
    root = make_stacks({"s-volume.tif": 4, "s-labels.tif": 4})
    (case,) = find_cases(DataConfig(layout="em_stack", slices=False), root)
    assert (case.id, case.slice_index, case.slice_number, case.order) == ("s", None, None, ("s", -1, "s"))


# -------------------------------------------------------------------------------------- slices that are files
@pytest.mark.parametrize(
    ("images", "labels", "stack"),
    [
        ("images/s1", "labels/s1", "s1"),
        ("s1/images", "s1/masks", "s1"),
        ("images", "labels", "data"),
    ],
)
@pytest.mark.parametrize(("names", "suffix"), [("{:03d}", "png"), ("z2_{:d}", "tif")])
def test_a_folder_of_slices(
    make_stacks: MakeStacks, images: str, labels: str, stack: str, names: str, suffix: str
) -> None:
    names = f"{names}.{suffix}"
    root = make_stacks({**files(images, names, range(7, 13)), **files(labels, names, range(7, 13))})
    cases = find_cases(EM, root)
    assert [case.slice_number for case in cases] == list(range(7, 13))
    assert [case.slice_index for case in cases] == list(range(6))
    series = tuple(root / images / names.format(number) for number in range(7, 13))
    for case, path in zip(cases, series, strict=True):
        assert case.images == {"EM": path}
        assert case.label == root / labels / path.name
        assert case.series == {"EM": series}
        assert (case.group, case.stack, case.slice_span) == (stack, stack, (7, 12))
        assert case.scan == case.id == f"{stack}_{path.stem.removeprefix('z2_')}"


def test_numbers_with_and_without_zeros_are_the_same_slice(make_stacks: MakeStacks) -> None:
    root = make_stacks({**files("images/s", "{:d}.png", range(1, 3)), **files("labels/s", "{:04d}.png", range(1, 3))})
    assert [case.id for case in find_cases(EM, root)] == ["s_1", "s_2"]
    make_stacks({"images/s/001.png": 1})
    assert "two images of EM: images/s/001.png and images/s/1.png" in complaint(EM, root)


def test_a_slice_of_several_pages_is_refused(make_stacks: MakeStacks) -> None:
    root = make_stacks({**files("01", "t{:03d}.tif", range(2)), "01/t002.tif": 5})
    assert "t002.tif has 5 slices, but it is meant to be a single slice" in complaint(CELLS, root, need_label=False)


def test_a_slice_without_a_label_is_named(make_stacks: MakeStacks) -> None:
    root = make_stacks({**files("images/s", "{:d}.png", range(1, 4)), **files("labels/s", "{:d}.png", range(1, 3))})
    message = complaint(EM, root)
    assert "1 of 3 slices" in message
    assert "for s_3" in message


# ---------------------------------------------------------------------------------------------- cell tracking
@pytest.fixture
def sequence(make_stacks: MakeStacks) -> Path:
    """Eight frames: gold truth of 2 and 5, silver truth of all and of one that has no image."""
    return make_stacks(
        {
            **files("01", "t{:03d}.tif", range(8)),
            **files("01_GT/SEG", "man_seg{:03d}.tif", range(2, 6, 3)),
            **files("01_ST/SEG", "man_seg{:03d}.tif", range(9)),
            **files("01_GT/TRA", "man_track{:03d}.tif", range(8)),
        }
    )


def test_a_channel_that_some_slices_of_a_stack_lack(make_stacks: MakeStacks, tmp_path: Path) -> None:
    names = {f"s/{channel}_{number}.tif": 1 for channel in ("EM", "BSE") for number in (1, 2)}
    root = make_stacks({**names, "s/mask_1.tif": 1, "s/mask_2.tif": 1})
    (root / "s" / "BSE_2.tif").unlink()
    (tmp_path / "two.yaml").write_text(
        'images: "{stack}/{channel}_{slice}.tif"\nlabels: "{stack}/mask_{slice}.tif"\nchannels: [EM, BSE]\n'
        'slices: true\ngroup: "{stack}"\n'
    )
    data = DataConfig(layout=str(tmp_path / "two.yaml"), channels=("EM+BSE",), missing="zero")
    assert "slice 2 of the stack s has no BSE, but other slices have" in complaint(data, root)
    (root / "s" / "BSE_1.tif").unlink()
    assert [list(case.series) for case in find_cases(data, root)] == [["EM"], ["EM"]]


def test_frames_without_gold_truth_are_left_out(sequence: Path, caplog: pytest.LogCaptureFixture) -> None:
    cases = find_cases(CELLS, sequence)
    assert [(case.id, case.slice_index, case.slice_number) for case in cases] == [("01_002", 2, 2), ("01_005", 5, 5)]
    assert [case.label for case in cases] == [sequence / f"01_GT/SEG/man_seg00{number}.tif" for number in (2, 5)]
    assert {len(case.series["IMAGE"]) for case in cases} == {8}
    assert {(case.group, case.slice_span) for case in cases} == {("01", (0, 7))}
    assert f"6 of 8 slices in {sequence} have no label of truth GT and are left out" in caplog.text
    assert label_meaning_of(CELLS) == "instances"


def test_silver_truth(sequence: Path, caplog: pytest.LogCaptureFixture) -> None:
    silver = DataConfig(layout="cell_tracking", select={"truth": ("ST",)})
    cases = find_cases(silver, sequence)
    assert [case.slice_number for case in cases] == list(range(8))
    assert cases[0].label == sequence / "01_ST/SEG/man_seg000.tif"
    assert f"1 of 9 slices in {sequence} has a label but no image and is left out" in caplog.text


def test_both_truths_are_two_cases_of_one_frame(sequence: Path) -> None:
    both = DataConfig(layout="cell_tracking", select={"truth": ("*",)})
    cases = [case for case in find_cases(both, sequence) if case.slice_number in (1, 2)]
    assert [case.id for case in cases] == ["01_001_truthST", "01_002_truthGT", "01_002_truthST"]
    assert [case.scan for case in cases] == ["01_001", "01_002", "01_002"]


def test_all_frames_are_predicted(sequence: Path) -> None:
    cases = find_cases(CELLS, sequence, need_label=False)
    assert [case.slice_number for case in cases] == list(range(8))
    assert [case.slice_number for case in cases if case.label] == [2, 5]


def test_a_sequence_without_any_label_is_an_error(make_stacks: MakeStacks) -> None:
    root = make_stacks(files("01", "t{:03d}.tif", range(3)))
    assert "3 of 3 slices" in complaint(CELLS, root)
    assert "no label" in complaint(CELLS, root)


# ------------------------------------------------------------------------------------------------ odds and ends
def test_a_layout_that_finds_nothing_opens_no_file(make_stacks: MakeStacks) -> None:
    root = make_stacks({"images/s1.tif": 2})
    (root / "images" / "s2.tif").write_bytes(b"garbage")
    message = complaint(DataConfig(layout="openms"), root)
    assert "layout em_stack fits some of them" in message


def test_what_labels_mean() -> None:
    assert label_meaning_of(EM) == "inside"
    assert label_meaning_of(DataConfig(layout="openms")) == "mask"
    assert label_meaning_of(DataConfig(layout="em_stack", label_meaning="membrane")) == "membrane"
    assert label_meaning_of(DataConfig(table="t.csv")) == "mask"


# -------------------------------------------------------------------------------------------------- real data
@pytest.mark.real
def test_the_real_isbi_stack(shared_data: Path) -> None:
    root = shared_data / "isbi2012"
    if not root.is_dir():
        pytest.skip("isbi2012 is not in ../shared/data")
    cases = find_cases(EM, root)
    assert [case.id for case in cases] == [f"train_{number:03d}" for number in range(1, 31)]


@pytest.mark.real
def test_the_real_cell_sequence(shared_data: Path) -> None:
    root = shared_data / "ctc_dic_hela"
    if not root.is_dir():
        pytest.skip("ctc_dic_hela is not in ../shared/data")
    gold = find_cases(CELLS, root)
    assert [case.slice_number for case in gold] == [2, 5, 21, 31, 33, 34, 39, 54, 67]
    silver = find_cases(DataConfig(layout="cell_tracking", select={"truth": ("ST",)}), root)
    assert len(silver) == len(os.listdir(root / "01"))
