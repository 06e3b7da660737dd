"""All movements of a patch as one map: where in the volume each of its voxels comes from.

The map is worked out at a coarse lattice of the patch's voxels, in double precision, whatever movements it is made of
and in whatever order; between them it is a cubic spline. Affine movements are met exactly, and a B-spline deformation,
with four places for each of its cells, to a thousandth of its displacements.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy.interpolate import BSpline, make_interp_spline
from torch import Tensor

from msseg.patches.drawn import DrawnAffine, DrawnElastic, DrawnFlip, DrawnTurn, Move, Triple
from msseg.patches.frame import Frame, Shape

PLACES_PER_CELL = 4


def lattice(moves: Sequence[Move], frame: Frame, margin: Shape, axes: Sequence[int]) -> np.ndarray:
    """Where the patch's voxels come from, at the lattice's places.

    Args:
        moves: The movements, in the order in which they happen.
        frame: The patch with its margin: its middle is what turns, and control points are spread over it.
        margin: How much of the frame is not asked for, along each axis.
        axes: The axes along which the patch has a lattice; along the others its first voxel stands for all.

    Returns:
        Places in the frame (voxels), shape (3, *count along each of `axes`); `spline_matrix` interpolates them.
    """
    cells = [max(_cells(move, axis) for move in moves) for axis in range(3)]
    along = []
    for axis, (length, extra) in enumerate(zip(frame.size, margin, strict=True)):
        asked = length - 2 * extra
        count = min(asked, max(PLACES_PER_CELL * cells[axis] + 1, 2)) if axis in axes else 1
        along.append(extra + np.linspace(0, asked - 1, count))
    places = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1)
    shape = tuple(len(along[axis]) for axis in axes)
    return sources(moves, frame, places.reshape(-1, 3)).T.reshape(3, *shape)


def sources(moves: Sequence[Move], frame: Frame, places: np.ndarray) -> np.ndarray:
    """Where in the frame what is seen at some places (M, 3) of the moved frame was before the movements."""
    for move in reversed(moves):
        match move:
            case DrawnFlip():
                places = _flipped(move, frame, places)
            case DrawnTurn():
                places = _turned(move, frame, places)
            case DrawnAffine():
                places = _moved(move, frame, places)
            case DrawnElastic():
                places = places + _displacements(move, frame, places)
    return places


@lru_cache(maxsize=256)
def spline_matrix(count: int, length: int) -> Tensor:
    """From values at `count` places spread evenly over a row of `length` voxels to all: (length, count), float64."""
    if length == 1:
        return torch.ones((1, 1), dtype=torch.float64)
    spread = np.linspace(0, length - 1, count)
    return torch.from_numpy(make_interp_spline(spread, np.eye(count), k=min(3, count - 1))(np.arange(length)))


def rotation(degrees: Triple) -> np.ndarray:
    """Rz Rx Ry, as ITK's Euler3DTransform has it, shape (3, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix: np.ndarray = about_z @ about_x @ about_y
    return matrix


def _cells(move: Move, axis: int) -> int:
    return max(move.points.shape[axis] - 3, 0) if isinstance(move, DrawnElastic) else 0


def _middle(frame: Frame) -> np.ndarray:
    return (np.array(frame.size) - 1) / 2


def _flipped(move: DrawnFlip, frame: Frame, places: np.ndarray) -> np.ndarray:
    signs = np.where(np.isin(np.arange(3), move.axes), -1.0, 1.0)
    return (places - _middle(frame)) * signs + _middle(frame)


def _turned(move: DrawnTurn, frame: Frame, places: np.ndarray) -> np.ndarray:
    x, y, z = (places - _middle(frame)).T
    if move.mirrored:
        x = -x
    for _ in range(move.turns):
        x, y = y, -x
    return np.stack([x, y, z], axis=-1) + _middle(frame)


def _moved(move: DrawnAffine, frame: Frame, places: np.ndarray) -> np.ndarray:
    spacing = np.array(frame.spacing)
    from_middle = (places - _middle(frame)) * spacing / move.scales - move.translation
    back: np.ndarray = from_middle @ rotation(move.degrees) / spacing + _middle(frame)
    return back


def _displacements(move: DrawnElastic, frame: Frame, places: np.ndarray) -> np.ndarray:
    """Displacements (voxels) at places (M, 3); beyond the frame, those at its edge."""
    moved = move.points
    for axis, count in enumerate(move.points.shape[:3]):
        weights = _weights(count, (places[:, axis] + 0.5) / frame.size[axis])
        # The first axis has one value for all places yet, the others one for each of them.
        moved = np.tensordot(weights, moved, 1) if axis == 0 else np.einsum("mb,mb...->m...", weights, moved)
    return moved / np.array(frame.spacing)


def _weights(count: int, share: np.ndarray) -> np.ndarray:
    """What each of `count` control points has to say at some shares of the frame's length: (M, count)."""
    if count == 1:
        return np.ones((len(share), 1))
    cells = count - 3
    basis: np.ndarray = BSpline.design_matrix(np.clip(share, 0, 1) * cells, np.arange(-3.0, count + 1), 3).toarray()
    return basis
