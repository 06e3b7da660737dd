"""Opening volume files safely: what they are on disk, before anything is said about what they hold."""

import gzip
from io import BufferedIOBase
from pathlib import Path

from msseg.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"


def reason(error: BaseException) -> str:
    """What an exception says, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__


def require_file(path: Path) -> None:
    """Refuse what is not there or is no ordinary file; reading from a pipe would never end.

    Raises:
        InputError: Says what is there instead.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a file")
        if path.is_symlink() and not path.exists():
            raise InputError(f"{path} is a link to {path.readlink()}, which is not there; fetch the data (datalad get)")
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if not path.is_file():
            raise InputError(f"{path} is a device or a pipe, not a file")
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte, as a damaged header may give
        raise InputError(f"{path} cannot be read: {reason(error)}") from error


def open_decoded(path: Path) -> BufferedIOBase:
    """The file's bytes, uncompressed where its name says that they are compressed (.gz, .mgz).

    Raises:
        InputError: The file is empty, or its name is wrong about the compression.
    """
    zipped = is_gzipped(path)
    with path.open("rb") as file:
        start = file.read(2)
    if not start:
        raise InputError(f"{path} is empty; copy or convert it anew")
    plain, packed = (".mgh", ".mgz") if path.suffix.lower() in (".mgh", ".mgz") else ("without .gz", "in .gz")
    if path.name.lower().endswith((".nii", ".nii.gz")):
        plain, packed = ".nii", ".nii.gz"
    if zipped and start != GZIP_MAGIC:
        raise InputError(
            f"{path} is not compressed by gzip as its name says (it begins with {start!r}):"
            f" rename it to end {'in ' * plain.startswith('.')}{plain} if it is no archive, or copy it anew"
        )
    if not zipped and start == GZIP_MAGIC:
        raise InputError(
            f"{path} is compressed by gzip, which its name does not say: rename it to end"
            f" {'in ' * packed.startswith('.')}{packed}"
        )
    return gzip.GzipFile(path) if zipped else path.open("rb")


def is_gzipped(path: Path) -> bool:
    """Whether a file is compressed as a whole, by its name."""
    return path.name.lower().endswith((".gz", ".mgz"))


def damaged(path: Path, what: str, error: BaseException | str) -> InputError:
    """The refusal of a file whose header or voxels cannot be read."""
    why = error if isinstance(error, str) else reason(error)
    return InputError(f"{path} is damaged: its {what} cannot be read ({why}); copy or convert it anew")
