"""Splits that name who trains, validates and is tested."""

from collections.abc import Sequence

from msseg.cases.case import Case
from msseg.cases.draw import PARTS
from msseg.cases.names import listing, matches
from msseg.config.data import SplitConfig
from msseg.config.problems import nearest
from msseg.errors import InputError


def by_lists(cases: Sequence[Case], split: SplitConfig) -> dict[str, str]:
    """Part by id, for the cases that are listed; an entry stands for a patient, a scan or a case.

    Raises:
        InputError: An entry stands for nothing, or two parts list one case.
    """
    parts: dict[str, str] = {}
    entries: dict[str, str] = {}
    for part in PARTS:
        for entry in getattr(split, part) or ():
            for case in _meant(entry, part, cases):
                if parts.setdefault(case.id, part) != part:
                    raise InputError(
                        f"case {case.id} is listed twice: in split.{parts[case.id]} by"
                        f" '{entries[case.id]}' and in split.{part} by '{entry}'"
                    )
                entries.setdefault(case.id, entry)
    return parts


def _meant(entry: str, part: str, cases: Sequence[Case]) -> list[Case]:
    meant = [case for case in cases if any(matches(name, entry) for name in (case.group, case.scan, case.id))]
    if not meant:
        groups = sorted({case.group for case in cases})
        names = [*groups, *sorted({name for case in cases for name in (case.scan, case.id)} - set(groups))]
        raise InputError(
            f"split.{part} lists '{entry}', which is no patient, scan or case{nearest(entry, names)}"
            f" There are: {listing(names, limit=10)}"
        )
    return meant
