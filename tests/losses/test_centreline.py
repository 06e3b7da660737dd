"""The centreline Dice: MONAI's, skeletons, and what gaps cost."""

import pytest
import torch
from torch import Tensor

from msseg.losses.centreline import CentrelineTerm, soft_skeleton
from msseg.losses.overlap import DiceLoss


def sure(mask: Tensor) -> Tensor:
    return (2 * mask.float() - 1) * 100


@pytest.mark.parametrize("shape", [(1, 1, 12, 11), (1, 1, 8, 7, 9)])
@pytest.mark.parametrize("iterations", [1, 3])
def test_same_value_and_gradient_as_monai_for_one_sample(shape: tuple[int, ...], iterations: int) -> None:
    """MONAI takes its sums per sample, these are over the batch; and it adds 1e-4 to the last denominator."""
    losses = pytest.importorskip("monai.losses")
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    target = (torch.rand(shape, generator=generator) > 0.4).float()
    ours = CentrelineTerm(iterations, 1.0)(logits, target)
    theirs = losses.SoftclDiceLoss(iter_=iterations, sigmoid=True, smooth=1e-12)(logits, target)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits))


def test_the_skeleton_of_a_bar_is_its_middle() -> None:
    bar = torch.zeros(1, 1, 9, 30)
    bar[..., 2:7, 4:26] = 1
    skeleton = soft_skeleton(bar, iterations=3)
    assert skeleton[0, 0, :, 10:20].nonzero()[:, 0].unique().tolist() == [4]
    assert (skeleton[0, 0, 4, 10:20] == 1).all()


def test_a_slice_has_the_skeleton_of_its_plane() -> None:
    image = torch.rand(2, 1, 10, 12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(soft_skeleton(image[..., None], 3)[..., 0], soft_skeleton(image, 3))


def test_a_gap_costs_its_share_of_the_skeleton_however_thick_the_structure() -> None:
    """A gap of two voxels in a line of 40: S = (38 + 1) / (40 + 1), T = 1; the same share of a bar's middle."""
    for half in (0, 2):
        target = torch.zeros(1, 1, 11, 40)
        target[..., 5 - half : 6 + half, :] = 1
        broken = target.clone()
        broken[..., 20:22] = 0
        cost = CentrelineTerm(4, 1.0)(sure(broken), target).item()
        share = 39 / 41
        assert cost == pytest.approx(1 - 2 * share / (1 + share), abs=2e-3 if half == 0 else 1e-2)


def test_a_gap_costs_more_and_a_thinner_membrane_less_than_for_dice() -> None:
    target = torch.zeros(1, 1, 11, 40)
    target[..., 3:8, :] = 1
    broken, thinner = target.clone(), target.clone()
    broken[..., 18:22] = 0
    thinner[..., 7, :] = 0  # as many voxels are missing, and twice that
    centreline, dice = CentrelineTerm(4, 1.0), DiceLoss()
    assert dice(sure(thinner), target) > dice(sure(broken), target)
    assert centreline(sure(thinner), target) < centreline(sure(broken), target)


def test_sums_run_over_the_whole_batch() -> None:
    """A line found and a line missed: S = (10 + 1) / (20 + 1), not the mean of 1 and nearly 0."""
    target = torch.zeros(2, 1, 5, 10)
    target[:, :, 2] = 1
    prediction = target.clone()
    prediction[1] = 0
    share = 11 / 21
    cost = CentrelineTerm(2, 1.0)(sure(prediction), target).item()
    assert cost == pytest.approx(1 - 2 * share / (1 + share))


def test_the_empty_truth() -> None:
    """Nothing predicted is free; a line of six voxels costs its skeleton: T = 1 / 7."""
    target = torch.zeros(2, 1, 7, 8)
    assert CentrelineTerm(2, 1.0)(sure(target), target).item() == pytest.approx(0, abs=1e-6)
    line = target.clone()
    line[0, 0, 3, 1:7] = 1
    assert CentrelineTerm(2, 1.0)(sure(line), target).item() == pytest.approx(1 - 2 * (1 / 7) / (1 + 1 / 7))
