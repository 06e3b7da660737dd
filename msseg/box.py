"""The models in the box: model folders that come with msseg, each with a card that says what it is."""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, ValidationError

from msseg.config.section import Section, Text
from msseg.errors import InputError
from msseg.model import SETTINGS_FILE, WEIGHTS_FILE, ModelSettings, find_models, read_settings

CARD_FILE = "CARD.md"

_PACKAGE = Path(__file__).resolve().parent
_FRONT_MATTER = re.compile(r"\A---\n(?P<facts>.*?)\n---\n(?P<text>.*)\Z", re.DOTALL)


class CardFacts(Section):
    """The YAML between two lines `---` at the head of a card: what a list of models tells."""

    summary: Annotated[str, Field(min_length=1, pattern=r"^[^\n]+$")]
    """What the model segments, in one line."""
    data_licence: Text
    """What the licence of the training data means for those who use the model."""
    scores: Annotated[dict[str, float], Field(min_length=1)]
    """The test's main scores by their names."""


@dataclass(frozen=True)
class BoxedModel:
    """A model in the box.

    Attributes:
        name: What `msseg predict` knows it by: its folder's name.
        folder: The model folder.
        settings: Network, channels and the rest of `model.yaml`.
        facts: The head of its card.
        text: The card without its head, Markdown.
    """

    name: str
    folder: Path
    settings: ModelSettings
    facts: CardFacts
    text: str

    @property
    def card(self) -> Path:
        """The card's file."""
        return self.folder / CARD_FILE

    @property
    def weights_size(self) -> int:
        """Size of the weights file in bytes."""
        return (self.folder / WEIGHTS_FILE).stat().st_size


def box_folder() -> Path:
    """The folder `models`: inside the installed package, or at the top of a checkout."""
    installed = _PACKAGE / "models"
    return installed if installed.is_dir() else _PACKAGE.parent / "models"


def boxed_names() -> list[str]:
    """Names of the models in the box; the box may be empty."""
    folders = (path for path in box_folder().glob("*") if not path.name.startswith("."))
    return sorted(path.name for path in folders if (path / SETTINGS_FILE).exists() or (path / WEIGHTS_FILE).exists())


def boxed_model(name: str) -> BoxedModel:
    """A model in the box with its card.

    Raises:
        InputError: There is no model of this name in the box, or its files are damaged.
    """
    names = boxed_names()
    if name not in names:
        more = "; `msseg models` lists what there is" if names else ""
        raise InputError(f"the model {name} is not in the box ({_hint(name, names)}){more}")
    folder = box_folder() / name
    settings = read_settings(folder)
    if not (folder / WEIGHTS_FILE).is_file():
        raise InputError(f"the model folder {folder} is damaged: {WEIGHTS_FILE} is missing; install msseg anew")
    facts, text = read_card(folder / CARD_FILE)
    return BoxedModel(name, folder, settings, facts, text)


def read_card(path: Path) -> tuple[CardFacts, str]:
    """Read a card: its head, and its text without the head.

    Raises:
        InputError: The file is missing, or has no valid head.
    """
    try:
        parts = _FRONT_MATTER.match(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the model card {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the model card {path} is damaged: it is not UTF-8 text") from error
    if parts is None:
        raise InputError(f"the model card {path} is damaged: it does not begin with YAML between two lines ---")
    try:
        facts = CardFacts.model_validate(yaml.safe_load(parts["facts"]))
    except yaml.YAMLError as error:
        raise InputError(f"the model card {path} is damaged: its head is not YAML") from error
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the whole head"
        raise InputError(f"the model card {path} is damaged: its head is not valid at {place}") from error
    return facts, parts["text"].strip()


def model_folders(model: Path | str) -> list[Path]:
    """Model folders that a path or a name in the box stands for; a path that exists counts before a name.

    Raises:
        InputError: It is neither, or the path holds no model.
    """
    path = Path(model)
    if os.path.exists(path) or len(path.parts) > 1:
        return find_models(path)
    names = boxed_names()
    if path.name in names:
        return [box_folder() / path.name]
    ways = "give a name that `msseg models` lists, or the path" if names else "give the path"
    raise InputError(
        f"the model {model} does not exist, neither in the box ({_hint(path.name, names)}) nor as a path: {ways} of a"
        " model folder or run folder"
    )


def _hint(name: str, names: list[str]) -> str:
    """What the box holds that may have been meant."""
    if not names:
        return "which is empty"
    close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"which holds {', '.join(names)}"
