"""Losses by name and in weighted sums: reading, writing, and what is said about wrong ones."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msseg.config.experiment import ExperimentConfig
from msseg.config.load import dump_config, json_schema, load_config, validate
from msseg.config.loss import (
    BceConfig,
    BorderWeightedBceConfig,
    ClDiceConfig,
    DiceConfig,
    FocalConfig,
    LossSection,
    NamedLoss,
    SumConfig,
    terms_of,
)
from msseg.config.yaml_source import parse_value
from msseg.errors import InputError

NAMES = [section.model_fields["name"].default for section in get_args(NamedLoss)]
LOSSES = ", ".join(NAMES)
IN_SUMS = ", ".join(sorted(["name", *NAMES]))

weights = st.floats(1e-6, 1e6)
terms = {
    section.model_fields["name"].default: st.builds(section, weight=weights) for section in get_args(NamedLoss)
} | {
    "focal": st.builds(FocalConfig, weight=weights, gamma=st.floats(0, 9), alpha=st.floats(0.01, 0.99)),
    "cldice": st.builds(ClDiceConfig, of=st.sampled_from(["foreground", "background"]), iterations=st.integers(1, 9)),
}
sums = st.sets(st.sampled_from(NAMES), min_size=1).flatmap(
    lambda names: st.builds(SumConfig, **{name: terms[name] for name in names})
)


def read(text: str) -> ExperimentConfig:
    return validate(parse_value(text), {}, "a.yaml")


def complaint(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    return str(caught.value).removeprefix("a.yaml: ")


@given(st.one_of(*terms.values()) | sums)
def test_writing_and_reading_gives_the_same(loss: NamedLoss | SumConfig) -> None:
    config = ExperimentConfig(loss=loss)
    text = dump_config(config)
    again = read(text)
    assert again == config
    assert dump_config(again) == text
    assert ExperimentConfig.model_validate_json(config.model_dump_json()) == config
    assert ExperimentConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize("name", NAMES)
def test_a_bare_name_a_section_and_a_sum_of_one_are_the_same_loss(name: str) -> None:
    (alone,) = terms_of(read(f"loss: {name}").loss)
    assert terms_of(read(f"loss: {{name: {name}}}").loss) == [alone]
    assert terms_of(read(f"loss: {{{name}: 1}}").loss) == [alone]
    assert terms_of(read(f"loss: {{{name}: }}").loss) == [alone]
    assert alone == type(alone)()


def test_sums_as_users_write_them() -> None:
    assert read("loss: {bce: 1, dice: 1}").loss == SumConfig(bce=BceConfig(), dice=DiceConfig())
    loss = read("loss: {dice: 2, border_weighted_bce: {weight: 0.5, w0: 10, sigma: 5}}").loss
    expected: list[LossSection] = [DiceConfig(weight=2.0), BorderWeightedBceConfig(weight=0.5, w0=10.0, sigma=5.0)]
    assert terms_of(loss) == expected


def test_the_file_shows_a_sum_as_it_is_written() -> None:
    text = dump_config(read("loss: {dice: 1, bce: 0.5}"))
    assert parse_value(text)["loss"] == {"bce": {"weight": 0.5}, "dice": {"weight": 1.0, "smoothing": 1.0}}


@pytest.mark.parametrize(
    ("override", "weights"),
    [("loss.dice=3", [1, 3]), ("loss.focal=2", [1, 1, 2]), ("loss.bce.weight=5", [5, 1]), ("loss=mse", [1])],
)
def test_overrides_change_a_term_of_a_sum(tmp_path: Path, override: str, weights: list[float]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("loss: {bce: {weight: 1}, dice: 1}", encoding="utf-8")
    assert [term.weight for term in terms_of(load_config(path, [override]).loss)] == weights


SENTENCES = {
    "loss: focl": f"loss is 'focl'; did you mean focal? Allowed: {LOSSES}, sum",
    "loss: {name: tverski}": f"loss is 'tverski'; did you mean tversky? Allowed: {LOSSES}, sum",
    "loss: {smoothing: 2}": f"loss has no name. Allowed: {LOSSES}, sum",
    "loss: {}": f"loss has no name. Allowed: {LOSSES}, sum",
    "loss: sum": "loss names no losses to add; write them with their weights, as in {bce: 1, dice: 1}",
    "loss: {name: sum}": "loss: names no losses to add; write them with their weights, as in {bce: 1, dice: 1}",
    "loss: {focl: 1, dice: 1}": f"unknown key loss.focl; did you mean focal? Allowed here: {IN_SUMS}",
    "loss: {dicee: 1}": f"unknown key loss.dicee; did you mean dice? Allowed here: {IN_SUMS}",
    "loss: {dice: {smooth: 1}}": "unknown key loss.dice.smooth; did you mean smoothing?"
    " Allowed here: name, smoothing, weight",
    "loss: {dice: 0}": "loss.dice.weight is 0; it has to be above 0",
    "loss: {dice: -1}": "loss.dice.weight is -1; it has to be above 0",
    "loss: {dice: {weight: much}}": "loss.dice.weight is 'much'; a number is needed",
    "loss: {dice: much}": "loss.dice is 'much'; keys and values are needed",
    "loss: {dice: {name: bce}}": "loss.dice.name is 'bce'. Allowed: dice",
    "loss: {name: focal, alpha: 1}": "loss.alpha is 1; it has to be below 1",
    "loss: {name: focal, gamma: -1}": "loss.gamma is -1; it has to be at least 0",
    "loss: {name: tversky, alpha: 0}": "loss.alpha is 0; it has to be above 0",
    "loss: {name: balanced_bce, least: 0.6}": "loss.least is 0.6; it has to be at most 0.5",
    "loss: {name: cldice, of: membrane}": "loss.of is 'membrane'. Allowed: foreground, background",
    "loss: {cldice: {iterations: 2.5}}": "loss.cldice.iterations is 2.5; a whole number is needed",
    "loss: {name: boundary, region: dise}": "loss.region is 'dise'; did you mean dice? Allowed: dice, bce, bce_dice",
}


@pytest.mark.parametrize("text", SENTENCES)
def test_each_problem_is_one_clear_sentence(text: str) -> None:
    assert complaint(text) == SENTENCES[text]


def test_the_schema_for_editors_knows_sums() -> None:
    """Names as text or in a section, and sums whose terms are a weight or a section."""
    schema = json.loads(json_schema())
    names, sections = schema["properties"]["loss"]["anyOf"]
    assert names["enum"] == NAMES
    assert len(sections["oneOf"]) == len(NAMES) + 1
    terms = schema["$defs"]["SumConfig"]["properties"]
    assert terms["bce"]["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0}
