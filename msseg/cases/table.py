"""Cases from a table: a CSV file with a row for each case and a column for each channel."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msseg.cases.case import Case
from msseg.cases.layout import CHANNEL_NAME
from msseg.cases.names import counted, listing, matches, matches_any
from msseg.cases.tree import absolute
from msseg.config.problems import nearest
from msseg.errors import InputError

NEEDED = ("case", "group")
RESERVED = (*NEEDED, "scan", "slice", "label")
"""Columns that are no channel; `scan` (default: the case) is for several labels of the same images, `slice` the
number of a slice that is a file of its own, in the stack that `group` names."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """A table as read: its columns and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """The columns that are channels."""
        return tuple(name for name in self.columns if name not in RESERVED)

    def cases(
        self,
        wanted: Sequence[str],
        select: Mapping[str, Sequence[str]],
        root: Path | None,
        need_label: bool,
        incomplete: bool = False,
    ) -> list[Case]:
        """The rows as cases; relative paths start from `root`, or else from the table's own folder.

        Where cases may be `incomplete`, a case has the channels of which its row names a file.

        Raises:
            InputError: A cell that is needed is empty, a case is named twice, or nothing is selected.
        """
        if need_label and "label" not in self.columns:
            raise InputError(f"{self.path} has no column label, which is needed to train and to evaluate")
        rows = self._selected(select)
        channels = () if incomplete else wanted
        self._refuse_empty(rows, [*NEEDED, *channels, *(["label"] if need_label else [])])
        self._refuse_repeated(rows)
        base = absolute(root if root is not None else self.path.parent)
        return [_case(row.cells, wanted, base, self._slice_number(row)) for row in rows]

    def _slice_number(self, row: Row) -> int | None:
        text = row.cells.get("slice", "")
        if text and not (text.isascii() and text.isdigit()):
            raise InputError(f"{self.path} has the slice '{text}' in line {row.line}; a whole number is needed")
        return int(text) if text else None

    def _selected(self, select: Mapping[str, Sequence[str]]) -> list[Row]:
        for column, wildcards in select.items():
            if column not in self.columns:
                raise InputError(
                    f"data.select names the column {column}, which {self.path} does not have"
                    f"{nearest(column, list(self.columns))} Columns: {', '.join(self.columns)}"
                )
            values = sorted({row.cells[column] for row in self.rows})
            for wildcard in wildcards:
                if not any(matches(value, wildcard) for value in values):
                    raise InputError(
                        f"data.select keeps {column} {wildcard}, but no row of {self.path} has it"
                        f"{nearest(wildcard, values)} There are: {listing(values, limit=10)}"
                    )
        rows = [
            row
            for row in self.rows
            if all(matches_any(row.cells[column], wildcards) for column, wildcards in select.items())
        ]
        if not rows:
            raise InputError(f"data.select leaves no row of {self.path}")
        return rows

    def _refuse_empty(self, rows: Sequence[Row], needed: Sequence[str]) -> None:
        empty = [f"{column} in line {row.line}" for row in rows for column in needed if not row.cells[column]]
        if empty:
            raise InputError(f"{self.path} has empty cells where something is needed: {listing(empty)}")

    def _refuse_repeated(self, rows: Sequence[Row]) -> None:
        lines: dict[str, int] = {}
        for row in rows:
            first = lines.setdefault(row.cells["case"], row.line)
            if first != row.line:
                raise InputError(
                    f"{self.path} has the case {row.cells['case']} in line {first} and again in line"
                    f" {row.line}; every case needs a name of its own"
                )


def read_table(path: Path) -> Table:
    """Read a table: UTF-8, a header, and commas, semicolons or tabs between the cells.

    Raises:
        InputError: The file is missing or no such table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"the table {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the table {path} cannot be read as UTF-8 text: {error}") from error
    header = next((line for line in text.splitlines() if line.strip()), "")
    # A European spreadsheet separates by semicolons; the header, which has no paths, shows which it is.
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise InputError(f"the table {path}, line {reader.line_num}, is not valid CSV: {error}") from error
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if not lines:
        raise InputError(f"the table {path} is empty; it needs a header (case, group, label, channels) and rows")
    columns = _columns(path, lines[0][1])
    rows = tuple(_row(path, columns, line, cells) for line, cells in lines[1:])
    if not rows:
        raise InputError(f"the table {path} has a header but no rows")
    return Table(path, columns, rows)


def _columns(path: Path, header: Sequence[str]) -> tuple[str, ...]:
    names = [name.lower() if name.lower() in RESERVED else name for name in header]
    for column in NEEDED:
        if column not in names:
            why = "a name for each case" if column == "case" else "the patient, who decides about the split"
            raise InputError(
                f"the table {path} has no column {column} ({why}){nearest(column, names)}"
                f" Its columns: {', '.join(names)}"
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"the table {path} has the column {listing(twice)} more than once")
    odd = [repr(name) for name in names if not CHANNEL_NAME.fullmatch(name)]
    if odd:
        raise InputError(
            f"the table {path} has the column {listing(odd)}; columns are named by letters, digits, dot, dash"
            " and underscore"
        )
    if not set(names) - set(RESERVED):
        raise InputError(f"the table {path} has no channel: add a column of image files, named by it (FLAIR)")
    return tuple(names)


def _row(path: Path, columns: Sequence[str], line: int, cells: Sequence[str]) -> Row:
    if len(cells) != len(columns):
        raise InputError(
            f"the table {path} has {counted(len(cells), 'cell')} in line {line} but"
            f" {counted(len(columns), 'column')} in its header; quote cells that hold the separator"
        )
    return Row(line, dict(zip(columns, cells, strict=True)))


def _case(cells: Mapping[str, str], wanted: Sequence[str], base: Path, slice_number: int | None) -> Case:
    label = cells.get("label", "")
    return Case(
        id=cells["case"],
        group=cells["group"],
        scan=cells.get("scan") or cells["case"],
        images={channel: _resolve(cells[channel], base) for channel in wanted if cells[channel]},
        label=_resolve(label, base) if label else None,
        slice_number=slice_number,
    )


def _resolve(cell: str, base: Path) -> Path:
    return base / Path(cell).expanduser()
