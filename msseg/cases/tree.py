"""The files below a folder, and what to say about them."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from msseg.cases.names import counted, listing, matches_any
from msseg.errors import InputError


def files_below(root: Path, ignore: Sequence[str] = ()) -> list[Path]:
    """All files below a folder, sorted, as absolute paths; links are followed, what is hidden is left out.

    Args:
        root: The folder.
        ignore: Names of folders and files to leave aside, with `*` and `?`.

    Raises:
        InputError: The folder or one below it does not exist or cannot be read.
    """
    if not root.exists():
        raise InputError(f"the data folder {root} does not exist; give another as data.root or with --data")
    if not root.is_dir():
        hint = "; to read a table, set data.table" if root.suffix.lower() in (".csv", ".tsv") else ""
        raise InputError(f"the data folder {root} is a file, not a folder{hint}")
    return sorted(_walk(absolute(root), ignore))


def describe_files(files: Sequence[Path], root: Path) -> str:
    """What a folder holds: number of files, their kinds, the first few of the most frequent kind."""
    if not files:
        return "the folder holds no files"
    kinds = Counter(file_kind(path) for path in files).most_common()
    numbers = listing([f"{number} {kind}" for kind, number in kinds], limit=4)
    examples = [str(relative(path, root)) for path in files if file_kind(path) == kinds[0][0]][:3]
    return f"the folder holds {counted(len(files), 'file')} ({numbers}), such as {listing(examples)}"


def relative(path: Path, root: Path) -> Path:
    """The path below the root, for messages."""
    base = absolute(root)
    return path.relative_to(base) if path.is_relative_to(base) else path


def absolute(path: Path) -> Path:
    """The path from the top, links left as they are named (unless `..` makes that ambiguous)."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _walk(root: Path, ignore: Sequence[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_refuse):
        folders[:] = [name for name in folders if _wanted(name, ignore) and not _leads_back(folder, name)]
        yield from (Path(folder, name) for name in names if _wanted(name, ignore))


def _wanted(name: str, ignore: Sequence[str]) -> bool:
    """Hidden files are none of a data set's: `._x.nii` and __MACOSX are what macOS adds to archives."""
    return not name.startswith(".") and name != "__MACOSX" and not matches_any(name, ignore)


def _leads_back(folder: str, name: str) -> bool:
    """Whether a folder is a link to one of the folders that it was reached through: that way has no end."""
    path = Path(folder, name)
    return path.is_symlink() and any(parent.samefile(path) for parent in path.parents)


def _refuse(error: OSError) -> None:
    raise InputError(f"the folder {error.filename} cannot be read: {error.strerror}") from error


def file_kind(path: Path) -> str:
    """The ending of a file's name, as messages show it."""
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    return "".join(suffixes) or "without suffix"
