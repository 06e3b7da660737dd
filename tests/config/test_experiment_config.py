"""A configuration survives being written and read, and refuses what cannot work."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from msseg.config.data import DataConfig, SplitConfig
from msseg.config.experiment import ExperimentConfig
from msseg.config.inference import EvaluationConfig, InferenceConfig
from msseg.config.load import dump_config, load_config
from msseg.config.loss import BceConfig, BceDiceConfig, DiceConfig
from msseg.config.network import ResidualUNet3dConfig, UNet3dConfig
from msseg.config.patches import Augmentation, Blur, Elastic, Flip, Gamma, Noise, PatchesConfig
from msseg.config.preprocessing import PreprocessingConfig
from msseg.config.training import OptimiserConfig, ScheduleConfig, TrainingConfig
from msseg.errors import InputError


def load(folder: Path, text: str, *overrides: str) -> ExperimentConfig:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


# ------------------------------------------------------------------------------------- there and back again

names = st.sampled_from(["FLAIR", "T1", "1e-4", "yes", "007", "é", "a b", "null", "2024-01-31", "*", "#1", "1.5"])
probabilities = st.floats(0, 1)
limits = st.tuples(st.floats(-5, 0), st.floats(0, 5))
positive = st.floats(1e-12, 1e3)
augmentations = st.one_of(
    st.builds(Noise, probability=probabilities, mean=limits, std=st.tuples(st.just(0.0), st.floats(0, 1))),
    st.builds(Gamma, log_gamma=limits),
    st.builds(Blur),
    st.builds(Flip, axes=st.sampled_from([(0,), (2, 1), (0, 1, 2)]), per_axis=probabilities),
    st.builds(Elastic, control_points=st.integers(5, 9), locked_borders=st.sampled_from([0, 1, 2])),
)
experiments = st.builds(
    ExperimentConfig,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,5}", fullmatch=True),
    data=st.builds(
        DataConfig,
        root=st.none() | names,
        table=st.none() | names,
        channels=st.lists(names, unique=True, max_size=3).map(tuple),
        select=st.dictionaries(names, st.tuples(names), max_size=2),
    ),
    split=st.builds(SplitConfig, train=st.none() | st.lists(names, min_size=1).map(tuple), seed=st.integers(0, 2**40)),
    preprocessing=st.builds(PreprocessingConfig, crop=st.sampled_from(["nonzero", "none"])),
    patches=st.builds(PatchesConfig, size=st.tuples(*[st.integers(1, 200)] * 3), lesion_share=probabilities),
    augmentation=st.lists(augmentations, max_size=3).map(tuple),
    network=st.builds(ResidualUNet3dConfig, dropout=st.floats(0, 0.99)) | st.builds(UNet3dConfig),
    loss=st.builds(BceConfig) | st.builds(DiceConfig, smoothing=positive) | st.builds(BceDiceConfig),
    optimiser=st.builds(OptimiserConfig, learning_rate=positive, weight_decay=st.floats(0, 1)),
    schedule=st.builds(ScheduleConfig, name=st.sampled_from(["constant", "cosine", "polynomial"])),
    training=st.builds(TrainingConfig, patience=st.none() | st.integers(1, 9), gradient_clip=st.none() | positive),
    inference=st.builds(InferenceConfig, overlap=st.floats(0, 0.9), mirror=st.booleans()),
    evaluation=st.builds(EvaluationConfig, bootstrap=st.integers(0, 9)),
)


@given(experiments)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, experiment: ExperimentConfig
) -> None:
    assert load(tmp_path_factory.getbasetemp(), dump_config(experiment)) == experiment


def test_an_empty_file_is_the_paper_s_setting(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert config == ExperimentConfig()
    assert config.network == ResidualUNet3dConfig(base_channels=16, dropout=0.3)
    assert config.patches == PatchesConfig(size=(144, 144, 144), per_volume=10, lesion_share=1.0, batch_size=1)
    assert (config.optimiser.learning_rate, config.optimiser.weight_decay) == (1e-4, 1e-10)
    assert (config.training.epochs, config.training.patience) == (100, 5)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ExperimentConfig().training.epochs = 3  # type: ignore[misc]


# -------------------------------------------------------------------------------------------- short forms


def test_a_bare_name_stands_for_a_section_with_its_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "network: unet3d\nloss: dice\naugmentation: [flip, {name: noise, std: [0, 0.1]}]\n")
    assert config.network == UNet3dConfig()
    assert config.loss == DiceConfig()
    assert config.augmentation == (Flip(), Noise(std=(0, 0.1)))


@pytest.mark.parametrize("file", ["", "network: residual_unet3d\n", "network: {name: unet3d, base_channels: 4}\n"])
def test_a_network_or_loss_can_be_chosen_on_the_command_line(tmp_path: Path, file: str) -> None:
    config = load(tmp_path, file, "network=unet3d", "loss=bce")
    assert config.network == UNet3dConfig()  # nothing of the file's network is left
    assert config.loss == BceConfig()


def test_every_augmentation_can_be_given_by_its_name_alone(tmp_path: Path) -> None:
    kinds = get_args(get_args(Augmentation)[0])
    config = load(tmp_path, f"augmentation: [{', '.join(kind().name for kind in kinds)}]\n")
    assert config.augmentation == tuple(kind() for kind in kinds)


def test_text_that_looks_like_something_else(tmp_path: Path) -> None:
    text = "optimiser: {learning_rate: 1e-4}\ndata: {root: on}\nsplit: {train: [yes, 007], test: [no]}\n"
    config = load(tmp_path, text)
    assert config.optimiser.learning_rate == 1e-4
    assert config.data.root == "on"
    assert (config.split.train, config.split.test) == (("yes", "007"), ("no",))


def test_spaces_in_joined_channels_do_not_matter(tmp_path: Path) -> None:
    assert load(tmp_path, "data: {channels: [FLAIR, FLAIR + T1]}").data.channels == ("FLAIR", "FLAIR+T1")


# ------------------------------------------------------------------------------- values that cannot work

IMPOSSIBLE = [
    ("name: my experiment", "name is 'my experiment'; allowed are letters, digits"),
    ("name: ../other", "name is '../other'; allowed are letters"),
    ("task: nuclei", "task is 'nuclei'"),
    ("data: {layout: ''}", "data.layout is ''; it must not be empty"),
    ("data: {layout: a, table: b}", "data: give either layout or table, not both"),
    ("data: {channels: ['']}", "data.channels has the entry ''"),
    ("data: {channels: [FLAIR+]}", "data.channels has the entry 'FLAIR+'"),
    ("data: {channels: [T1+T1]}", "data.channels has the entry 'T1+T1'"),
    ("data: {channels: [../T1]}", "which cannot name a folder"),
    ("data: {channels: [.T1]}", "which cannot name a folder"),
    ("data: {channels: [T1, T2, T1]}", "data.channels names T1 more than once"),
    ("data: {channels: [A+B, A + B]}", "data.channels names A+B more than once"),
    ("data: {select: {rater: []}}", "data.select.rater is []; it must not be empty"),
    ("split: {fractions: [0.5, 0.2, 0.2]}", "split.fractions is [0.5, 0.2, 0.2], which does not add up to 1"),
    ("split: {fractions: [0, 0.5, 0.5]}", "the first is for training and has to be above 0"),
    ("split: {fractions: [1, -0.5, 0.5]}", "split.fractions[1] is -0.5; it has to be at least 0"),
    ("split: {fractions: [.nan, 0, 0]}", "split.fractions[0] is NaN; a finite number is needed"),
    ("split: {test: [a]}", "split: test given without train"),
    ("split: {train: []}", "split: train is empty"),
    ("split: {train: ['']}", "split.train[0] is ''; it must not be empty"),
    ("split: {train: [a], folds: 3}", "split: give either folds or lists"),
    ("split: {folds: 1}", "split.folds is 1; it has to be at least 2"),
    ("split: {folds: 3, fold: 3}", "split: fold 3 does not exist among 3 folds"),
    ("split: {fold: 1}", "split: fold 1 is given without folds"),
    ("split: {seed: -1}", "split.seed is -1; it has to be at least 0"),
    ("patches: {size: [96, 96]}", "patches.size is [96, 96]; 3 entries are needed"),
    ("patches: {size: [9, 9, 9, 9]}", "patches.size is [9, 9, 9, 9]; 3 entries are needed"),
    ("patches: {size: [96, 0, 96]}", "patches.size[1] is 0; it has to be at least 1"),
    ("patches: {per_volume: 0}", "patches.per_volume is 0; it has to be at least 1"),
    ("patches: {lesion_share: 1.1}", "patches.lesion_share is 1.1; it has to be at most 1"),
    ("augmentation: [{name: noise, std: [-1, 1]}]", "augmentation[0].std[0] is -1; it has to be at least 0"),
    ("augmentation: [{name: blur, std: [-1, 1]}]", "augmentation[0].std[0] is -1; it has to be at least 0"),
    ("augmentation: [{name: affine, scales: [0, 1]}]", "augmentation[0].scales[0] is 0; it has to be above 0"),
    ("augmentation: [{name: motion, degrees: [5, -5]}]", "degrees runs from 5.0 to -5.0: give the smaller"),
    ("augmentation: [{name: flip, axes: []}]", "augmentation[0].axes is []; it must not be empty"),
    ("augmentation: [{name: flip, axes: [3]}]", "augmentation[0].axes[0] is 3; it has to be at most 2"),
    ("augmentation: [{name: flip, axes: [1, 1]}]", "augmentation[0].axes names an axis twice: [1, 1]"),
    ("augmentation: [{name: elastic, control_points: 4}]", "it has to be at least 5"),
    ("network: {name: unet3d, dropout: 1}", "network.dropout is 1; it has to be below 1"),
    ("network: {name: unet3d, base_channels: 0}", "network.base_channels is 0; it has to be at least 1"),
    ("loss: {name: dice, smoothing: 0}", "loss.smoothing is 0; it has to be above 0"),
    ("optimiser: {learning_rate: 0}", "optimiser.learning_rate is 0; it has to be above 0"),
    ("optimiser: {learning_rate: .inf}", "optimiser.learning_rate is Infinity; a finite number is needed"),
    ("training: {epochs: 0}", "training.epochs is 0; it has to be at least 1"),
    ("training: {seed: 4294967296}", "training.seed is 4294967296; it has to be below 4294967296"),
    ("training: {validate_every: 9, epochs: 3}", "training: validate_every (9) has to be at most epochs (3)"),
    ("training: {precision: fp16, device: cpu}", "training: precision fp16 is not computed on device cpu"),
    ("schedule: {warmup_epochs: 100}", "schedule.warmup_epochs (100) has to be below training.epochs (100)"),
    ("inference: {overlap: 1}", "inference.overlap is 1; it has to be below 1"),
    ("inference: {threshold: 1.5}", "inference.threshold is 1.5; it has to be at most 1"),
    ("evaluation: {bootstrap: -1}", "evaluation.bootstrap is -1; it has to be at least 0"),
    ("evaluation: {strata_mm3: [50.0, 10.0]}", "evaluation.strata_mm3 is [50.0, 10.0]; list volumes above 0"),
    ("evaluation: {strata_mm3: [0.0]}", "evaluation.strata_mm3 is [0.0]; list volumes above 0"),
    ("evaluation: {connectivity: 8}", "evaluation.connectivity is 8"),
    ("evaluation: {overlap: 1.5}", "evaluation.overlap is 1.5"),
    ("evaluation: {min_lesion_mm3: -3.0}", "evaluation.min_lesion_mm3 is -3"),
]


@pytest.mark.parametrize(("text", "words"), IMPOSSIBLE, ids=[text for text, _ in IMPOSSIBLE])
def test_what_cannot_work_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"split": {"fractions": (1, 0, 0)}},
        {"split": {"folds": 2, "fold": 1}},
        {"split": {"train": ("a",), "validation": (), "test": ()}},
        {"augmentation": ()},
        {"training": {"epochs": 1}, "schedule": {"warmup_epochs": 5}},  # a short trial of a long setting
        {"training": {"seed": 2**32 - 1, "precision": "fp16"}},
        {"inference": {"overlap": 0.0, "threshold": 0.0}},
    ],
)
def test_values_at_the_edge_are_taken(values: dict[str, Any]) -> None:
    ExperimentConfig.model_validate(values)
