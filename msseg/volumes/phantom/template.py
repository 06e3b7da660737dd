"""The ICBM 152 template's tissue maps, from the files that nilearn carries in its package."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.errors import InputError
from msseg.volumes.phantom.anatomy import Anatomy
from msseg.volumes.phantom.fields import FloatArray

LOW_MM, HIGH_MM = (-80, -118, -72), (80, 84, 92)
"""Corners of the field of view in MNI space: the brain and a margin."""
DARKEST_GREY_T1, FLUID_T1 = 158.0, 75.0  # intensities of the template's T1 image


@lru_cache(maxsize=2)
def template_anatomy(spacing_mm: float = 2.0) -> Anatomy:
    """Tissue maps of the ICBM 152 nonlinear symmetric template 2009a at 1 mm or coarser.

    Raises InputError without nilearn.
    """
    if not 1.0 <= spacing_mm <= 8.0:
        raise InputError(f"the phantom's spacing has to be 1 to 8 mm, but is {spacing_mm:g} mm")
    white, grey, t1 = _read("wm") / np.float32(255), _read("gm") / np.float32(255), _read("t1")
    fluid = _fluid(white, grey, t1)
    left: FloatArray = np.minimum((1 - fluid) / np.maximum(white + grey, np.float32(1e-6)), np.float32(1))
    white, grey = _to_grid(white * left, spacing_mm), _to_grid(grey * left, spacing_mm)
    fluid = _to_grid(fluid, spacing_mm)
    x, y, z = np.ogrid[tuple(slice(0, size) for size in white.shape)]
    x, y, z = (low + spacing_mm * axis for low, axis in zip(LOW_MM, (x, y, z), strict=True))
    return Anatomy(
        white=white,
        grey=grey,
        fluid=fluid,
        ventricles=np.where(_around_ventricles(x, y, z), fluid, 0).astype(np.float32),
        infratentorial=_below_tentorium(x, y, z).astype(np.float32),
        deep_grey=np.where(_around_basal_ganglia(x, y, z), grey, 0).astype(np.float32),
        origin_mm=(float(LOW_MM[0]), float(LOW_MM[1]), float(LOW_MM[2])),
        spacing_mm=spacing_mm,
    )


def _read(kind: str) -> FloatArray:
    """One of the template's volumes at its own 1 mm, cut to the field of view."""
    # Found without importing nilearn, which takes seconds.
    package = find_spec("nilearn")
    if package is None or not package.submodule_search_locations:
        raise InputError("the phantom needs the ICBM 152 template that nilearn carries: pip install 'msseg[demo]'")
    folder = Path(package.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    if not path.is_file():
        raise InputError(f"{path} is missing: install a nilearn that carries the ICBM 152 template (0.10 or newer)")
    image = nibabel.nifti1.Nifti1Image.from_filename(path)
    corner = np.rint(image.affine[:3, 3]).astype(int)
    cut = tuple(slice(low - at, high - at + 1) for low, high, at in zip(LOW_MM, HIGH_MM, corner, strict=True))
    return np.asarray(image.dataobj, dtype=np.float32)[cut]


def _fluid(white: FloatArray, grey: FloatArray, t1: FloatArray) -> FloatArray:
    """What the head's mask holds besides white and grey matter, or what is darker than grey matter in T1.

    The second finds the sulci, which the average of 152 cortices has all but filled with grey matter.
    """
    mask = ndimage.binary_fill_holes(t1 > 0)
    darker = (DARKEST_GREY_T1 - t1) / (DARKEST_GREY_T1 - FLUID_T1)
    return np.clip(np.maximum(mask - white - grey, darker * mask), 0, 1).astype(np.float32)


def _to_grid(values: FloatArray, spacing_mm: float) -> FloatArray:
    """From 1 mm to the given spacing, each new voxel an average over about its size."""
    if spacing_mm == 1.0:
        return values
    smooth = ndimage.gaussian_filter(values, 0.35 * spacing_mm)
    shape = [int((high - low) // spacing_mm) + 1 for low, high in zip(LOW_MM, HIGH_MM, strict=True)]
    return np.asarray(ndimage.affine_transform(smooth, [spacing_mm] * 3, output_shape=shape, order=1), dtype=np.float32)


def _around_ventricles(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Boxes in MNI space that hold the lateral ventricles, but no cisterns and no fluid of the insula."""
    side = np.abs(x)
    third = (side < 7) & (y < 4) & (z < 14)
    body = (side < 26) & (y > -24) & (y < 36) & (z > -8) & (z < 34) & ~third
    trigone = (side < 40) & (side > 8) & (y > -54) & (y <= -24) & (z > -8) & (z < 34)
    return body | trigone


def _around_basal_ganglia(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Boxes in MNI space that hold basal ganglia and thalamus, but not insula or cingulum."""
    side = np.abs(x)
    return (side > 2) & (side < 33 - 0.08 * np.abs(y)) & (y > -34) & (y < 22) & (z > -10) & (z < 20)


def _below_tentorium(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Cerebellum and brain stem in MNI space: below a roof that rises to the front and falls to the sides."""
    side = np.abs(x)
    cerebellum = (y < -35) & (z < -18 + 0.35 * (y + 85) - 0.25 * np.maximum(side - 10, 0))
    stem = (side < 18) & (y > -46) & (y < -8) & (z < -8)
    return cerebellum | stem
