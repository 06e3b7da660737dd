"""Files that are complete or not there: written under a temporary name beside the target, then renamed."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from msseg.errors import InputError


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
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # where the folder is a file, even looking for it fails
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a whole text file (UTF-8), or nothing.

    Raises:
        InputError: As `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
