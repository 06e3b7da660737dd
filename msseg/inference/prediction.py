"""What a model says about one case."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from msseg.errors import InputError
from msseg.volumes.files import WRITTEN_SUFFIXES, volume_suffix, write_volume
from msseg.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Prediction:
    """Mask, probability and perhaps numbered objects on the input's grid.

    Attributes:
        mask: Foreground voxels (lesion, inside of a neurite or cell), shape (X, Y, Z) of the input file, boolean.
        probability: Probability of the foreground, the same shape, float32.
        affine: 4 x 4 matrix from voxel indices to millimetres (RAS+), the input's.
        header: The input's own header, of its family: codes and units that saved files keep.
        instances: Where the model segments objects: their numbers in every slice, int32, 0 outside of them.
    """

    mask: np.ndarray
    probability: np.ndarray
    affine: np.ndarray
    header: Any
    instances: np.ndarray | None = None

    def save(self, path: Path | str) -> None:
        """Write the mask as its name's ending says, complete or not at all: uint8, 1 is foreground (TIFF: 255).

        Raises:
            InputError: The name has another ending, or the folder cannot be written to.
        """
        self._write(Path(path), self.mask)

    def save_probability(self, path: Path | str) -> None:
        """Write the probability (float32), complete or not at all.

        Raises:
            InputError: As `save`.
        """
        self._write(Path(path), self.probability)

    def save_instances(self, path: Path | str) -> None:
        """Write the objects' numbers (uint16, or uint32 where a slice has more than 65,535), complete or not at all.

        Raises:
            InputError: As `save`, or the model does not segment objects.
        """
        if self.instances is None:
            raise InputError("the model's inference.segment is none, so there are no objects to write")
        kind = np.uint16 if self.instances.max() <= np.iinfo(np.uint16).max else np.uint32
        self._write(Path(path), self.instances.astype(kind))

    def _write(self, path: Path, data: np.ndarray) -> None:
        if volume_suffix(path, WRITTEN_SUFFIXES) is None:
            raise InputError(f"{path} cannot be written: its name has to end in {' or '.join(WRITTEN_SUFFIXES)}")
        write_volume(path, data, Volume(data, self.affine, self.header))
