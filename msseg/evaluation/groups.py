"""Whose scan each case is, as a CSV table says."""

from pathlib import Path

from msseg.cases.columns import read_columns
from msseg.errors import InputError

COLUMNS = ("case", "group")


def read_groups(path: Path) -> dict[str, str]:
    """The patient of each case, from a CSV file with the columns case and group.

    Raises:
        InputError: The file cannot be read, lacks a column or a value, or gives a case two patients.
    """
    groups: dict[str, str] = {}
    for line, row in enumerate(read_columns(path, COLUMNS), start=2):
        case, group = (row[column] for column in COLUMNS)
        if not (case and group):
            raise InputError(f"the table {path} has an empty field in line {line}")
        if groups.setdefault(case, group) != group:
            raise InputError(f"the table {path} gives {case} the groups {groups[case]} and {group}")
    return groups
