"""Patches and augmentations as written in YAML."""

import json

import pytest
from pydantic import ValidationError

from msseg.config.experiment import ExperimentConfig
from msseg.config.patches import Affine, Blur, Elastic, PatchesConfig, Rotate90
from msseg.config.yaml_source import parse_value


def experiment(text: str) -> ExperimentConfig:
    return ExperimentConfig.model_validate_json(json.dumps(parse_value(text)))


def test_defaults_draw_the_patch_alone() -> None:
    patches = PatchesConfig()
    assert (patches.margin, patches.beyond) == (0, "zero")
    assert not any(kind().in_plane for kind in (Affine, Elastic, Blur))


def test_rotate90_is_certain_by_default_so_that_all_eight_are_alike() -> None:
    config = experiment("augmentation: [rotate90, {name: rotate90, probability: 0.5}]")
    assert config.augmentation == (Rotate90(probability=1), Rotate90(probability=0.5))


def test_slices_with_margin() -> None:
    config = experiment(
        "patches: {size: [256, 256, 1], margin: 64, beyond: mirror}\n"
        "augmentation: [rotate90, {name: affine, degrees: [-180, 180], in_plane: true}]"
    )
    assert config.patches.margin == 64
    assert config.augmentation[1] == Affine(degrees=(-180, 180), in_plane=True)


@pytest.mark.parametrize("patches", ["margin: -1", "margin: 1.5", "beyond: reflect", "size: [256, 256]"])
def test_nonsense_is_refused(patches: str) -> None:
    with pytest.raises(ValidationError, match=patches.split(":")[0]):
        experiment(f"patches: {{{patches}}}")
