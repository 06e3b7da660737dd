"""File endings that volumes are known by."""

from pathlib import Path

from msseg.cases.containers import HDF5_SUFFIXES
from msseg.cases.pages import PNG_SUFFIXES, TIFF_SUFFIXES

__all__ = ["HDF5_SUFFIXES", "NIFTI_SUFFIXES", "PNG_SUFFIXES", "STACK_SUFFIXES", "TIFF_SUFFIXES", "VOLUME_SUFFIXES"]
__all__ += ["WRITTEN_SUFFIXES", "output_suffix", "volume_stem", "volume_suffix"]

NIFTI_SUFFIXES = (".nii.gz", ".nii")
STACK_SUFFIXES = (*TIFF_SUFFIXES, *PNG_SUFFIXES, *HDF5_SUFFIXES)
"""Slices without a place in the world."""
VOLUME_SUFFIXES = (*NIFTI_SUFFIXES, *STACK_SUFFIXES)
WRITTEN_SUFFIXES = (*NIFTI_SUFFIXES, *TIFF_SUFFIXES)


def volume_suffix(path: Path, known: tuple[str, ...] = VOLUME_SUFFIXES) -> str | None:
    """The ending of a volume's file name ('.nii.gz', '.tif', ...) as written, or None.

    A data set in an HDF5 file, 'a.h5/main', has the file's.
    """
    name = next((part for part in reversed(path.parts) if part.lower().endswith(HDF5_SUFFIXES)), path.name)
    for suffix in known:
        if name.lower().endswith(suffix):
            return name[-len(suffix) :]
    return None


def volume_stem(path: Path) -> str:
    """The file name without its ending: 'a/X.nii.gz' -> 'X', 'X.h5/main' -> 'X'."""
    suffix = volume_suffix(path)
    if suffix is not None and suffix.lower() in HDF5_SUFFIXES:
        name = next(part for part in reversed(path.parts) if part.lower().endswith(HDF5_SUFFIXES))
        return name.removesuffix(suffix)
    return path.name.removesuffix(suffix or path.suffix)


def output_suffix(path: Path) -> str:
    """The ending of what is predicted from a file: its own where that can be written, else .tif."""
    suffix = volume_suffix(path)
    if suffix is None:
        return ".nii.gz"
    return suffix if suffix.lower() in WRITTEN_SUFFIXES else ".tif"
