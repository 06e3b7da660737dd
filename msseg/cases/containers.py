"""Paths into HDF5 files: `stack.h5/volumes/raw` is the data set /volumes/raw of stack.h5."""

from pathlib import Path

HDF5_SUFFIXES = (".h5", ".hdf5")
DEFAULT_DATASET = "main"
"""The data set that is meant where none is named, as in the piriform cortex stacks (Lee et al. 2015)."""


def split_container(path: Path) -> tuple[Path, str | None]:
    """The file on disk, and the data set inside it.

    A name that ends in .h5 or .hdf5 is an HDF5 file, unless it is a folder; what follows it is a data set.

    Returns:
        `(stack.h5, "volumes/raw")` for `stack.h5/volumes/raw`, `(stack.h5, "main")` for `stack.h5`, and
        `(path, None)` for all other files.
    """
    for file in (path, *path.parents):
        if file.suffix.lower() in HDF5_SUFFIXES and not file.is_dir():
            inside = path.relative_to(file).as_posix()
            return file, DEFAULT_DATASET if inside == "." else inside
    return path, None
