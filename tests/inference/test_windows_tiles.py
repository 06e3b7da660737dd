"""Overlap-tile: tiles of a network without padding against one pass over the whole slice."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from msseg.config.network import MCDNNColumnConfig
from msseg.inference.places import BACKGROUND_LOGIT
from msseg.inference.tiles import LEAST_TILE, plan_tiles
from msseg.inference.windows import predict_logits
from msseg.networks.mcdnn import MCDNN
from msseg.networks.segmentation_network import SegmentationNetwork
from msseg.networks.unet2d import UNet2d


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles as small as the tests ask for."""
    monkeypatch.setattr("msseg.inference.tiles.LEAST_TILE", 1)


def unet() -> UNet2d:
    torch.manual_seed(0)
    network = UNet2d(1, base_channels=2, padding="valid").eval()
    for head in network.heads:
        torch.nn.init.normal_(head.weight)
    return network


def mcdnn() -> MCDNN:
    torch.manual_seed(0)
    return MCDNN(1, base_channels=2, neurons=3, columns=[MCDNNColumnConfig(window=63)]).eval()


def slices(*shape: int) -> Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(1))


@given(
    shape=st.tuples(st.integers(1, 700), st.integers(1, 700), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 900), st.integers(1, 900), st.integers(1, 4)),
    network=st.sampled_from([unet(), mcdnn()]),
)
def test_tiles_cover_the_volume_in_steps_that_keep_the_poolings_in_place(
    shape: tuple[int, ...], size: tuple[int, ...], network: SegmentationNetwork
) -> None:
    tiling = plan_tiles(network, shape, size)
    for axis in (0, 1):
        assert network.fitting(tiling.size[axis]) == tiling.size[axis]
        assert tiling.answer[axis] == tiling.size[axis] - 2 * network.margin
        starts = sorted({corner[axis] for corner in tiling.corners})
        assert all(start % network.multiple == 0 and start < shape[axis] for start in starts)
        assert np.diff([*starts, starts[-1]]).max() <= tiling.answer[axis]
        assert starts[-1] + tiling.answer[axis] >= shape[axis]
        # One tile is no larger than the slice needs, and none larger than asked for but for the network's own steps.
        assert tiling.size[axis] <= network.fitting(shape[axis] + 2 * network.margin)
        assert tiling.size[axis] <= network.fitting(max(size[axis], 2 * network.margin + network.multiple))
    covered = {z for corner in tiling.corners for z in range(corner[2], corner[2] + tiling.size[2])}
    assert covered == set(range(shape[2]))


@pytest.mark.parametrize(
    ("shape", "size", "tiles"),
    [((512, 512, 1), (572, 572, 1), 4), ((512, 512, 1), (700, 700, 1), 1), ((388, 388, 30), (572, 572, 1), 30)],
)
def test_known_plans(shape: tuple[int, ...], size: tuple[int, ...], tiles: int) -> None:
    """Tiles of 572 pixels have answers of 388, of which 384 = 24 * 16 are a step."""
    assert len(plan_tiles(unet(), shape, size).corners) == tiles


def test_small_patches_are_predicted_by_larger_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msseg.inference.tiles.LEAST_TILE", LEAST_TILE)
    assert plan_tiles(unet(), (512, 100, 1), (204, 204, 1)).size == (572, 284, 1)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((150, 97, 1), (220, 236, 1)),
        ((40, 130, 3), (188, 204, 1)),
        ((70, 33, 2), (300, 210, 2)),
        ((1, 5, 1), (9, 9, 1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("batch", [1, 3])
def test_tiles_give_what_one_pass_gives(shape: tuple[int, ...], size: tuple[int, ...], batch: int) -> None:
    network, data = unet(), slices(*shape)
    with torch.no_grad():
        once = network(data[None])[0, 0]
    torch.testing.assert_close(predict_logits(network, data, size, batch=batch), once, rtol=1e-4, atol=1e-5)


def test_windows_of_a_pixel_classifier_are_tiles_without_steps() -> None:
    network, data = mcdnn(), slices(50, 41, 1)
    with torch.no_grad():
        once = network(data[None])[0, 0]
    torch.testing.assert_close(predict_logits(network, data, (80, 75, 1)), once, rtol=1e-4, atol=1e-5)


def test_orientations_of_tiles_are_orientations_of_the_slice() -> None:
    """The poolings of a tile lie symmetrically in it, so turning tiles is turning the slice."""
    network, data = unet(), slices(84, 68, 1)
    assert network.fitting(84 + 184) == 84 + 184
    tiles = predict_logits(network, data, (220, 220, 1), mirror=True, rotate=True)
    expected = torch.zeros(84, 68)
    with torch.no_grad():
        for turns in range(4):
            for flip in (False, True):
                seen = torch.rot90(data, turns, (1, 2))
                seen = seen.flip(1) if flip else seen
                logits = network(seen[None])[0]
                expected += torch.rot90(logits.flip(1) if flip else logits, -turns, (1, 2))[0, ..., 0] / 8
    torch.testing.assert_close(tiles[..., 0], expected, rtol=1e-4, atol=1e-5)


def test_tiles_of_background_alone_are_not_computed() -> None:
    data = torch.zeros(1, 64, 600, 1)
    data[:, :, :10] = 1
    logits = predict_logits(unet(), data, (188, 252, 1))
    assert (logits[:, 300:] == BACKGROUND_LOGIT).all()
    assert (logits[:, :64] != BACKGROUND_LOGIT).all()
