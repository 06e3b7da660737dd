"""The files that are shipped in configs/: valid, and commented key by key."""

import re
from pathlib import Path

import pytest
import yaml

from msseg.cases.layout import read_layout
from msseg.config.folder import config_folder
from msseg.config.load import dump_config, load_config
from msseg.config.network import ResidualUNet3dConfig, UNet3dConfig
from msseg.config.patches import PAPER_ORDER

FILES = sorted(config_folder().rglob("*.yaml"))
EXPERIMENTS = [path for path in FILES if path.parent.name != "layouts"]
LAYOUTS = [path for path in FILES if path.parent.name == "layouts"]


def name(path: Path) -> str:
    return path.relative_to(config_folder()).as_posix()


def test_there_are_experiments_and_layouts() -> None:
    assert len(EXPERIMENTS) >= 6
    assert len(LAYOUTS) >= 2


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_an_experiment_is_valid_and_survives_being_written(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    (tmp_path / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == config
    assert config.name.startswith(f"{path.parent.name}_") or config.name == path.stem


@pytest.mark.parametrize("path", LAYOUTS, ids=name)
def test_a_layout_is_valid(path: Path) -> None:
    assert read_layout(path.stem).title


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_key_is_explained_in_the_line_above(path: Path) -> None:
    """A section needs no comment of its own, since each of its keys has one; or it has one for all of them."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    node = yaml.compose(text)
    assert isinstance(node, yaml.MappingNode)
    assert lines[0].startswith("# ")
    assert unexplained(node, lines) == []


def unexplained(node: yaml.MappingNode, lines: list[str]) -> list[str]:
    missing = []
    for key, value in node.value:
        if lines[key.start_mark.line - 1].lstrip().startswith("# "):
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            missing += [f"{key.value}.{inner}" for inner in unexplained(value, lines)]
        else:
            missing.append(key.value)
    return missing


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_every_augmentation_is_explained_in_the_line_above(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    entries = [number for number, line in enumerate(lines) if re.match(r"\s+- \{name: ", line)]
    assert len(entries) == len(load_config(path).augmentation)
    assert [number for number in entries if not lines[number - 1].lstrip().startswith("# ")] == []


@pytest.mark.parametrize(
    ("file", "network"),
    [
        ("paper_residual_unet3d", ResidualUNet3dConfig(base_channels=16, dropout=0.3)),
        ("paper_unet3d", UNet3dConfig(base_channels=32, dropout=0.0)),
    ],
)
def test_the_paper_s_settings(file: str, network: object) -> None:
    """Choi et al. 2021, sections 3.3 to 3.5."""
    config = load_config(config_folder() / "ms" / f"{file}.yaml")
    assert config.network == network
    assert config.patches.size == (144, 144, 144)
    assert (config.patches.per_volume, config.patches.lesion_share) == (10, 1.0)
    assert [entry.name for entry in config.augmentation] == [entry.name for entry in PAPER_ORDER]
    assert config.loss.name == "bce_dice"
    assert (config.optimiser.name, config.optimiser.learning_rate) == ("adam", 1e-4)
    assert config.optimiser.weight_decay == 1e-10
    assert (config.training.epochs, config.training.patience) == (100, 5)
