"""Random movements of a plane, as maps of coordinates: where in the patch each voxel of the moved patch comes from."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torchio as tio
from scipy.interpolate import BSpline
from torch import Tensor
from torch.nn.functional import grid_sample

from msseg.config.patches import Affine, Beyond, Elastic
from msseg.patches.frame import Frame, Plane

Movement = Callable[[Tensor], Tensor]
"""From coordinates (2, A, B) in the moved patch to those in the patch before, in voxels."""


def draw_movement(entry: Affine | Elastic, plane: Plane, frame: Frame) -> Movement:
    """Draw one, from PyTorch's global generator, for the two axes of `plane`."""
    return _draw_affine(entry, plane, frame) if isinstance(entry, Affine) else _draw_elastic(entry, plane, frame)


def _draw_affine(entry: Affine, plane: Plane, frame: Frame) -> Movement:
    """Scaling of each axis, then rotation, about the middle of the patch, then a shift: TorchIO's Affine, inverted."""
    scales, degrees, translation = tio.RandomAffine.get_params(
        (*entry.scales, *entry.scales, *entry.scales),
        (*entry.degrees, *entry.degrees, *entry.degrees),
        (*entry.translation, *entry.translation, *entry.translation),
        isotropic=False,
    )
    axes = list(plane)
    (normal,) = {0, 1, 2} - set(plane)
    size, length = np.array(frame.size)[axes], np.array(frame.spacing)[axes]
    angle = np.radians(degrees[normal].item()) if (size > 1).all() else 0.0
    cos, sin = np.cos(angle), np.sin(angle)
    turn_back = np.array([[cos, sin], [-sin, cos]]) / length[:, np.newaxis]  # from mm to voxels
    matrix = turn_back @ np.diag(length / scales.numpy()[axes])
    shift = turn_back @ np.where(size > 1, translation.numpy()[axes], 0.0)
    middle = (size - 1) / 2
    linear = torch.from_numpy(matrix).float()
    constant = torch.from_numpy(middle - matrix @ middle - shift).float().view(2, 1, 1)
    return lambda coordinates: torch.einsum("ij,jab->iab", linear, coordinates) + constant


def _draw_elastic(entry: Elastic, plane: Plane, frame: Frame) -> Movement:
    """Control points drawn as TorchIO draws them, in one layer: a slice has no others."""
    bounds = frame.displacement(entry)
    points = tio.RandomElasticDeformation.get_params(
        (entry.control_points, entry.control_points, 1), (bounds[plane[0]], bounds[plane[1]], 0), entry.locked_borders
    )
    field = spline_field(points[:, :, 0, :2], (frame.size[plane[0]], frame.size[plane[1]]))
    field /= torch.tensor([frame.spacing[axis] for axis in plane]).view(2, 1, 1)
    return lambda coordinates: coordinates + sample(field, coordinates, "bilinear", "edge")


def spline_field(points: np.ndarray, size: tuple[int, int]) -> Tensor:
    """The cubic B-spline through a plane, at every voxel.

    Args:
        points: Displacements of the control points, shape (n, n, 2). As in ITK, n - 3 cells cover the patch from edge
            to edge, and the outermost points lie beyond it.
        size: Voxels along the two axes.

    Returns:
        Displacements, shape (2, *size). The spline is a product of one along each axis, hence two small matrices.
    """
    cells = len(points) - 3
    knots = np.arange(-3.0, len(points) + 1)
    a, b = (BSpline.design_matrix((np.arange(n) + 0.5) / n * cells, knots, 3).toarray() for n in size)
    field = np.stack([a @ points[:, :, axis] @ b.T for axis in range(2)])
    return torch.from_numpy(field.astype(np.float32))


def sample(
    image: Tensor,
    coordinates: Tensor,
    mode: Literal["bilinear", "nearest"],
    beyond: Beyond | Literal["edge"],
) -> Tensor:
    """Values (C, A', B') of an image (C, A, B) at coordinates (2, A', B') in voxels."""
    last = torch.tensor([max(length - 1, 1) for length in image.shape[1:]]).view(2, 1, 1)
    places = (coordinates * (2 / last) - 1).flip(0).permute(1, 2, 0)  # grid_sample names the last axis first
    padding = {"zero": "zeros", "mirror": "reflection", "edge": "border"}[beyond]
    return grid_sample(image[None], places[None], mode, padding, align_corners=True)[0]
