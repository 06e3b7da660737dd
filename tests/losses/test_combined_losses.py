"""Sums of losses, swapped classes and deep supervision."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from msseg.losses.combined import BackgroundLoss, DeepSupervisionLoss, SumLoss, shrink, shrink_map
from msseg.losses.cross_entropy import BceLoss, WeightedBceLoss
from msseg.losses.loss import Loss
from msseg.losses.overlap import DiceLoss


class Recorder(Loss):
    """A loss that notes its targets and maps and costs the first logit."""

    def __init__(self, *maps: str) -> None:
        super().__init__()
        self.targets: list[Tensor] = []
        self.seen: list[Mapping[str, Tensor]] = []
        self.maps = maps

    def cost(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
        self.targets.append(target)
        self.seen.append(maps)
        return logits.flatten()[0]


def test_sum_is_the_sum() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    total = SumLoss(BceLoss(), DiceLoss(2.0))(logits, target)
    torch.testing.assert_close(total, BceLoss()(logits, target) + DiceLoss(2.0)(logits, target))


def test_terms_have_weights() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    total = SumLoss(BceLoss(), DiceLoss(), weights=[3, 0.5])(logits, target)
    torch.testing.assert_close(total, 3 * BceLoss()(logits, target) + 0.5 * DiceLoss()(logits, target))


def test_a_sum_needs_the_maps_of_its_terms_each_once() -> None:
    assert SumLoss(Recorder("a", "b"), BceLoss(), Recorder("b", "c")).maps == ("a", "b", "c")


def test_of_the_background_swaps_the_classes() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    swapped = BackgroundLoss(WeightedBceLoss(1.0, 3.0))(logits, target)
    torch.testing.assert_close(swapped, WeightedBceLoss(3.0, 1.0)(logits, target))


def test_levels_are_weighted_1_a_half_a_quarter() -> None:
    levels = [torch.full((1, 1, size, size, size), value) for size, value in ((8, 1.0), (4, 10.0), (2, 100.0))]
    cost = DeepSupervisionLoss(Recorder())(levels, torch.zeros(1, 1, 8, 8, 8))
    assert cost.item() == pytest.approx((1 + 10 / 2 + 100 / 4) / (1 + 1 / 2 + 1 / 4))


def test_single_logits_cost_just_the_loss() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(1, 1, 5, 6, 7), torch.rand(1, 1, 5, 6, 7) > 0.5
    loss = DeepSupervisionLoss(DiceLoss())
    assert torch.equal(loss(logits, target), DiceLoss()(logits, target))
    assert torch.equal(loss([logits], target), loss(logits, target))


@pytest.mark.parametrize("place", [(0, 0, 0), (8, 4, 0), (5, 2, 0)])
def test_a_lesion_of_one_voxel_survives_at_a_quarter_where_it_was(place: tuple[int, int, int]) -> None:
    target = torch.zeros(1, 1, 9, 5, 1, dtype=torch.bool)
    target[(0, 0, *place)] = True
    recorder = Recorder()
    sizes = [(9, 5, 1), (5, 3, 1), (3, 2, 1)]
    DeepSupervisionLoss(recorder)([torch.zeros(1, 1, *size) for size in sizes], target)
    for level, (seen, size) in enumerate(zip(recorder.targets, sizes, strict=True)):
        assert seen.shape[2:] == size
        assert seen.nonzero().tolist() == [[0, 0, *(axis // 2**level for axis in place)]]


@pytest.mark.parametrize("shape", [(7,), (8, 5), (6, 4, 3)])
def test_shrinking_takes_the_maximum_in_any_dimension(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    target = torch.rand(2, 1, *shape)
    like = torch.zeros(2, 1, *(-(-length // 2) for length in shape))
    small = shrink(target, like)
    assert small.shape == like.shape
    for index in torch.cartesian_prod(*map(torch.arange, like.shape[2:])).view(-1, len(shape)).tolist():
        cell = (slice(None), slice(None), *(slice(2 * i, 2 * i + 2) for i in index))
        assert torch.equal(small[(slice(None), slice(None), *index)], target[cell].flatten(2).amax(2))


def test_perfect_coarse_predictions_cost_nothing() -> None:
    target = torch.zeros(1, 1, 9, 8, 7)
    target[0, 0, 4, 3, 2] = 1
    half = shrink(target, torch.zeros(1, 1, 5, 4, 4))
    levels = [(2 * level - 1) * 100 for level in (target, half)]
    loss = DeepSupervisionLoss(SumLoss(BceLoss(), DiceLoss()))
    assert loss(levels, target).item() == pytest.approx(0, abs=1e-6)


def test_maps_shrink_with_the_target_by_the_mean() -> None:
    """A 5 x 4 map of 0, 1, 2 ...: means of 2 x 2 blocks, the last row of blocks being one high."""
    values = torch.arange(20.0).reshape(1, 1, 5, 4)
    recorder = Recorder("a")
    target = torch.zeros(1, 1, 5, 4)
    loss = DeepSupervisionLoss(recorder)
    loss([target, target[:, :, :3, :2]], target, {"a": values, "unused": torch.zeros(3)})
    assert loss.maps == ("a",)
    assert [list(maps) for maps in recorder.seen] == [["a"], ["a"]]
    assert torch.equal(recorder.seen[0]["a"], values)
    assert recorder.seen[1]["a"].tolist() == [[[[2.5, 4.5], [10.5, 12.5], [16.5, 18.5]]]]


def test_an_axis_of_one_voxel_does_not_shrink() -> None:
    values = torch.arange(16.0).reshape(1, 1, 4, 4, 1)
    assert shrink_map(values, torch.zeros(1, 1, 2, 2, 1)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
