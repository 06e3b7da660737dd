"""A stack of serial sections as in the ISBI 2012 challenge, drawn instead of cut: images and truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from msseg.atomic import replacing
from msseg.errors import InputError
from msseg.volumes.phantom.em_neurites import draw_neurites
from msseg.volumes.phantom.em_section import cut_section, draw_tissue

SMALLEST_SIZE = 32  # pixels


@dataclass(frozen=True)
class EmStack:
    """Serial sections of neurites at about 4 x 4 x 50 nm: arrays (slices, rows, columns)."""

    image: NDArray[np.uint8]
    neurite: NDArray[np.int32]
    """Number of the neurite (from 1) whose inside a pixel is, the same in all slices; 0: membrane."""

    @property
    def label(self) -> NDArray[np.uint8]:
        """The truth as in ISBI 2012: 255 inside of neurites, 0 on membranes."""
        return np.where(self.neurite > 0, 255, 0).astype(np.uint8)


def draw_em_stack(slices: int = 20, size: int = 256, seed: int = 0) -> EmStack:
    """Draw a stack of `slices` sections of `size` x `size` pixels; the same arguments draw the same stack.

    Neurites from thin axons to thick dendrites have mitochondria, vesicles, tubules and cisternae, none of which is
    membrane in the truth. Membranes differ in width and darkness and are smeared where they stand obliquely in the
    section. Brightness, contrast, focus and position differ from section to section.

    Raises:
        InputError: Fewer than one slice, or slices of less than 32 pixels.
    """
    if slices < 1 or size < SMALLEST_SIZE:
        raise InputError(
            f"a phantom of {slices} slices of {size} pixels cannot be drawn: choose at least 1 slice of {SMALLEST_SIZE}"
        )
    tissue = draw_tissue(
        draw_neurites(slices, size, np.random.default_rng([seed, 0])), np.random.default_rng([seed, 1])
    )
    sections = [cut_section(tissue, number, np.random.default_rng([seed, 2, number])) for number in range(slices)]
    return EmStack(np.stack([part.image for part in sections]), np.stack([part.neurite for part in sections]))


def write_em_stack(folder: Path, slices: int = 20, size: int = 256, seed: int = 0, name: str = "phantom") -> None:
    """Write `<name>-volume.tif` and `<name>-labels.tif`: one page for each slice, uint8, as in ISBI 2012.

    Labels are 255 inside of neurites and 0 on membranes. Both files are written whole or not at all; the same
    arguments write the same bytes.

    Raises:
        InputError: As `draw_em_stack`, or a file cannot be written.
    """
    stack = draw_em_stack(slices, size, seed)
    with replacing(folder / f"{name}-labels.tif") as labels, replacing(folder / f"{name}-volume.tif") as volume:
        for path, pages in ((labels, stack.label), (volume, stack.image)):
            tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})
