"""What the pages tell can be followed: links lead somewhere, commands and keys exist, tables are complete."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer
from pydantic import BaseModel

from msseg.cli.main import app
from msseg.config.experiment import ExperimentConfig
from msseg.config.loss import LossConfig
from msseg.config.network import NetworkConfig
from msseg.config.patches import Augmentation
from msseg.losses.registry import build_loss
from msseg.volumes.maps import MAPS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
COMMAND = re.compile(r"^ {4}(?:\$ )?(msseg (?:.+\\\n)*.+)$", re.MULTILINE)
"""A line of a code block, and those that follow a backslash."""
KEY = re.compile(r"`([a-z]+)\.([a-z_]+)[:`]")


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def anchors(page: Path) -> set[str]:
    """Of headings as GitHub makes them: lower case, without punctuation, dashes for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = page.parent / link["path"] if link["path"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            lost.append(link[0])
    assert lost == []


def commands(page: Path) -> Iterator[list[str]]:
    """Command lines in code blocks, split as a shell does; several joined by && are told apart."""
    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        for part in line.replace("\\\n", "").split("&&"):
            words = shlex.split(part, comments=True)
            yield words[: words.index(">")] if ">" in words else words


def test_commands_and_their_options_exist(page: Path) -> None:
    group = typer.main.get_command(app)
    wrong = []
    for _, name, *arguments in commands(page):
        if "|" in arguments:
            continue  # the list of commands
        try:
            group.commands[name].make_context(name, list(arguments))  # type: ignore[attr-defined]
        except Exception as error:  # click's errors, or those of the copy that Typer carries
            wrong.append(f"{name} {arguments}: {error!r}")
    assert wrong == []


def test_the_pages_show_the_commands_that_users_need() -> None:
    shown = {words[1] for page in PAGES for words in commands(page)}
    assert {"demo", "run", "predict", "evaluate", "report", "models"} <= shown


def sections() -> dict[str, set[str]]:
    """Keys of each section; of networks and losses those of all."""
    found = {}
    for name, field in ExperimentConfig.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found[name] = set(field.annotation.model_fields)
    found["network"] = {key for kind in members(NetworkConfig) for key in kind.model_fields}
    return found


def members(union: object) -> list[type[BaseModel]]:
    """The models of an annotated union."""
    return [kind for kind in get_args(get_args(union)[0]) if issubclass(kind, BaseModel)]


def test_keys_exist(page: Path) -> None:
    known = sections()
    named = [(section, key) for section, key in KEY.findall(page.read_text(encoding="utf-8")) if section in known]
    endings = {"yaml", "md", "json", "csv"}
    assert [f"{section}.{key}" for section, key in named if key not in known[section] | endings] == []


def rows(page: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    text = (ROOT / page).read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]


def test_every_augmentation_is_in_the_table() -> None:
    listed = [row[0].strip("`") for row in rows("docs/pipeline.md", "Augmentations")]
    assert sorted(listed) == sorted(kind.model_fields["name"].default for kind in members(Augmentation))


def test_every_map_and_who_asks_for_it_is_in_the_table() -> None:
    table = rows("docs/pipeline.md", "Maps for losses")
    listed = {name.strip("`"): set(re.findall(r"`(\w+)`", losses)) for name, _, losses in table}
    asking: dict[str, set[str]] = {name: set() for name in MAPS}
    for kind in members(LossConfig):
        if kind.model_fields["name"].default != "sum":
            for name in build_loss(kind()).maps:  # type: ignore[arg-type]
                asking[name].add(kind.model_fields["name"].default)
    assert listed == asking
