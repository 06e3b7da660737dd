"""docs/layouts.md: its example is tried, and what it says of BIDS names is true."""

import re
from pathlib import Path

import pytest

from msseg.cases.find import find_cases
from msseg.cases.layout import describe_layouts, read_layout
from msseg.cases.trial import describe_trial, try_layout
from msseg.config.data import DataConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("## A layout of your own", 1)[1].split("### Patterns", 1)[0]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's files and its layout, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for path in re.findall(r"^lab/\S+$", EXAMPLE, re.MULTILINE):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    layout, *_ = re.findall(r"```yaml\n(.*?)```", EXAMPLE, re.DOTALL)
    Path("lab.yaml").write_text(layout)
    assert len(layout.splitlines()) <= 5
    return tmp_path


def test_the_example_prints_what_the_page_shows(lab: Path) -> None:
    shown = re.findall(r"```\n(layout lab in lab: .*?)```", EXAMPLE, re.DOTALL)
    lines = describe_trial(try_layout(read_layout("lab.yaml"), Path("lab")))
    assert shown == ["\n".join(lines) + "\n"]


def test_the_example_finds_its_cases(lab: Path) -> None:
    data = DataConfig(layout="lab.yaml", root="lab", channels=("FLAIR",), select={"patient": ("anna", "ben")})
    assert [case.id for case in find_cases(data)] == ["anna_2019", "anna_2021", "ben_2020"]


def test_every_named_layout_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.split("## A layout of your own", 1)[0], re.MULTILINE)
    assert sorted(listed) == [layout.name for layout in describe_layouts()]


def test_the_channels_of_bids_are_listed() -> None:
    section = PAGE.split("## BIDS", 1)[1].split("## nnU-Net", 1)[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| `_(\S+)`", section, re.MULTILINE))
    assert listed == {channel: texts[0] for channel, texts in read_layout("bids").channels.items()}
