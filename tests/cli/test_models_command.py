"""`msseg models`, and `msseg predict` with a name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

import msseg.box
from msseg.config.network import SFNetworkConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.model import ModelSettings, save_model
from msseg.networks.registry import build_network

Msseg = Callable[..., Any]
CARD = """---
summary: Tiny things
data_licence: for tests alone
scores: {V_rand: 0.98765, V_dice: 1}
---
# A card

All about it.
"""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setattr(msseg.box, "box_folder", lambda: folder)
    return folder


@pytest.fixture
def put(box: Path) -> Callable[[str], Path]:
    """Put a tiny model with a card into the box."""

    def write(name: str) -> Path:
        settings = ModelSettings(
            network=SFNetworkConfig(base_channels=2),
            channels=("EM",),
            preprocessing=PreprocessingConfig(orientation="keep", crop="none", normalise="z_score_slice"),
            patch_size=(32, 32, 1),
            inference={"window": "whole"},  # type: ignore[arg-type]
        )
        torch.manual_seed(0)
        save_model(box / name, build_network(settings.network, in_channels=1), settings)
        (box / name / "CARD.md").write_text(CARD, encoding="utf-8")
        return box / name

    return write


def test_models_are_listed(msseg: Msseg, put: Callable[[str], Path]) -> None:
    folders = [put("em-tiny"), put("another")]
    answer = msseg("models")
    assert (answer.code, answer.err) == (0, "")
    megabytes = (folders[0] / "model.safetensors").stat().st_size / 1e6
    first, second, _ = answer.out.split("\n\n")
    assert first.startswith("another: Tiny things\n")
    assert second.splitlines() == [
        "em-tiny: Tiny things",
        "  channels: EM",
        "  network:  sf_network",
        f"  size:     {megabytes:.1f} MB",
        "  scores:   V_rand 0.988, V_dice 1.000",
        "  data:     for tests alone",
        f"  card:     {folders[0] / 'CARD.md'}",
    ]


def test_an_empty_box_is_no_error(msseg: Msseg, box: Path) -> None:
    answer = msseg("models")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("no model comes with this msseg; `msseg predict` takes the folder of a model")
    assert len(answer.out.splitlines()) == 1


def test_a_card_is_shown_whole(msseg: Msseg, put: Callable[[str], Path]) -> None:
    put("em-tiny")
    answer = msseg("models", "em-tiny")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "# A card\n\nAll about it.\n"


def test_a_damaged_model_does_not_hide_the_others(msseg: Msseg, put: Callable[[str], Path]) -> None:
    damaged = put("em-tiny")
    (damaged / "CARD.md").unlink()
    answer = msseg("models")
    assert answer.code == 2
    assert answer.err == f"error: the model card {damaged / 'CARD.md'} cannot be read: No such file or directory\n"
    put("another")
    answer = msseg("models")
    assert answer.code == 3
    assert answer.out.startswith("another: Tiny things\n")
    assert answer.err.startswith(f"some cases failed: the model card {damaged / 'CARD.md'} cannot be read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["models", "em-tony"], "the model em-tony is not in the box (did you mean em-tiny?); `msseg models` lists wh"),
        (["predict", "em-tony", "x.tif", "--out", "out"], "the model em-tony does not exist, neither in the box (did"),
        (["predict", "qqq", "x.tif", "--out", "out"], "the model qqq does not exist, neither in the box (which holds"),
        (["predict", "runs/em", "x.tif", "--out", "out"], "the model runs/em does not exist"),
    ],
)
def test_an_unknown_model_is_told_in_one_line(
    msseg: Msseg, put: Callable[[str], Path], arguments: list[str], message: str
) -> None:
    put("em-tiny")
    answer = msseg(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith(f"error: {message}")
    assert len(answer.err.splitlines()) == 1


def test_an_unknown_model_with_an_empty_box(msseg: Msseg, box: Path) -> None:
    answer = msseg("models", "em-tiny")
    assert (answer.code, answer.err) == (2, "error: the model em-tiny is not in the box (which is empty)\n")
    answer = msseg("predict", "em-tiny", "x.tif", "--out", "out")
    assert answer.err == (
        "error: the model em-tiny does not exist, neither in the box (which is empty) nor as a path: give the path of a"
        " model folder or run folder\n"
    )


def test_predict_takes_a_name(msseg: Msseg, put: Callable[[str], Path], tmp_path: Path) -> None:
    """The same as with the model's path, alone and in an average."""
    folder = put("em-tiny")
    image = np.random.default_rng(0).integers(0, 255, (2, 20, 25), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", image)
    for out, model in (("by_name", ["em-tiny"]), ("by_path", [folder]), ("both", ["em-tiny", "--ensemble", "em-tiny"])):
        answer = msseg(
            "predict", model[0], tmp_path / "stack.tif", "--probability", "--out", tmp_path / out, *model[1:]
        )
        assert answer.code == 0, answer.err
    name, path, both = (
        tifffile.imread(tmp_path / out / "stack_probability.tif") for out in ("by_name", "by_path", "both")
    )
    assert name.shape == image.shape
    np.testing.assert_array_equal(name, path)
    np.testing.assert_allclose(name, both, atol=1e-6)
