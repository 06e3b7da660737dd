import re
from collections.abc import Callable
from pathlib import Path

import pytest

from msseg.cases.case import Case
from msseg.cases.find import channel_sets, find_cases
from msseg.config.data import DataConfig
from msseg.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
TABLE = """case,group,label,FLAIR,T1
a1,anna,m/a1.nii,a1_flair.nii,a1_t1.nii
a2,anna,m/a2.nii,a2_flair.nii,a2_t1.nii
b1,ben,m/b1.nii,b1_flair.nii,
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a table, with empty files for the cells that look like images."""

    def make(text: str) -> Path:
        for cell in re.findall(r"[\w/]+\.nii", text):
            (tmp_path / cell).parent.mkdir(exist_ok=True)
            (tmp_path / cell).touch()
        path = tmp_path / "cases.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def table(path: Path, *channels: str, **select: tuple[str, ...]) -> DataConfig:
    return DataConfig(table=str(path), channels=channels, select=select)


def complaint(data: DataConfig, need_label: bool = True) -> str:
    with pytest.raises(InputError) as caught:
        find_cases(data, None, need_label)
    return str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n"])
def test_a_table(write: Callable[[str], Path], tmp_path: Path, separator: str, before: str) -> None:
    path = write(before + TABLE.replace(",", separator))
    cases = find_cases(table(path, "FLAIR"))
    assert cases == [
        Case("a1", "anna", "a1", {"FLAIR": tmp_path / "a1_flair.nii"}, tmp_path / "m" / "a1.nii"),
        Case("a2", "anna", "a2", {"FLAIR": tmp_path / "a2_flair.nii"}, tmp_path / "m" / "a2.nii"),
        Case("b1", "ben", "b1", {"FLAIR": tmp_path / "b1_flair.nii"}, tmp_path / "m" / "b1.nii"),
    ]
    assert channel_sets(table(path)) == (("FLAIR",), ("T1",))


def test_relative_paths_start_from_the_root_if_there_is_one(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write(TABLE)
    elsewhere = tmp_path / "tables"
    elsewhere.mkdir()
    moved = path.rename(elsewhere / "cases.csv")
    data = table(moved, "FLAIR")
    assert find_cases(data, tmp_path)[0].label == tmp_path / "m" / "a1.nii"
    assert find_cases(data.model_copy(update={"root": str(tmp_path)}))[0].label == tmp_path / "m" / "a1.nii"
    assert complaint(data).startswith(f"the file {elsewhere / 'a1_flair.nii'} (and 5 other files) of case a1")


def test_absolute_and_quoted_paths(tmp_path: Path) -> None:
    folder = tmp_path / "with, comma"
    folder.mkdir()
    (folder / "f.nii").touch()
    path = tmp_path / "t.csv"
    path.write_text(f'case,group,FLAIR\nx,x,"{folder / "f.nii"}"\n')
    assert find_cases(table(path), need_label=False)[0].images == {"FLAIR": folder / "f.nii"}


def test_selection_of_rows(write: Callable[[str], Path]) -> None:
    path = write(TABLE)
    assert [case.id for case in find_cases(table(path, "FLAIR+T1", group=("anna",)))] == ["a1", "a2"]
    assert [case.id for case in find_cases(table(path, "FLAIR", case=("*1",)))] == ["a1", "b1"]
    assert "the column grup" in complaint(table(path, "FLAIR", grup=("anna",)))
    assert "did you mean group?" in complaint(table(path, "FLAIR", grup=("anna",)))
    assert "no row of" in complaint(table(path, "FLAIR", group=("hanna",)))
    assert "did you mean anna?" in complaint(table(path, "FLAIR", group=("hanna",)))
    assert "leaves no row" in complaint(table(path, "FLAIR", group=("ben",), case=("a1",)))


def test_two_labels_of_the_same_images_share_a_scan(write: Callable[[str], Path]) -> None:
    text = "case,group,scan,label,FLAIR\nx_r1,x,x,r1.nii,f.nii\nx_r2,x,x,r2.nii,f.nii\n"
    cases = find_cases(table(write(text)))
    assert [(case.id, case.scan) for case in cases] == [("x_r1", "x"), ("x_r2", "x")]
    assert "have the same image" in complaint(table(write(text.replace("x_r2,x,x", "x_r2,y,x"))))


def test_labels_may_be_left_out_for_prediction(write: Callable[[str], Path]) -> None:
    path = write("case,group,FLAIR\nx,x,f.nii\n")
    assert find_cases(table(path), need_label=False)[0].label is None
    assert "has no column label" in complaint(table(path))
    path = write("case,group,label,FLAIR\nx,x,,f.nii\n")
    assert find_cases(table(path), need_label=False)[0].label is None
    assert "empty cells where something is needed: label in line 2" in complaint(table(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty; it needs a header"),
        ("case,group,label,FLAIR\n", "has a header but no rows"),
        ("group,label,FLAIR\nx,y,z\n", "has no column case (a name for each case)"),
        (
            "case,grup,label,FLAIR\nx,x,m,f\n",
            "has no column group (the patient, who decides about the split); did",
        ),
        ("case,group,label\nx,x,m\n", "has no channel"),
        ("case,group,label,FLAIR,FLAIR\nx,x,m,f,f\n", "has the column FLAIR more than once"),
        ("case,group,label,T1 post\nx,x,m,f\n", "has the column 'T1 post'; columns are named by"),
        ("case,group,label,FLAIR\nx,x,m\n", "has 3 cells in line 2 but 4 columns in its header"),
        ('case,group,label,FLAIR\nx,x,m,"f\n', "is not valid CSV"),
        (
            "case,group,label,FLAIR\nx,x,m.nii,f.nii\n\nx,y,n.nii,g.nii\n",
            "the case x in line 2 and again in line 4",
        ),
        ("case,group,label,FLAIR\n,x,m,\nx,,m,f\n", "case in line 2, FLAIR in line 2 and group in line 3"),
        ("case,group,label,FLAIR\n../x,x,m.nii,f.nii\n", "the case id '../x' cannot name a file"),
        ("case,group,label,FLAIR\n.x,x,m.nii,f.nii\n", "the case id '.x' cannot name a file"),
        (
            "case,group,label,FLAIR\nx,x,m.nii,f.nii\ny,y,n.nii,f.nii\n",
            "the cases x and y have the same image",
        ),
        ("case,group,label,FLAIR\nx,x,m.nii,.\n", "is a folder, not a file"),
    ],
)
def test_a_wrong_table_is_refused_by_one_sentence(write: Callable[[str], Path], text: str, expected: str) -> None:
    assert expected in complaint(table(write(text)))


def test_cells_without_a_file(write: Callable[[str], Path], caplog: pytest.LogCaptureFixture) -> None:
    path = write(TABLE)
    assert "empty cells where something is needed: T1 in line 4" in complaint(table(path))
    skipped = find_cases(table(path, "FLAIR+T1").model_copy(update={"missing": "skip"}))
    assert [case.id for case in skipped] == ["a1", "a2"]
    assert f"1 of 3 cases in {path} lacks a channel and is left out (data.missing: skip): no T1 for b1" in caplog.text
    filled = find_cases(table(path, "FLAIR+T1").model_copy(update={"missing": "zero"}))
    assert [list(case.images) for case in filled] == [["FLAIR", "T1"], ["FLAIR", "T1"], ["FLAIR"]]
    assert "b1 in" in complaint(table(path, "FLAIR", "T1").model_copy(update={"missing": "zero"}))
    nobody = write("case,group,label,FLAIR,T1\na,a,m.nii,f.nii,\n")
    assert "no row of" in complaint(table(nobody, "FLAIR+T1").model_copy(update={"missing": "skip"}))


def test_a_scan_has_one_set_of_images(write: Callable[[str], Path]) -> None:
    path = write("case,group,scan,label,FLAIR\nr1,x,x,r1.nii,f.nii\nr2,x,x,r2.nii,g.nii\n")
    assert "the cases r1 and r2 are of one scan, x, but have different images" in complaint(table(path))


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    assert "t.csv does not exist" in complaint(table(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("case,group,label,FLAIR\nx,x,m,f\n", encoding="utf-16")
    assert "t.csv cannot be read as UTF-8 text" in complaint(table(tmp_path / "t.csv"))
    assert "cannot be read" in complaint(table(tmp_path))


def test_unknown_channels_of_a_table(write: Callable[[str], Path]) -> None:
    message = complaint(table(write(TABLE), "FLIAR"))
    assert "there is no channel FLIAR in the table" in message
    assert "did you mean FLAIR? Channels: FLAIR, T1" in message


def test_the_example_of_the_page(write: Callable[[str], Path]) -> None:
    text = (REPOSITORY / "docs" / "layouts.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```csv\n(.*?)```", text, re.DOTALL)
    flat = example.replace("anna/2", "anna_2").replace("ben/2", "ben_2").replace("/flair", "_f").replace("/t1", "_t")
    cases = find_cases(table(write(flat.replace(".gz", ""))))
    assert [(case.id, case.group) for case in cases] == [
        ("anna_2019", "anna"),
        ("anna_2020", "anna"),
        ("ben_2019", "ben"),
    ]


# --------------------------------------------------------------------------------------------------- stacks
def test_a_row_with_a_stack_opens_into_slices(tmp_path: Path, write_stack: Callable[..., Path]) -> None:
    for name in ("a.tif", "a_m.h5", "b.h5/raw", "b.h5/truth", "c.tif", "c_m.tif"):
        write_stack(tmp_path / name, 1 if name.startswith("c") else 3)
    path = tmp_path / "t.csv"
    path.write_text("case,group,label,EM\na,m1,a_m.h5,a.tif\nb,m1,b.h5/truth,b.h5/raw\nc,m2,c_m.tif,c.tif\n")
    cases = find_cases(table(path))
    assert [case.id for case in cases] == ["a_001", "a_002", "a_003", "b_001", "b_002", "b_003", "c"]
    assert [(case.group, case.stack, case.slice_index) for case in cases[2:4]] == [("m1", "a", 2), ("m1", "b", 0)]
    assert cases[3].images == {"EM": tmp_path / "b.h5" / "raw"}
    assert cases[6].slice_index is None
    whole = find_cases(DataConfig(table=str(path), slices=False))
    assert [(case.id, case.slice_index) for case in whole] == [("a", None), ("b", None), ("c", None)]
    opened = find_cases(DataConfig(table=str(path), slices=True))
    assert opened[-1].id == "c_001"


def test_rows_that_are_slices(tmp_path: Path, write_stack: Callable[..., Path]) -> None:
    for number in (8, 9, 10):
        write_stack(tmp_path / f"{number}.png")
        write_stack(tmp_path / f"{number}_m.png")
    path = tmp_path / "t.csv"
    rows = "".join(f"s{number},s,{number},{number}_m.png,{number}.png\n" for number in (10, 8, 9))
    path.write_text(f"case,group,slice,label,EM\n{rows}")
    cases = find_cases(table(path))
    assert [(case.id, case.slice_index, case.slice_number) for case in cases] == [
        ("s8", 0, 8),
        ("s9", 1, 9),
        ("s10", 2, 10),
    ]
    assert cases[0].series == {"EM": tuple(tmp_path / f"{number}.png" for number in (8, 9, 10))}
    assert channel_sets(table(path)) == (("EM",),)
    path.write_text(f"case,group,slice,label,EM\n{rows}".replace(",9,", ",8,"))
    assert "the stack s has several images of slice 8" in complaint(table(path))
    path.write_text(f"case,group,slice,label,EM\n{rows}".replace(",9,", ",nine,"))
    assert "has the slice 'nine' in line 4; a whole number is needed" in complaint(table(path))


def test_stacks_of_a_table_that_do_not_fit(tmp_path: Path, write_stack: Callable[..., Path]) -> None:
    write_stack(tmp_path / "a.tif", 3)
    write_stack(tmp_path / "m.tif", 2)
    path = tmp_path / "t.csv"
    path.write_text("case,group,label,EM\na,a,m.tif,a.tif\n")
    assert f"the stack a has 3 slices in {tmp_path / 'a.tif'} but 2 in {tmp_path / 'm.tif'}" in complaint(table(path))
    path.write_text("case,group,slice,label,EM\na,a,1,m.tif,a.tif\n")
    assert "has 3 slices, but it is meant to be a single slice" in complaint(table(path))
    path.write_text("case,group,label,EM\na,a,a.tif,a.tif\na_001,a,n.tif,n.tif\n")
    write_stack(tmp_path / "n.tif", 1)
    assert "several cases have the id a_001" in complaint(table(path))
    (tmp_path / "v.nii").touch()
    path.write_text("case,group,label,EM\na,a,v.nii,v.nii\n")
    sliced = DataConfig(table=str(path), slices=True)
    assert "v.nii cannot be opened into slices; stacks are TIFF" in complaint(sliced)
