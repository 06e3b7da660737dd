"""Tables that users write: CSV files with columns of known names."""

import csv
from collections.abc import Sequence
from pathlib import Path

from msseg.errors import InputError


def read_columns(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file, without the blanks around its fields; an empty or missing field is "".

    Args:
        path: Comma-separated, UTF-8, with a header line.
        columns: Those that the header has to name.

    Raises:
        InputError: The file cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            present, rows = reader.fieldnames or [], list(reader)
    except OSError as error:
        raise InputError(f"the table {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table {path} is not a CSV file in UTF-8 ({error})") from error
    absent = [column for column in columns if column not in present]
    if absent:
        wanted = ", ".join(columns)
        raise InputError(
            f"the table {path} lacks the column {absent[0]}; give it the columns {wanted}, separated by commas"
        )
    return [{name: (row[name] or "").strip() for name in present} for row in rows]
