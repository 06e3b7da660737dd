"""Files that are complete or not there: written under a temporary name beside the target, then renamed."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from msseg.errors import InputError

_TEMPORARY = re.compile(r"\.[0-9a-f]{8}\..+|\.(model|[0-9a-f]{24})\.[0-9a-f]{8}(\.old)?")
"""What files are called while they are written, and the folders of models and of a cache's entries."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; at the end it becomes `path`, after an error it is removed.

    It lies in `path`'s folder, which is made if it is not there, and ends like it, for writers that go by the ending.

    Raises:
        InputError: The folder or the file cannot be written.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {why(error)}") from error
    finally:
        with contextlib.suppress(OSError):  # where the folder is a file, even looking for it fails
            temporary.unlink()


def why(error: OSError) -> str:
    """What the system said; NumPy tells of a full disk only how much of an array it wrote."""
    short = re.search(r"\d+ requested and \d+ written", str(error))
    return "No space left on device" if short else error.strerror or str(error)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file (UTF-8), or nothing.

    Raises:
        InputError: As `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_leftovers(folder: Path, older_than: float = 0.0, spared: Path | None = None) -> None:
    """Remove what writes that were killed have left in a folder and the folders in it; what cannot go, stays.

    Args:
        folder: Where to look; it need not be there.
        older_than: Seconds since the last change: where other processes write too, theirs have to be spared.
        spared: A folder in it that is not looked into.
    """
    for path in [*folder.rglob(".*")]:
        if not _TEMPORARY.fullmatch(path.name) or (spared and path.is_relative_to(spared)):
            continue
        with contextlib.suppress(OSError):  # it went with the folder that it was in
            if time.time() - path.stat().st_mtime < older_than:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
