"""Whose scan each case is, as a CSV table says."""

import csv
from pathlib import Path

from msseg.errors import InputError

COLUMNS = ("case", "group")


def read_groups(path: Path) -> dict[str, str]:
    """The patient of each case, from a CSV file with the columns case and group.

    Raises:
        InputError: The file cannot be read, lacks a column or a value, or gives a case two patients.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns, rows = reader.fieldnames or [], list(reader)
    except OSError as error:
        raise InputError(f"the table {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the table {path} is not a CSV file in UTF-8 ({error})") from error
    absent = [column for column in COLUMNS if column not in columns]
    if absent:
        raise InputError(f"the table {path} lacks the column {absent[0]}; give it the columns {', '.join(COLUMNS)}")
    groups: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        case, group = ((row[column] or "").strip() for column in COLUMNS)
        if not (case and group):
            raise InputError(f"the table {path} has an empty field in line {line}")
        if groups.setdefault(case, group) != group:
            raise InputError(f"the table {path} gives {case} the groups {groups[case]} and {group}")
    return groups
