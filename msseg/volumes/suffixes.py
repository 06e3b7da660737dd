"""File endings that volumes are known by."""

from pathlib import Path

from msseg.cases.containers import HDF5_SUFFIXES
from msseg.cases.pages import PNG_SUFFIXES, TIFF_SUFFIXES

__all__ = ["HDF5_SUFFIXES", "NIFTI_SUFFIXES", "PNG_SUFFIXES", "STACK_SUFFIXES", "TIFF_SUFFIXES", "VOLUME_SUFFIXES"]
__all__ += ["IMG_SUFFIXES", "METAIMAGE_SUFFIXES", "MGH_SUFFIXES", "NRRD_SUFFIXES", "PAIR_SUFFIXES"]
__all__ += ["WRITTEN_SUFFIXES", "family_suffix", "pair_of", "volume_stem", "volume_suffix"]

NIFTI_SUFFIXES = (".nii.gz", ".nii")
PAIR_SUFFIXES = (".hdr.gz", ".hdr")
"""Headers of NIfTI and Analyze pairs."""
IMG_SUFFIXES = (".img.gz", ".img")
"""Voxels of pairs. They can be named in place of the header, but are not looked for: a pair is one volume."""
NRRD_SUFFIXES = (".nrrd", ".nhdr")
METAIMAGE_SUFFIXES = (".mha", ".mhd")
MGH_SUFFIXES = (".mgz", ".mgh")
STACK_SUFFIXES = (*TIFF_SUFFIXES, *PNG_SUFFIXES, *HDF5_SUFFIXES)
"""Slices without a place in the world."""
VOLUME_SUFFIXES = (
    *NIFTI_SUFFIXES,
    *PAIR_SUFFIXES,
    *NRRD_SUFFIXES,
    *METAIMAGE_SUFFIXES,
    *MGH_SUFFIXES,
    *STACK_SUFFIXES,
)
"""What is read, and found in folders."""
WRITTEN_SUFFIXES = (*NIFTI_SUFFIXES, ".hdr", ".nrrd", ".mha", *MGH_SUFFIXES, *TIFF_SUFFIXES)

_WRITTEN_AS = {".hdr.gz": ".hdr", ".img.gz": ".hdr", ".img": ".hdr", ".nhdr": ".nrrd", ".mhd": ".mha"}
"""Files that only point to their voxels become files that hold them."""


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
    suffix = volume_suffix(path, (*VOLUME_SUFFIXES, *IMG_SUFFIXES))
    if suffix is not None and suffix.lower() in HDF5_SUFFIXES:
        name = next(part for part in reversed(path.parts) if part.lower().endswith(HDF5_SUFFIXES))
        return name.removesuffix(suffix)
    return path.name.removesuffix(suffix or path.suffix)


def pair_of(path: Path) -> tuple[Path, Path] | None:
    """Header and voxels of a pair of which either file is named, X.hdr and X.img; None: it is no pair.

    The other file may be compressed where this one is not, or have its ending in capitals.
    """
    for own, others, own_first in ((PAIR_SUFFIXES, IMG_SUFFIXES, True), (IMG_SUFFIXES, PAIR_SUFFIXES, False)):
        suffix = volume_suffix(path, own)
        if suffix is None:
            continue
        stem = path.name.removesuffix(suffix)
        packed = suffix.lower().endswith(".gz")
        names = [stem + other for other in sorted(others, key=lambda name: name.endswith(".gz") != packed)]
        candidates = [path.with_name(name) for name in (*names, *(stem + name[len(stem) :].upper() for name in names))]
        other = next((candidate for candidate in candidates if candidate.exists()), candidates[0])
        return (path, other) if own_first else (other, path)
    return None


def family_suffix(path: Path) -> str:
    """The ending of a file of the same family that is written: mostly its own; of pairs .hdr, of stacks .tif."""
    suffix = volume_suffix(path, (*VOLUME_SUFFIXES, *IMG_SUFFIXES))
    if suffix is None:
        return ".nii.gz"
    if suffix.lower() in _WRITTEN_AS:
        return _WRITTEN_AS[suffix.lower()]
    return suffix if suffix.lower() in WRITTEN_SUFFIXES else ".tif"
