import re
from pathlib import Path

import pytest

from msseg.cases.layout import Layout, describe_layouts, read_layout
from msseg.config import folder
from msseg.config.folder import config_folder
from msseg.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
FIVE_LINES = """
images: "{patient}/{session}/{channel}.nii.gz"
labels: "{patient}/{session}/lesions.nii.gz"
channels: [FLAIR, T1]
"""


def write(home: Path, text: str) -> str:
    path = home / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_named_layouts() -> None:
    layouts = {layout.name: layout for layout in describe_layouts()}
    assert set(layouts) == {
        "bids", "cell_tracking", "em_stack", "isbi2015", "miccai2008", "mslesseg", "msseg2016", "nnunet", "openms",
    }  # fmt: skip
    assert tuple(layouts["openms"].channels) == ("FLAIR", "T1", "T1POST", "T2")
    assert tuple(layouts["isbi2015"].channels) == ("FLAIR", "MPRAGE", "PDW", "T2W")
    assert layouts["isbi2015"].label_fields == ("rater",)
    assert layouts["isbi2015"].fields == ("patient", "session", "rater")
    assert layouts["cell_tracking"].label_fields == ("truth",)
    assert layouts["em_stack"].fields == ("stack", "slice")
    assert layouts["bids"].label_fields == ()
    assert layouts["bids"].fields == (
        "patient", "session", "rater", "pipeline", "acq", "rec", "run", "space", "desc",
    )  # fmt: skip
    meanings = {name: layout.label_meaning for name, layout in layouts.items() if layout.label_meaning != "mask"}
    assert meanings == {"cell_tracking": "instances", "em_stack": "inside"}
    assert all(layout.title for layout in layouts.values())


def test_the_data_readme_tells_where_each_named_layout_comes_from() -> None:
    text = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    sections = {part.split("\n", 1)[0].strip("` "): part for part in text.split("\n## ")[1:]}
    for layout in describe_layouts():
        section = sections[layout.name]
        for word in ("https://", "Licence", "Cite", "├──"):
            assert word in section, (layout.name, word)


@pytest.mark.parametrize("page", ["data/README.md", "docs/layouts.md"])
def test_the_example_layouts_are_valid(tmp_path: Path, page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    layouts = [example for example in examples if "images:" in example]
    assert layouts
    for example in layouts:
        assert read_layout(write(tmp_path, example)).channels


def test_the_settings_are_found_in_a_checkout_and_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (config_folder() / "layouts" / "openms.yaml").is_file()
    monkeypatch.setattr(folder, "_PACKAGE", tmp_path / "msseg")
    with pytest.raises(FileNotFoundError, match="install it again"):
        config_folder()
    (tmp_path / "configs" / "layouts").mkdir(parents=True)
    assert config_folder() == tmp_path / "configs"
    (tmp_path / "msseg" / "configs" / "layouts").mkdir(parents=True)
    assert config_folder() == tmp_path / "msseg" / "configs"


def test_five_lines_make_a_layout(tmp_path: Path) -> None:
    layout = read_layout(write(tmp_path, FIVE_LINES))
    assert layout.name == "mine"
    assert dict(layout.channels) == {"FLAIR": ("FLAIR",), "T1": ("T1",)}
    fields = {"patient": "p1", "session": "2", "channel": "t1"}
    assert (layout.scan_id(fields), layout.group_of(fields), layout.channel_of(fields)) == (
        "p1_2",
        "p1",
        "T1",
    )


def test_templates_of_case_and_group(tmp_path: Path) -> None:
    text = FIVE_LINES.replace("{patient}/", "{site}/{patient}/")
    layout = read_layout(write(tmp_path, text + 'case: "{site}-{patient}-{session}"\ngroup: "{site}-{patient}"\n'))
    fields = {"site": "A", "patient": "1", "session": "2", "channel": "T1"}
    assert (layout.scan_id(fields), layout.group_of(fields)) == ("A-1-2", "A-1")


def test_a_part_that_may_be_absent_is_so_in_the_case_as_well(tmp_path: Path) -> None:
    text = FIVE_LINES.replace("{session}/", "[ses-{session}/]")
    layout = read_layout(write(tmp_path, text + 'case: "{patient}[-{session}]"\n'))
    assert layout.scan_id({"patient": "1", "session": "2"}) == "1-2"
    assert layout.scan_id({"patient": "1", "session": ""}) == "1"
    with pytest.raises(
        InputError, match=r"case needs \{session\}, which .* may lack; put it in brackets there as well"
    ):
        read_layout(write(tmp_path, text + 'case: "{patient}-{session}"\n'))
    plain = read_layout(write(tmp_path, text))
    assert [plain.scan_id({"patient": "1", "session": session}) for session in ("", "2")] == ["1", "1_2"]


def test_spellings_with_wildcards(tmp_path: Path) -> None:
    layout = read_layout(write(tmp_path, FIVE_LINES.replace("[FLAIR, T1]", '{T1: T1w, T1POST: "ce-*_T1w"}')))
    (pattern,) = layout.image_patterns
    for name, channel in (("t1w", "T1"), ("CE-gd_T1w", "T1POST"), ("ce-x_acq-y_T1w", "T1POST")):
        values = pattern.match(("p", "s", f"{name}.nii.gz"))
        assert values is not None
        assert layout.channel_of(values) == channel
    assert pattern.match(("p", "s", "ce-T1w.nii.gz")) is None


def test_without_a_channel_field_all_files_are_of_the_one_channel(tmp_path: Path) -> None:
    layout = read_layout(write(tmp_path, 'images: "{patient}.nii.gz"\nchannels: FLAIR\n'.replace("FLAIR", "[FLAIR]")))
    assert layout.channel_of({"patient": "1"}) == "FLAIR"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            ("channels: [FLAIR, T1]", "channels: [FLAIR, T1]\nchanels: 1"),
            "unknown key chanels; did you mean channels?",
        ),
        (("channels: [FLAIR, T1]", ""), "channels is"),
        (("channels: [FLAIR, T1]", "channels: {FLAIR: 3}"), "channels.FLAIR is 3"),
        (("channels: [FLAIR, T1]", "channels: {FLAIR: x, T1: X}"), "spelling x twice"),
        (("channels: [FLAIR, T1]", 'channels: ["FLAIR+T1"]'), "'FLAIR+T1' has to be named by"),
        (("channels: [FLAIR, T1]", 'channels: {FLAIR: ""}'), "FLAIR has no spelling"),
        (("{channel}.nii", "flair.nii"), "cannot be told apart"),
        (("{patient}/{session}/lesions", "{patient}/lesions"), "would belong to no scan"),
        (("lesions.nii", "{channel}_lesions.nii"), "a label is of all channels"),
        (("{patient}", "{person}"), "unknown field {person}"),
        (("channels:", "group: patient\nchannels:"), "group is 'patient', the same for all files"),
        (("channels:", 'case: "{rater}"\nchannels:'), "case needs {rater}"),
        (("{patient}/", "{site}/"), "group needs {patient}"),
        (("channels:", 'select: {rater: "1"}\nchannels:'), "select names rater"),
        (("images:", "images: 3\nimage:"), "images is 3"),
        (("{session}", "{slice}"), "the patterns have {slice}; write slices: true"),
        (("channels:", "label_meaning: cells\nchannels:"), "label_meaning is 'cells'"),
        (("images:", "images: x\nimages:"), "images is given twice"),
        (("channels: [FLAIR, T1]", "channels: []"), "channels is empty; name the channels"),
        (("channels:", "choose: Run-1\nchannels:"), "choose names Run-1; fields are named by small letters"),
        (("channels:", "choose: [channel]\nchannels:"), "choose names channel"),
        (("channels:", 'group: "{rater}"\nchannels:'), "group needs {rater}, which no scan has"),
    ],
)
def test_a_wrong_layout_is_refused_by_one_sentence(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    assert change[0] in FIVE_LINES
    with pytest.raises(InputError, match=re.escape(complaint)) as caught:
        read_layout(write(tmp_path, FIVE_LINES.replace(*change)))
    assert "mine.yaml" in str(caught.value)


def test_layouts_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no layout 'isbi'; did you mean isbi2015\? Layouts: .*, isbi2015, .*, openms"
    ):
        read_layout("isbi")
    with pytest.raises(InputError, match=r"none\.yaml does not exist"):
        read_layout(str(tmp_path / "none.yaml"))


def test_a_layout_is_the_same_after_writing_and_reading() -> None:
    for layout in describe_layouts():
        assert Layout.model_validate_json(layout.model_dump_json()) == layout
