"""What is said about a wrong configuration: each problem once, with its line, in the order of the file."""

from pathlib import Path

import pytest

from msseg.config.load import load_config
from msseg.config.problems import nearest
from msseg.errors import InputError


def complaints(folder: Path, text: str, *overrides: str) -> list[str]:
    """The lines of the refusal, the file's name left out."""
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_config(path, overrides)
    lines = str(caught.value).split("\n")
    assert all(line.startswith((str(path), "command line")) for line in lines)
    return [line.removeprefix(str(path)).removeprefix(", ") for line in lines]


TRAINING_KEYS = (
    "device, devices, epochs, gradient_clip, patience, precision, seed, select, threads, validate_every,"
    " validation_overlap, workers"
)

SENTENCES = {
    # unknown keys
    "training:\n  epoch: 3": f"line 2: unknown key training.epoch; did you mean epochs? Allowed here: {TRAINING_KEYS}",
    "training: {qqq: 3}": f"line 1: unknown key training.qqq. Allowed here: {TRAINING_KEYS}",
    "network: {name: unet3d, base: 3}": "line 1: unknown key network.base; did you mean base_channels?"
    " Allowed here: base_channels, deep_supervision, dropout, name, norm, strides",
    "augmentation:\n  - name: flip\n    axis: 0": "line 3: unknown key augmentation[0].axis; did you mean axes?"
    " Allowed here: axes, name, per_axis, probability",
    # a list, or a word in its place
    "network: {name: residual_unet3d, strides: [[2,2,1],[2,2,2]]}": "line 1: network.strides is [[2, 2, 1],"
    " [2, 2, 2]]; 4 entries are needed",
    "network: {name: unet3d, strides: isotropic}": "line 1: network.strides is 'isotropic'; give a list of numbers, or"
    " auto",
    "preprocessing: {spacing: [1, 1, 0]}": "line 1: preprocessing.spacing[2] is 0; it has to be at least 0.05",
    "preprocessing: {spacing: mean}": "line 1: preprocessing.spacing is 'mean'; give a list of numbers, or median",
    # wrong types
    "training: {epochs: many}": "line 1: training.epochs is 'many'; a whole number is needed",
    "training: {epochs: 3.5}": "line 1: training.epochs is 3.5; a whole number is needed",
    "training: {epochs: true}": "line 1: training.epochs is true; a whole number is needed",
    "training: {epochs: null}": "line 1: training.epochs is null; a whole number is needed",
    "training: {epochs: [3]}": "line 1: training.epochs is [3]; a whole number is needed",
    "optimiser: {learning_rate: fast}": "line 1: optimiser.learning_rate is 'fast'; a number is needed",
    "inference: {mirror: yes}": "line 1: inference.mirror is 'yes'; true or false is needed",
    "data: {channels: FLAIR}": "line 1: data.channels is 'FLAIR'; a list is needed",
    "data: {root: 5}": 'line 1: data.root is 5; text is needed: write "5"',
    "data:\n  select:\n    rater: [1]": 'line 3: data.select.rater[0] is 1; text is needed: write "1"',
    "data: {root: true}": "line 1: data.root is true; text is needed",
    "data: {select: [rater]}": 'line 1: data.select is ["rater"]; keys and values are needed',
    "training:": "line 1: training is null; keys and values are needed",
    "training: fast": "line 1: training is 'fast'; keys and values are needed",
    "network: 3": "line 1: network is 3; keys and values are needed",
    "augmentation: [3]": "line 1: augmentation[0] is 3; keys and values are needed",
    "augmentation: flip": "line 1: augmentation is 'flip'; a list is needed",
    # choices
    "preprocessing: {orientation: RSA}": "line 1: preprocessing.orientation is 'RSA'; did you mean RAS?"
    " Allowed: RAS, keep",
    "preprocessing: {orientation: 5}": "line 1: preprocessing.orientation is 5. Allowed: RAS, keep",
    "augmentation:\n  - name: elastic\n    locked_borders: 7": "line 3: augmentation[0].locked_borders is 7."
    " Allowed: 0, 1, 2",
    "network: unet": "line 1: network is 'unet'; did you mean unet3d? Allowed: residual_unet3d, unet3d, sf_network,"
    " unet2d, fusionnet, mcdnn",
    "network: {name: transformer}": "line 1: network is 'transformer'."
    " Allowed: residual_unet3d, unet3d, sf_network, unet2d, fusionnet, mcdnn",
    "network: {base_channels: 3}": "line 1: network has no name."
    " Allowed: residual_unet3d, unet3d, sf_network, unet2d, fusionnet, mcdnn",
    "augmentation:\n  - flip\n  - flop": "line 3: augmentation[1] is 'flop'; did you mean flip?"
    " Allowed: motion, bias_field, noise, gamma, contrast, blur, flip, rotate90, affine, elastic",
    # our own checks
    "name: x\nsplit:\n  test: [a]": "line 2: split: test given without train: list the groups to train on as well",
    "data:\n  channels: [A, A]": "line 2: data.channels names A more than once",
    "schedule: {warmup_epochs: 200}": ": schedule.warmup_epochs (200) has to be below training.epochs (100)",
}


@pytest.mark.parametrize("text", SENTENCES)
def test_each_problem_is_one_clear_sentence(tmp_path: Path, text: str) -> None:
    assert complaints(tmp_path, text) == [SENTENCES[text]]


def test_a_key_of_another_section_is_found_there(tmp_path: Path) -> None:
    found = complaints(tmp_path, "epochs: 5\nseed: 3\nprobability: 1\nbase_channels: 4\n")
    hints = [line.split(" Allowed")[0] for line in found]
    assert hints == [
        "line 1: unknown key epochs; did you mean training.epochs?",
        "line 2: unknown key seed; did you mean split.seed or training.seed or evaluation.seed?",
        "line 3: unknown key probability.",
        "line 4: unknown key base_channels; did you mean network.base_channels?",
    ]


def test_problems_come_in_the_order_of_the_file_and_once_each(tmp_path: Path) -> None:
    text = """\
training:
  seed: x
  epochs: x
patches:
  size: [1]
data:
  select:
    rater: [1, 2]
name: a b
"""
    assert complaints(tmp_path, text) == [
        "line 2: training.seed is 'x'; a whole number is needed",
        "line 3: training.epochs is 'x'; a whole number is needed",
        "line 5: patches.size is [1]; 3 entries are needed",
        'line 8: data.select.rater[0] is 1; text is needed: write "1"',
        'line 8: data.select.rater[1] is 2; text is needed: write "2"',
        "line 9: name is 'a b'; allowed are letters, digits, dot, dash and underscore, a letter or digit first",
    ]


def test_what_the_command_line_gave_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    text = "training:\n  epochs: 3\npatches:\n  size: [4, 4, 4]\n"
    found = complaints(tmp_path, text, "training.epochs=x", "patches.size.1=y", "optimiser.rate=1", "loss=l2")
    assert [line.split(" Allowed")[0] for line in found] == [
        "command line: patches.size[1] is 'y'; a whole number is needed",
        "command line: loss is 'l2'.",
        "command line: unknown key optimiser.rate.",
        "command line: training.epochs is 'x'; a whole number is needed",
    ]


def test_long_values_are_cut(tmp_path: Path) -> None:
    (line,) = complaints(tmp_path, f"training: {{epochs: {'x' * 500}}}")
    assert len(line) < 150
    assert "xxx...; a whole number" in line


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("epoch", "; did you mean epochs?"),
        ("EPOCHS", "; did you mean epochs?"),
        ("learn", "; did you mean learning_rate?"),
        ("zzz", "."),
        ("", "."),
    ],
)
def test_the_nearest_name(name: str, expected: str) -> None:
    assert nearest(name, ["epochs", "seed", "learning_rate"]) == expected
