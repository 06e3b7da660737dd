"""A volume: voxels and where they lie in the world."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels of one channel on a grid in world space.

    Attributes:
        data: Array of shape (X, Y, Z).
        affine: 4 x 4 matrix from voxel indices to millimetres (RAS+).
        header: The file's own header, of its family; written back with a prediction, so that codes and units stay.
        path: The file it was read from, for messages.
    """

    data: np.ndarray
    affine: np.ndarray
    header: Any = field(default_factory=nib.Nifti1Header)
    path: Path | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        x, y, z = self.data.shape
        return x, y, z

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths (mm)."""
        x, y, z = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    @property
    def orientation(self) -> str:
        """Nearest anatomical directions of the axes, e.g. 'RAS'."""
        return "".join(nib.orientations.aff2axcodes(self.affine))

    @property
    def sides_known(self) -> bool:
        """Whether the file says which side is left, and not a convention."""
        if isinstance(self.header, nib.Nifti1Header):
            return bool(self.header["sform_code"] > 0 or self.header["qform_code"] > 0)
        if isinstance(self.header, nib.MGHImage.header_class):
            return bool(self.header["goodRASFlag"])
        return not isinstance(self.header, nib.AnalyzeHeader) and getattr(self.header, "space", "") is not None

    def describe_grid(self) -> str:
        """Shape, spacing, orientation and origin in one line, for messages."""
        shape = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{length:.3g}" for length in self.spacing)
        origin = ", ".join(f"{value:.4g}" for value in self.affine[:3, 3])
        return f"{shape} voxels of {spacing} mm, {self.orientation}, origin ({origin})"
