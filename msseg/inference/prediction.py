"""What a model says about one case."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from msseg.errors import InputError
from msseg.volumes.files import NIFTI_SUFFIXES, volume_suffix, write_volume
from msseg.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Prediction:
    """Mask and probability on the input's grid.

    Attributes:
        mask: Lesion voxels, shape (X, Y, Z) of the input file, boolean.
        probability: Lesion probability, the same shape, float32.
        affine: 4 x 4 matrix from voxel indices to millimetres (RAS+), the input's.
        header: The input's header: codes and units that saved files keep.
    """

    mask: np.ndarray
    probability: np.ndarray
    affine: np.ndarray
    header: nib.Nifti1Header

    def save(self, path: Path | str) -> None:
        """Write the mask as NIfTI (uint8; 1 is lesion), complete or not at all.

        Raises:
            InputError: The name does not end in .nii or .nii.gz, or the folder cannot be written to.
        """
        self._write(Path(path), self.mask)

    def save_probability(self, path: Path | str) -> None:
        """Write the probability as NIfTI (float32), complete or not at all.

        Raises:
            InputError: As `save`.
        """
        self._write(Path(path), self.probability)

    def _write(self, path: Path, data: np.ndarray) -> None:
        if volume_suffix(path) is None:
            raise InputError(f"{path} cannot be written: its name has to end in {' or '.join(NIFTI_SUFFIXES)}")
        write_volume(path, data, Volume(data, self.affine, self.header))
