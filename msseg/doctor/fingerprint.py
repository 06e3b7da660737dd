"""Whether two images are the same: by their voxels, or by the pattern of folds that no two brains share."""

import hashlib
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from scipy import ndimage

EDGE = 32
"""Voxels of the thumbnail along each axis (of a slice `SLICE_EDGE`): an MNI head at 4 to 6 mm."""
SLICE_EDGE = 128
DETAIL = 2.0
"""Standard deviation (thumbnail voxels) of the blur whose residual is the detail."""
CLIP = 4.0
_STEP = CLIP / 127


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of an image to compare it with others: 65 kB of a head.

    Attributes:
        exact: Digests of the voxels as they are stored, and in RAS order: a copy with another header shares the
            first, one that was reoriented the second.
        shape: Low resolution (E, E, E), the box around the subject in RAS, mean 0, in steps of `_STEP`
            standard deviations.
        detail: The same without what is smooth.
    """

    exact: frozenset[bytes]
    shape: np.ndarray
    detail: np.ndarray


def fingerprint(data: np.ndarray, affine: np.ndarray, solid: np.ndarray) -> Fingerprint:
    """The fingerprint of an image (X, Y, Z).

    The box around the subject is what is compared, so that a shift, a crop of the background and another grid do not
    matter; neither does a linear change of grey values. The subject's edge is left out, which is alike in all heads
    of one template.

    Args:
        data: The image.
        affine: Where it lies, for its orientation.
        solid: Voxels that are surely of the subject, whatever noise there is around it.
    """
    turn = nib.orientations.io_orientation(affine)
    stored = data + np.float32(0)  # -0 becomes 0
    upright = nib.orientations.apply_orientation(stored, turn)
    box = _box(solid)
    small, inside = (
        nib.orientations.apply_orientation(_shrink(of[box]), turn) for of in (stored, solid.astype(np.float32))
    )
    detail = _detail(small, _interior(inside > 0.5))
    exact = frozenset({_digest(stored), _digest(upright)})
    return Fingerprint(exact, _quantised(small - small.mean()), _quantised(detail))


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two quantised patterns; 0 where one is flat or the sizes differ."""
    if first.shape != second.shape:
        return 0.0
    a, b = first.ravel().astype(np.float32), second.ravel().astype(np.float32)
    a, b = a - a.mean(), b - b.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0


def _digest(data: np.ndarray) -> bytes:
    digest = hashlib.blake2b(str(data.shape).encode(), digest_size=16)
    digest.update(np.asfortranarray(data, dtype=np.float32).T.data)  # the order that NIfTI is read in: no copy
    return digest.digest()


def _box(subject: np.ndarray) -> tuple[slice, ...]:
    """The box around the subject, without specks: planes that hold less than a thousandth of a full one are out."""
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        filled = np.count_nonzero(subject, axis=others)
        hit = np.flatnonzero(filled > 1e-3 * subject.size / subject.shape[axis])
        box.append(slice(int(hit[0]), int(hit[-1]) + 1) if hit.size else slice(None))
    return tuple(box)


def _shrink(data: np.ndarray) -> np.ndarray:
    """Averages over blocks, on a grid of fixed size; a single slice stays one."""
    edge = SLICE_EDGE if data.shape[2] == 1 else EDGE
    sizes = [1 if size == 1 else edge for size in data.shape]
    blocks = [max(1, round(size / target)) for size, target in zip(data.shape, sizes, strict=True)]
    smooth = ndimage.uniform_filter(data, blocks)
    places = [
        np.clip(((np.arange(target) + 0.5) * size / target).astype(int), 0, size - 1)
        for size, target in zip(data.shape, sizes, strict=True)
    ]
    return smooth[np.ix_(*places)].astype(np.float64)


def _interior(solid: np.ndarray) -> np.ndarray:
    """The subject with its dark ventricles, without its edge: that is alike in all heads of a template and would drown
    what is inside."""
    neighbours = np.ones([min(3, size) for size in solid.shape])
    return np.asarray(ndimage.binary_erosion(ndimage.binary_fill_holes(solid), neighbours))


def _detail(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """What differs from the smooth average of the voxels inside; 0 outside."""
    widths = [DETAIL if size > 1 else 0 for size in values.shape]
    weight = ndimage.gaussian_filter(inside.astype(np.float64), widths)
    smooth = ndimage.gaussian_filter(np.where(inside, values, 0), widths) / np.maximum(weight, 1e-6)
    return np.where(inside, values - smooth, 0)


def _quantised(values: np.ndarray) -> np.ndarray:
    known = values[values != 0]
    spread = known.std() if known.size else 0.0
    return np.rint(np.clip(values / (spread or 1.0), -CLIP, CLIP) / _STEP).astype(np.int8)
