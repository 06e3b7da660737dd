"""Motion during a scan: k-space is filled, along one axis, from images of the head at several positions.

Each position fills one segment of that axis's frequencies, and all frequencies of the other axes. So taking a segment
out of an image is a circular convolution along one axis: the same small matrix for every line, where TorchIO transforms
whole volumes to k-space and back.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.linalg import circulant
from torch import Tensor
from torch.nn.functional import pad

from msseg.patches.drawn import DrawnMotion
from msseg.patches.frame import Spacing, slice_axis
from msseg.patches.lattice import rotation
from msseg.patches.resample import resample

TO_LPS = np.array([-1.0, -1.0, 1.0])
"""ITK's axes point left, posterior and superior."""


def mix_positions(image: Tensor, drawn: DrawnMotion, spacing: Spacing) -> None:
    """Add the artefacts to an image (C, X, Y, Z) in place, as `torchio.Motion` makes them; spacing in mm.

    The frequencies divided are those of the last axis; of a patch with one voxel along an axis, of the last other.
    """
    size = (image.shape[1], image.shape[2], image.shape[3])
    normal = slice_axis(size)
    order = [0, 1, 2] if normal is None else [normal, *(axis for axis in range(3) if axis != normal)]
    turned = image.permute(0, *(axis + 1 for axis in order)).contiguous()
    lengths = np.array(spacing)[order]
    positions = [
        _at_position(turned, degrees[order], translation[order], lengths, normal is not None)
        for degrees, translation in zip(drawn.degrees, drawn.translation, strict=True)
    ]
    mixed = turned.clone()
    for number, first, last in segments(drawn.times, turned.shape[3]):
        if number > 0 and last > first:
            matrix = torch.from_numpy(_segment_filter(turned.shape[3], first, last)).to(image)
            mixed.view(-1, turned.shape[3]).addmm_((positions[number - 1] - turned).view(-1, turned.shape[3]), matrix.T)
    image.copy_(mixed.permute(0, *(order.index(axis) + 1 for axis in range(3))))


def segments(times: np.ndarray, length: int) -> list[tuple[int, int, int]]:
    """Which position fills which frequencies: its number (0: not moved), the first, and the one after the last.

    Frequencies count from the lowest negative one. The middle of k-space, where most of an image is, is filled from the
    image that was not moved: it changes places with the position held at that time.
    """
    numbers = list(range(len(times) + 1))
    late = np.flatnonzero(times > 0.5)
    middle = int(late[0]) if len(late) else len(times)
    numbers[0], numbers[middle] = numbers[middle], numbers[0]
    bounds = [0, *(length * times).astype(int).tolist(), length]
    return list(zip(numbers, bounds[:-1], bounds[1:], strict=True))


def _segment_filter(length: int, first: int, last: int) -> np.ndarray:
    """The real part of the convolution that keeps frequencies `first` to `last` - 1, shape (length, length)."""
    kept = np.zeros(length)
    kept[first:last] = 1
    matrix: np.ndarray = circulant(np.fft.ifft(np.fft.ifftshift(kept)).real)
    return matrix


def _at_position(
    image: Tensor, degrees: Sequence[float], translation: np.ndarray, spacing: np.ndarray, in_plane: bool
) -> Tensor:
    """The image (C, X, Y, Z) of the head at another position; of a slice, the first axis has one voxel.

    As in TorchIO, the head turns about the first voxel, and beyond the patch there is its minimum.
    """
    scale = TO_LPS * spacing
    matrix = rotation((degrees[0], degrees[1], degrees[2])) * scale / scale[:, np.newaxis]
    axes = [1, 2] if in_plane else [0, 1, 2]
    shape = [image.shape[axis + 1] for axis in axes]
    corners = np.stack(np.meshgrid(*(np.unique([0.0, length - 1]) for length in shape), indexing="ij"))
    constant = (translation / scale)[axes].reshape(-1, *[1] * len(axes))
    points = torch.from_numpy(np.tensordot(matrix[np.ix_(axes, axes)], corners, 1) + constant + 1).to(image.device)
    layers = image.flatten(0, 1) if in_plane else image
    framed = torch.stack([pad(of, [1, 1] * len(axes), value=float(of.min())) for of in layers])
    return resample([framed], [], points, shape)[0][0].view(image.shape)
