"""The overlap losses and their kernel: closed forms, the empty patch, MONAI."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from msseg.losses.overlap import DiceLoss, IouLoss, TverskyLoss, tversky_index

SURE = 100.0
"""A logit whose probability is 1 in float32 (and, negated, 0)."""


def sure(mask: Tensor) -> Tensor:
    """Logits of a prediction that is sure of this mask."""
    return (2 * mask.float() - 1) * SURE


def block(hits: int, false_positives: int, false_negatives: int, voxels: int = 64) -> tuple[Tensor, Tensor]:
    """Logits and target (1, 1, voxels) with these counts."""
    prediction, target = torch.zeros(2, 1, 1, voxels)
    prediction[..., : hits + false_positives] = 1
    target[..., :hits] = 1
    target[..., hits + false_positives : hits + false_positives + false_negatives] = 1
    return sure(prediction), target


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.floats(0.01, 10))
def test_dice_is_its_formula(hits: int, extra: int, missed: int, smoothing: float) -> None:
    logits, target = block(hits, extra, missed)
    expected = 1 - (2 * hits + smoothing) / (2 * hits + extra + missed + smoothing)
    assert DiceLoss(smoothing)(logits, target).item() == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.floats(0, 1), st.floats(0, 1))
def test_tversky_is_its_formula(hits: int, extra: int, missed: int, a: float, b: float) -> None:
    logits, target = block(hits, extra, missed)
    expected = (hits + 0.5) / (hits + a * extra + b * missed + 0.5)
    assert tversky_index(logits, target, a, b, 0.5).item() == pytest.approx(expected, abs=1e-6)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.floats(0.01, 10))
def test_iou_is_its_formula(hits: int, extra: int, missed: int, smoothing: float) -> None:
    logits, target = block(hits, extra, missed)
    expected = 1 - (hits + smoothing) / (hits + extra + missed + smoothing)
    assert IouLoss(smoothing)(logits, target).item() == pytest.approx(expected, abs=1e-6)


def test_tversky_with_halves_is_dice_and_with_ones_iou() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 6, 6), (torch.rand(2, 1, 6, 6) > 0.7).float()
    torch.testing.assert_close(TverskyLoss(0.5, 0.5, 0.5)(logits, target), DiceLoss(1.0)(logits, target))
    torch.testing.assert_close(TverskyLoss(1, 1, 1.0)(logits, target), IouLoss(1.0)(logits, target))


def test_tversky_alpha_weighs_false_positives_and_beta_false_negatives() -> None:
    extra, missed = block(hits=4, false_positives=2, false_negatives=0), block(4, 0, 2)
    loss = TverskyLoss(alpha=0.3, beta=0.7)
    assert loss(*extra).item() == pytest.approx(1 - 5 / 5.6)
    assert loss(*missed).item() == pytest.approx(1 - 5 / 6.4)


def test_undecided_prediction() -> None:
    """p = 1/2 everywhere on 8 voxels, 2 of them foreground: 1 - (2 * 1 + 1) / (2 + 4 + 1) = 4/7."""
    target = torch.zeros(1, 1, 2, 2, 2)
    target[..., 0, 0, :] = 1
    assert DiceLoss()(torch.zeros_like(target), target).item() == pytest.approx(4 / 7)


@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (4, 1, 8, 8, 8), (4, 3, 6, 6)])
def test_perfect_prediction_costs_nothing_also_where_most_patches_are_empty(shape: tuple[int, ...]) -> None:
    target = torch.zeros(shape)
    assert DiceLoss()(sure(target), target).item() == pytest.approx(0, abs=1e-6)
    target[0, :, 1:4, 2:5] = 1
    assert DiceLoss()(sure(target), target).item() == pytest.approx(0, abs=1e-6)


def test_false_positives_cost_where_the_truth_is_empty() -> None:
    target = torch.zeros(2, 1, 8, 8)
    costs = []
    for count in (0, 1, 4, 16):
        prediction = target.clone()
        prediction.flatten()[:count] = 1
        costs.append(DiceLoss()(sure(prediction), target).item())
    assert costs == pytest.approx([0, 1 / 2, 4 / 5, 16 / 17], abs=1e-6)


def test_sums_run_over_the_whole_batch_and_each_channel() -> None:
    """One sample found whole, one missed whole: together 2 * 4 / (2 * 4 + 4), not the mean of 1 and 0."""
    target = torch.ones(2, 2, 4)
    prediction = torch.ones(2, 2, 4)
    prediction[1, 0] = 0
    expected = (1 - (2 * 4 + 1) / (2 * 4 + 4 + 1)) / 2  # channel 0; channel 1 is perfect
    assert DiceLoss()(sure(prediction), target).item() == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(2, 1, 9, 7), (2, 1, 5, 6, 7), (3, 2, 4, 4, 4)])
@pytest.mark.parametrize("smoothing", [1.0, 1e-3])
def test_same_value_and_gradient_as_monai(shape: tuple[int, ...], smoothing: float) -> None:
    losses = pytest.importorskip("monai.losses")
    settings = {"sigmoid": True, "batch": True, "smooth_nr": smoothing, "smooth_dr": smoothing}
    pairs = [
        (DiceLoss(smoothing), losses.DiceLoss(**settings)),
        (IouLoss(smoothing / 2), losses.DiceLoss(jaccard=True, **settings)),  # MONAI doubles both sums
        (TverskyLoss(0.3, 0.7, smoothing), losses.TverskyLoss(alpha=0.3, beta=0.7, **settings)),
    ]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).mul(3).requires_grad_()
    target = (torch.rand(shape, generator=generator) > 0.8).float()
    for pair in pairs:
        values = [loss(logits, target) for loss in pair]
        torch.testing.assert_close(values[0], values[1])
        ours, theirs = (torch.autograd.grad(value, logits)[0] for value in values)
        torch.testing.assert_close(ours, theirs)


def test_gradient_points_to_the_truth() -> None:
    logits = torch.zeros(1, 1, 6, requires_grad=True)
    target = torch.tensor([[[1.0, 1, 0, 0, 0, 0]]])
    DiceLoss()(logits, target).backward()
    assert logits.grad is not None
    assert (logits.grad[target == 1] < 0).all()
    assert (logits.grad[target == 0] > 0).all()


def test_shapes_that_would_be_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\) and target \(2, 4, 4\)"):
        DiceLoss()(torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4))
