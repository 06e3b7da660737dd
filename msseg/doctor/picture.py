"""A thumbnail of a case: the slices through the middle of its label, or of the head, with the label's outline."""

import io
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from PIL import Image
from scipy import ndimage

from msseg.doctor.intensity import subject_of
from msseg.volumes.volume import Volume

EDGE = 170
"""Pixels of the longer side of a slice."""
MARGIN = 3
WINDOW = (1.0, 99.5)
LEVELS = 64
"""Of grey; the colour after them is the outline's."""
OUTLINE = (255, 80, 60)


@dataclass(frozen=True)
class Thumbnail:
    """A picture as PNG.

    Attributes:
        png: The file's bytes.
        width: Pixels.
        height: Pixels.
    """

    png: bytes
    width: int
    height: int


def thumbnail(volume: Volume, mask: np.ndarray | None) -> Thumbnail:
    """Axial, coronal and sagittal slices side by side in radiological convention, or the one slice there is."""
    image, label = volume.data, mask
    if image.shape[2] == 1:
        planes = [(image[:, :, 0], None if label is None else label[:, :, 0], 1.0)]
    else:
        planes = _orthogonal(volume, label)
    low, high = _window(image)
    drawn = [_plane(plane, outline, aspect, low, high) for plane, outline, aspect in planes]
    height = max(part.shape[0] for part in drawn)
    padded = [_padded(part, height) for part in drawn]
    pixels = np.concatenate(padded, axis=1)
    picture = Image.fromarray(pixels)
    greys = [value for level in range(LEVELS) for value in (level * 255 // (LEVELS - 1),) * 3]
    picture.putpalette([*greys, *OUTLINE])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return Thumbnail(buffer.getvalue(), pixels.shape[1], pixels.shape[0])


def _orthogonal(volume: Volume, mask: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray | None, float]]:
    """Slices (rows from the top, columns from the patient's right) and the height of a pixel over its width."""
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(volume.affine), nib.orientations.axcodes2ornt("LPS")
    )
    box = _box(volume.data, mask)
    image = nib.orientations.apply_orientation(volume.data[box], turn)
    label = None if mask is None else nib.orientations.apply_orientation(mask[box], turn)
    spacing = [0.0, 0.0, 0.0]
    for length, (axis, _) in zip(volume.spacing, turn, strict=True):
        spacing[int(axis)] = length
    at = _centre(image if label is None or not label.any() else label)
    planes = []
    for cut, (row, column) in ((2, (1, 0)), (1, (2, 0)), (0, (2, 1))):
        # LPS runs right to left, front to back, foot to head: rows are axis 1, or axis 2 from its end.
        layers = [None if array is None else _cut(array, cut, at[cut], row == 2) for array in (image, label)]
        assert layers[0] is not None
        planes.append((layers[0], layers[1], spacing[row] / spacing[column]))
    return planes


def _box(image: np.ndarray, mask: np.ndarray | None) -> tuple[slice, ...]:
    """The subject and its label with a margin."""
    seen = subject_of(image) if mask is None else subject_of(image) | mask
    box = []
    for axis in range(3):
        hit = np.flatnonzero(seen.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(max(0, int(hit[0]) - MARGIN), int(hit[-1]) + 1 + MARGIN) if hit.size else slice(None))
    return tuple(box)


def _cut(array: np.ndarray, axis: int, index: int, upside_down: bool) -> np.ndarray:
    plane = np.take(array, index, axis=axis).T
    return plane[::-1] if upside_down else plane


def _centre(values: np.ndarray) -> list[int]:
    """For a label the slices that show most of it, for an image its middle."""
    if values.dtype != bool:
        return [size // 2 for size in values.shape]
    return [
        int(np.count_nonzero(values, axis=tuple(other for other in range(3) if other != axis)).argmax())
        for axis in range(3)
    ]


def _window(image: np.ndarray) -> tuple[float, float]:
    thin = image[tuple(slice(None, None, max(1, size // 64)) for size in image.shape)]
    bright = thin[thin != 0]
    if not bright.size:
        return 0.0, 1.0
    low, high = np.percentile(bright, WINDOW)
    return float(min(low, 0.0) if (thin == 0).any() else low), float(high)


def _plane(plane: np.ndarray, mask: np.ndarray | None, aspect: float, low: float, high: float) -> np.ndarray:
    """Pixels (H, W) as numbers of colours: `LEVELS` of grey, and the outline."""
    rows, columns = plane.shape[0] * aspect, plane.shape[1]
    scale = EDGE / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    grey = np.clip((plane - low) / max(high - low, 1e-12), 0, 1) * 255
    resized = Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(resized) // (256 // LEVELS)
    if mask is not None and mask.any():
        # Any label in a pixel counts: of a small lesion something has to be left.
        shrunk = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) > 40
        pixels[shrunk & ~ndimage.binary_erosion(shrunk, border_value=0)] = LEVELS
    return pixels


def _padded(pixels: np.ndarray, height: int) -> np.ndarray:
    missing = height - pixels.shape[0]
    return np.pad(pixels, ((missing // 2, missing - missing // 2), (0, 0)))
