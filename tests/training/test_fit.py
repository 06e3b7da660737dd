"""Trainings of a second: what they write, what they refuse, what each setting does."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from msseg.errors import InputError
from msseg.model import load_network
from msseg.training.fit import _foreground_prior
from msseg.training.progress import COLUMNS
from msseg.training.task import SegmentationTask
from msseg.volumes.cache import cache_case


def test_a_training_leaves_tables_checkpoints_logs_and_the_model(train: Callable) -> None:
    done = train("training.epochs=2", validation=("training03",))
    run = done.run
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert list((run.folder / "tensorboard").glob("events.*"))
    facts = json.loads(run.facts.read_text())
    assert facts["channels"] == ["FLAIR"]
    assert facts["train"] == ["training01_01"]
    assert facts["validation"] == ["training03_01"]
    assert facts["epochs"] == 2
    assert facts["seconds_training"] > 0
    assert (facts["device"], facts["precision"]) == ("cpu", "float32")
    network, settings = load_network(run.model)
    assert facts["parameters"] == sum(weights.numel() for weights in network.parameters())
    assert settings.patch_size == (16, 16, 16)
    assert settings.provenance["selected_by"] == "val_loss"
    assert settings.provenance["train"] == ["training01_01"]


def test_the_epoch_table_has_a_row_for_each_epoch(train: Callable) -> None:
    done = train(
        "training.epochs=4", "training.validate_every=2", "schedule.name=polynomial", validation=("training03",)
    )
    assert tuple(done.rows[0]) == COLUMNS
    assert [row["epoch"] for row in done.rows] == ["0", "1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in done.rows]
    assert rates == pytest.approx([1e-4 * (1 - epoch / 4) ** 0.9 for epoch in range(4)], rel=1e-3)
    for row in done.rows:
        validated = row["epoch"] in ("1", "3")
        assert math.isfinite(float(row["train_loss"]))
        assert bool(row["val_loss"]) == bool(row["val_dsc"]) == validated
        assert float(row["seconds"]) > 0


def test_plain_lines_tell_of_each_epoch(train: Callable) -> None:
    done = train("training.epochs=2", validation=("training03",))
    lines = done.text.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("FLAIR, epoch 1/2: loss ")
    assert "validation loss" in lines[0]
    assert "DSC 0." in lines[0]
    assert lines[0].endswith("left at most)")
    assert lines[1].startswith("FLAIR, epoch 2/2: loss ")
    assert "left" not in lines[1]
    assert lines[2] == f"FLAIR: trained in {lines[2].split(' in ')[1].split(',')[0]}, the model is in {done.run.model}"


def test_a_terminal_shows_epoch_loss_validation_dsc_and_time_left(train: Callable) -> None:
    done = train("training.epochs=2", "patches.per_volume=2", validation=("training03",), terminal=True)
    for text in ("FLAIR", "epoch 1/2", "epoch 2/2", "loss 1.", "validation DSC 0.", "left", "preparing"):
        assert text in done.text
    assert "\x1b[?25h" in done.text[-200:]  # the cursor is shown again


def test_the_bar_goes_before_an_error_is_told(train: Callable) -> None:
    with pytest.raises(InputError):
        train("optimiser.name=sgd", "optimiser.learning_rate=1e30", "training.epochs=9", terminal=True)
    assert train.text.rindex("\x1b[?25h") > train.text.rindex("\x1b[?25l")


def test_without_validation_the_last_state_is_kept(train: Callable) -> None:
    done = train("training.epochs=2", "training.patience=1")
    assert [path.name for path in done.run.checkpoints.iterdir()] == ["last.ckpt"]
    last = torch.load(done.run.checkpoints / "last.ckpt", weights_only=False)["state_dict"]
    assert len(done.rows) == 2
    assert all(torch.equal(last[f"network.{name}"], weights) for name, weights in done.weights.items())
    provenance = load_network(done.run.model)[1].provenance
    assert (provenance["epoch"], provenance["selected_by"]) == (1, "last epoch")


def scripted_validation(monkeypatch: pytest.MonkeyPatch, losses: list[float], scores: list[float]) -> None:
    """Validation results as if they had been measured."""

    def validation_step(self: SegmentationTask, case: dict[str, Any], _: int) -> None:
        epoch = self.current_epoch
        self.log_dict({"val_loss": losses[epoch], "val_dsc": scores[epoch]}, on_epoch=True, batch_size=1)

    monkeypatch.setattr(SegmentationTask, "validation_step", validation_step)


@pytest.mark.parametrize(("select", "best", "epochs"), [("val_loss", 1, 4), ("val_dsc", 2, 5)])
def test_early_stopping_and_the_kept_model_follow_the_selection(
    train: Callable, monkeypatch: pytest.MonkeyPatch, select: str, best: int, epochs: int
) -> None:
    """Lowest loss in epoch 1, highest DSC in epoch 2; two validations without improvement end it."""
    scripted_validation(monkeypatch, [3, 1, 2, 2, 2, 2, 2], [0.1, 0.2, 0.3, 0.2, 0.2, 0.2, 0.2])
    done = train("training.epochs=7", "training.patience=2", f"training.select={select}", validation=("training03",))
    provenance = load_network(done.run.model)[1].provenance
    assert len(done.rows) == epochs
    assert (provenance["epoch"], provenance["selected_by"]) == (best, select)


def test_patience_counts_validations_and_not_epochs(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_validation(monkeypatch, [9, 1, 9, 2, 9, 9, 9, 9], [0.5] * 8)
    settings = ("training.epochs=8", "training.patience=1", "training.validate_every=2")
    done = train(*settings, validation=("training03",))
    assert len(done.rows) == 4  # validated after epochs 1 and 3
    assert load_network(done.run.model)[1].provenance["epoch"] == 1


def test_validation_sees_whole_volumes(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = SegmentationTask.validation_step

    def spy(self: SegmentationTask, case: dict[str, Any], number: int) -> None:
        seen.append((case["case"], tuple(case["image"].shape), tuple(case["label"].shape), self.network.training))
        original(self, case, number)

    monkeypatch.setattr(SegmentationTask, "validation_step", spy)
    train(validation=("training03", "training04"))
    assert [case for case, *_ in seen] == ["training03_01", "training04_01"]
    for _, image, label, training in seen:
        assert image == (1, *label)
        assert max(label) > 16  # larger than a patch
        assert not training


def test_validation_scores_the_mean_over_cases(
    train: Callable, cases: dict, make_config: Callable, tmp_path: Path
) -> None:
    """The table's DSC is what the kept network scores, volume by volume, when it is applied by hand."""
    from msseg.inference.windows import predict_logits
    from msseg.metrics.overlap import count_overlap

    overrides = ("training.epochs=1", "inference.threshold=0.015", "patches.per_volume=2")
    done = train(*overrides, validation=("training03", "training04"))
    network, _ = load_network(done.run.model)
    config, scores = make_config(*overrides), []
    for name in ("training03", "training04"):
        cached = cache_case(cases[name], ("FLAIR",), config.preprocessing, tmp_path / "cache")
        logits = predict_logits(network, torch.from_numpy(np.array(cached.data())), (16, 16, 16))
        scores.append(count_overlap(logits.sigmoid().numpy() > 0.015, cached.label()).dsc)
    assert float(done.rows[0]["val_dsc"]) == pytest.approx(np.mean(scores), abs=1e-3)
    assert 0 < np.mean(scores) < 1


def test_no_lesion_in_any_training_case_is_refused(train: Callable) -> None:
    with pytest.raises(
        InputError, match=r"no training case has a foreground voxel \(training02_01\).*check the labels"
    ):
        train(on=("lesion-free",))


def test_a_training_case_without_lesion_trains_and_is_named(train: Callable, caplog: pytest.LogCaptureFixture) -> None:
    done = train(on=("training01", "lesion-free"))
    assert caplog.messages == ["the training case training02_01 has no foreground voxel"]
    assert (done.run.model / "model.yaml").exists()


def test_a_lesion_free_validation_case_is_scored(train: Callable, caplog: pytest.LogCaptureFixture) -> None:
    done = train(validation=("lesion-free",))
    assert caplog.messages == ["the validation case training02_01 has no foreground voxel"]
    assert float(done.rows[0]["val_dsc"]) in (0.0, 1.0)


def test_a_loss_that_is_not_finite_names_epoch_case_and_remedies(
    train: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SegmentationTask.training_step

    def step(self: SegmentationTask, batch: dict[str, Any], number: int) -> torch.Tensor:
        if self.current_epoch == 1:
            batch["image"] = batch["image"] * torch.inf
        return original(self, batch, number)

    monkeypatch.setattr(SegmentationTask, "training_step", step)
    with pytest.raises(InputError) as caught:
        train("training.epochs=3", on=("training01",))
    message = str(caught.value)
    assert "the loss is not finite on a patch of training01_01 in epoch 2" in message
    for remedy in ("optimiser.learning_rate", "training.gradient_clip", "training.precision=fp32"):
        assert remedy in message


def test_a_learning_rate_that_blows_up_is_told_and_no_broken_state_is_kept(train: Callable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not finite.*lower optimiser\.learning_rate"):
        train("optimiser.name=sgd", "optimiser.learning_rate=1e30", "training.epochs=9", validation=("training03",))
    for path in tmp_path.glob("FLAIR/checkpoints/*.ckpt"):
        state = torch.load(path, weights_only=False)["state_dict"]
        assert all(weights.isfinite().all() for weights in state.values())
    assert not (tmp_path / "FLAIR" / "model").exists()


def test_weights_that_overflow_do_not_get_into_a_checkpoint(train: Callable, tmp_path: Path) -> None:
    """The loss of the only step is finite, what the step makes of the weights is not."""
    with pytest.raises(InputError, match="not finite in the weights in epoch 1"):
        train("optimiser.name=sgd", "optimiser.learning_rate=1e38", "optimiser.weight_decay=1e10", "training.epochs=2")
    assert not list(tmp_path.glob("FLAIR/checkpoints/*"))


def test_memory_that_runs_out_on_a_gpu_is_told(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(SegmentationTask, "training_step", step)
    with pytest.raises(InputError, match=r"GPU's memory.*patches\.size"):
        train()


@pytest.mark.parametrize(
    "overrides",
    [
        ("network.deep_supervision=true",),
        ("network={name: unet3d, base_channels: 2, deep_supervision: true}",),
        ("training.precision=bf16", "patches.size=[48,48,48]"),
        ("patches.per_volume=3", "patches.batch_size=2"),
        ("training.gradient_clip=0.5", "optimiser.name=adamw", "schedule.name=cosine", "schedule.warmup_epochs=0"),
        ("loss=dice",),
        ("loss.name=bce",),
        ("patches.size=[32,16,40]",),
        ("inference.window=auto", "inference.mirror=true"),
    ],
    ids=lambda overrides: " ".join(overrides),
)
def test_settings_that_have_to_train(train: Callable, overrides: tuple[str, ...]) -> None:
    done = train(*overrides, validation=("training03",))
    (row,) = done.rows
    assert math.isfinite(float(row["train_loss"]))
    assert 0 <= float(row["val_dsc"]) <= 1
    assert all(weights.isfinite().all() for weights in done.weights.values())


def test_gradients_are_clipped(train: Callable) -> None:
    """With a gradient of next to no length even a step of length 1 leaves the weights where they began."""
    sgd = ("optimiser.name=sgd", "optimiser.learning_rate=1")
    clipped = train(*sgd, "training.gradient_clip=1e-20", name="clipped")
    begin = train("optimiser.name=sgd", "optimiser.learning_rate=1e-20", name="begin")
    free = train(*sgd, name="free")
    name = "heads.0.weight"
    assert torch.allclose(clipped.weights[name], begin.weights[name])
    assert not torch.allclose(free.weights[name], begin.weights[name])


def test_batches_are_stepped_together(train: Callable) -> None:
    done = train("patches.per_volume=5", "patches.batch_size=2")
    assert torch.load(done.run.checkpoints / "last.ckpt", weights_only=False)["global_step"] == 3


@pytest.mark.parametrize("name", ["residual_unet3d", "unet3d"])
def test_the_last_layer_starts_at_the_prior(train: Callable, cases: dict, tmp_path: Path, name: str) -> None:
    """Nothing is learned at a learning rate of 1e-30: the bias is the logit of the lesions' share of the volume."""
    done = train(f"network={{name: {name}, base_channels: 2}}", "optimiser.learning_rate=1e-30", on=("training01",))
    (folder,) = (tmp_path / "cache").iterdir()
    label = np.load(folder / "label.npy")
    network, _ = load_network(done.run.model)
    for head in network.heads:
        assert head.bias.item() == pytest.approx(math.log(label.sum() / (label.size - label.sum())), abs=1e-4)


def test_a_common_class_has_no_head_start(tmp_path: Path) -> None:
    """Behind a ReLU features only add to the bias: membranes of 22 % could not be told from the inside's 78 %."""

    class Common:
        case = "a"

        def lesion_voxels(self) -> np.ndarray:
            return np.zeros((78, 3))

        def label(self) -> np.ndarray:
            return np.zeros((10, 10, 1), bool)

    assert _foreground_prior([Common()]) == 0.5  # type: ignore[list-item]


def test_the_seed_decides_the_weights(train: Callable) -> None:
    first, again, other = train(name="a"), train(name="b"), train("training.seed=1", name="c")
    assert all(torch.equal(weights, again.weights[name]) for name, weights in first.weights.items())
    assert not all(torch.equal(weights, other.weights[name]) for name, weights in first.weights.items())


@pytest.mark.slow
def test_a_short_training_lowers_the_loss(train: Callable) -> None:
    done = train(
        "training.epochs=12", "patches.per_volume=8", "network.base_channels=4", "optimiser.learning_rate=5e-3",
        "augmentation=[]", "network.dropout=0",
    )  # fmt: skip
    losses = [float(row["train_loss"]) for row in done.rows]
    assert losses[-1] < 0.7 * losses[0]
