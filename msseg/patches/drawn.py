"""What chance decided for one patch: plain values, from which any engine can make the same patch again."""

from dataclasses import dataclass

import numpy as np

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class DrawnFlip:
    """Mirror along these axes of the patch."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class DrawnTurn:
    """So many quarter turns from axis 0 towards axis 1 (`numpy.rot90`), then, where wanted, a mirror along axis 0."""

    turns: int
    mirrored: bool


@dataclass(frozen=True)
class DrawnAffine:
    """Scaling of each axis, then rotation, about the patch's middle, then a shift: as `torchio.Affine` has them.

    Attributes:
        scales: Factor of each axis; 1.5 makes things look larger.
        degrees: Angles about each axis, put together as Rz Rx Ry.
        translation: Shift along each axis (mm).
    """

    scales: Triple
    degrees: Triple
    translation: Triple


@dataclass(frozen=True, eq=False)
class DrawnElastic:
    """Cubic B-splines on a coarse grid: each voxel shows what lies at its place plus the displacement.

    Attributes:
        points: Displacements of the control points (mm), shape (A, B, C, 3). Of n points along an axis, the outermost
            lie beyond the patch: n - 3 cells cover it from edge to edge, as in ITK. One point: no change along it.
    """

    points: np.ndarray


@dataclass(frozen=True, eq=False)
class DrawnMotion:
    """Positions of the head during a scan, as `torchio.Motion` has them.

    Attributes:
        degrees: Angles about each axis of each position, shape (N, 3).
        translation: Shift of each position (mm), shape (N, 3).
        times: When the head moved on, from 0 to 1, shape (N,).
    """

    degrees: np.ndarray
    translation: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class DrawnBiasField:
    """Coefficients of the terms x^a y^b z^c with a + b + c <= order: a slowest, c fastest."""

    coefficients: tuple[float, ...]
    order: int


@dataclass(frozen=True)
class DrawnNoise:
    """Gaussian noise, the seed included: it stands for the values, which may differ between kinds of device."""

    mean: float
    std: float
    seed: int


@dataclass(frozen=True)
class DrawnBlur:
    """Standard deviation of the Gaussian along each axis (mm)."""

    std: Triple


@dataclass(frozen=True)
class DrawnGamma:
    """Logarithm of each channel's exponent."""

    log_gamma: tuple[float, ...]


@dataclass(frozen=True)
class DrawnContrast:
    """Each channel's factor and offset."""

    scale: tuple[float, ...]
    shift: tuple[float, ...]


Move = DrawnFlip | DrawnTurn | DrawnAffine | DrawnElastic
Change = DrawnMotion | DrawnBiasField | DrawnNoise | DrawnBlur | DrawnGamma | DrawnContrast


@dataclass(frozen=True)
class Drawn:
    """One patch's augmentation: the movements, and the changes of intensity that follow, each in their order."""

    moves: tuple[Move, ...] = ()
    changes: tuple[Change, ...] = ()
