"""`key.sub=value` on the command line."""

from pathlib import Path
from typing import Any

import pytest

from msseg.config.experiment import ExperimentConfig
from msseg.config.load import load_config
from msseg.config.network import ResidualUNet3dConfig, UNet3dConfig
from msseg.config.overrides import override
from msseg.errors import InputError

FILE = """\
name: file
data:
  select: {rater: ["1"]}
augmentation:
  - {name: flip, probability: 0.1}
  - {name: noise, probability: 0.2}
network: unet3d
training: {}
"""


def overridden(folder: Path, *overrides: str, text: str = FILE) -> ExperimentConfig:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


def value_of(config: ExperimentConfig, place: str) -> Any:
    value: Any = config
    for part in place.split("."):
        value = (
            value[int(part)] if part.isdecimal() else value[part] if isinstance(value, dict) else getattr(value, part)
        )
    return value


@pytest.mark.parametrize(
    ("text", "place", "value"),
    [
        ("name=other", "name", "other"),
        ("training.epochs=3", "training.epochs", 3),  # the file's section has no keys
        ("optimiser.learning_rate=1e-2", "optimiser.learning_rate", 0.01),  # the file has no such section
        ("training.patience=null", "training.patience", None),
        ("training.patience=", "training.patience", None),
        ("data.root=", "data.root", None),
        ("data.root=yes", "data.root", "yes"),
        ("data.root='5'", "data.root", "5"),
        ("data.root=a=b", "data.root", "a=b"),
        ("data.channels=[FLAIR, T1+T2]", "data.channels", ("FLAIR", "T1+T2")),
        ("data.select.patient=[a, b]", "data.select.patient", ("a", "b")),
        ('data.select.rater.0="2"', "data.select.rater", ("2",)),
        ("augmentation.0.probability=1", "augmentation.0.probability", 1.0),
        ("augmentation.1.name=gamma", "augmentation.1.name", "gamma"),
        ("augmentation.1=blur", "augmentation.1.name", "blur"),
        ("augmentation=[]", "augmentation", ()),
        ("patches.size.2=1", "patches.size", (144, 144, 1)),  # an item of the default list
        (" training.epochs = 3", "training.epochs", 3),
        ("network.base_channels=8", "network", UNet3dConfig(base_channels=8)),  # the file has its bare name
        ("network.name=residual_unet3d", "network", ResidualUNet3dConfig()),
        ("loss.smoothing=2", "loss.smoothing", 2.0),  # of the default loss
    ],
)
def test_one_value_is_replaced(tmp_path: Path, text: str, place: str, value: object) -> None:
    changed = overridden(tmp_path, text)
    assert value_of(changed, place) == value
    before = overridden(tmp_path).model_dump()
    section = place.split(".", maxsplit=1)[0]
    assert {key for key, item in changed.model_dump().items() if item != before[key]} <= {section}


def test_what_is_beside_the_value_stays(tmp_path: Path) -> None:
    config = overridden(tmp_path, "augmentation.0.per_axis=1", "data.select.patient=[a]")
    assert [entry.probability for entry in config.augmentation] == [0.1, 0.2]
    assert config.data.select == {"rater": ("1",), "patient": ("a",)}


def test_default_augmentations_can_be_changed_one_by_one(tmp_path: Path) -> None:
    defaults = ExperimentConfig().augmentation
    changed = overridden(tmp_path, "augmentation.3.axes=[2]", "augmentation.0.degrees.1=5", text="")
    assert changed.augmentation[1:3] == defaults[1:3]
    assert value_of(changed, "augmentation.3.axes") == (2,)
    assert value_of(changed, "augmentation.0.degrees") == (-10, 5)


def test_a_section_without_keys_is_filled(tmp_path: Path) -> None:
    assert overridden(tmp_path, "training.epochs=3", text="training:\n  # epochs: 5\n").training.epochs == 3


def test_the_last_of_several_counts(tmp_path: Path) -> None:
    assert overridden(tmp_path, "training.epochs=3", "training.epochs=4").training.epochs == 4
    assert overridden(tmp_path, "network.base_channels=3", "network=unet3d").network == UNet3dConfig()
    assert overridden(tmp_path, "network=unet3d", "network.base_channels=3").network == UNet3dConfig(base_channels=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs", "'epochs' is not an override; they have the form key.sub=value"),
        ("=3", "'=3' is not an override"),
        ("training..epochs=3", "is not an override"),
        (".=3", "is not an override"),
        ("training.epochs=[1", "'[1' is not a YAML value"),
        ("name.sub=1", "name holds no keys"),
        ("name.sub.sub=1", "name holds no keys"),
        ("augmentation.2.probability=1", "augmentation has 2 entries, numbered from 0"),
        ("augmentation.-1.probability=1", "augmentation has 2 entries, numbered from 0"),
        ("augmentation.flip.probability=1", "augmentation has 2 entries, numbered from 0"),
        ("data.channels.0=T1", "data.channels has no entries"),
    ],
)
def test_what_leads_nowhere_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        overridden(tmp_path, text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a.b=1", ("a", "b")),
        ("new.b.c=1", ("new",)),
        ("a.new.c=1", ("a", "new")),
        ("list.1.b=1", ("list", 1)),
        ("list.0.b=1", ("list", 0, "b")),
    ],
)
def test_it_says_from_where_on_the_values_are_the_command_line_s(text: str, place: tuple[str | int, ...]) -> None:
    assert override({"a": {"b": 0}, "list": [{"b": 0}, None]}, text, {}) == place
