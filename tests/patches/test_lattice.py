"""The map of places between its lattice's points, and interpolation through it."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

import msseg.patches.resample as resampling
from msseg.patches.drawn import DrawnAffine, DrawnElastic, DrawnFlip, DrawnTurn, Move
from msseg.patches.frame import Frame, Shape
from msseg.patches.lattice import lattice, sources, spline_matrix

POINTS = np.random.default_rng(0).uniform(-4, 4, (7, 7, 7, 3))
LOCKED = POINTS.copy()
LOCKED[:2], LOCKED[-2:], LOCKED[:, :2], LOCKED[:, -2:], LOCKED[:, :, :2], LOCKED[:, :, -2:] = 0, 0, 0, 0, 0, 0
TURN = DrawnAffine((1.1, 0.9, 1.0), (10, -8, 25), (3, -2, 1))


@pytest.mark.parametrize(
    ("moves", "error"),
    [
        ([TURN], 1e-9),
        ([DrawnFlip((0, 2)), DrawnTurn(1, True)], 1e-9),
        ([TURN, DrawnElastic(POINTS)], 4e-3),
        ([DrawnFlip((1,)), TURN, DrawnElastic(POINTS)], 4e-3),
        ([DrawnElastic(LOCKED), TURN], 0.1),  # what comes from beyond the control points has their edge's displacement
    ],
)
def test_between_the_lattices_points_the_map_is_the_movements(moves: list[Move], error: float) -> None:
    """In voxels, of displacements of up to 4."""
    size, margin = (72, 72, 60), (4, 4, 4)
    frame = Frame(size, (1.0, 1.0, 1.25))
    asked = tuple(length - 8 for length in size)
    coarse = lattice(moves, frame, margin, (0, 1, 2))
    matrices = [spline_matrix(count, length).numpy() for count, length in zip(coarse.shape[1:], asked, strict=True)]
    every = np.einsum("xa,yb,zc,dabc->dxyz", *matrices, coarse, optimize=True).reshape(3, -1)
    exact = sources(moves, frame, np.indices(asked).reshape(3, -1).T + 4.0).T
    assert np.abs(every - exact).max() < error


@pytest.mark.parametrize("block", [1 << 5, 1 << 16])
@pytest.mark.parametrize("size", [(17, 20, 9), (33, 21)])
def test_interpolation_is_scipys(size: tuple[int, ...], block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of any size."""
    monkeypatch.setattr(resampling, "BLOCK", block)
    monkeypatch.setattr(resampling, "ROWS", 4)
    random = np.random.default_rng(1)
    box = tuple(length + 6 for length in size)
    images = random.normal(size=(2, *box)).astype(np.float32)
    label = (images[:1] > 1).astype(np.uint8)
    corners = np.stack(np.meshgrid(*[(3.0, 2.0 + length) for length in size], indexing="ij"))
    corners += random.uniform(-2.5, 2.5, corners.shape)
    matrices = [spline_matrix(2, length).numpy() for length in size]
    places = corners
    for axis, matrix in enumerate(matrices, start=1):
        places = np.moveaxis(np.tensordot(matrix, places, (1, axis)), 0, axis)
    (linear,), (nearest,) = resampling.resample(
        [torch.from_numpy(images)], [torch.from_numpy(label)], torch.from_numpy(corners), size
    )
    for image, result in zip(images, linear, strict=True):
        np.testing.assert_allclose(result, map_coordinates(image, places, order=1, mode="nearest"), atol=2e-4)
    expected = map_coordinates(label[0], places, order=0, mode="nearest")
    assert np.mean(nearest[0].numpy() != expected) < 1e-3  # halfway, rounding decides
    assert nearest.dtype == torch.uint8


def test_a_lattice_of_one_slice_has_two_axes() -> None:
    size: Shape = (30, 1, 24)
    points = lattice([TURN], Frame(size, (1.0, 1.0, 1.0)), (0, 0, 0), (0, 2))
    assert points.shape == (3, 2, 2)
