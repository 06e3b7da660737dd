"""What has to hold for cases, from wherever they come."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msseg.cases.case import Case
from msseg.cases.containers import split_container
from msseg.cases.names import counted, listing
from msseg.errors import InputError


def check_cases(cases: Sequence[Case]) -> None:
    """Refuse ids that are no names of files or not unique, images shared by two patients, and scans of two images.

    Raises:
        InputError: Says which cases and files.
    """
    for case in cases:
        _check_id(case.id)
    repeated = sorted(name for name, number in Counter(case.id for case in cases).items() if number > 1)
    if repeated:
        raise InputError(f"several cases have the id {listing(repeated)}; give their stacks or rows other names")
    _check_shared_images(cases)
    _check_scans(cases)


def _check_id(name: str) -> None:
    """Outputs are named by the id, so it must not lead into another folder or be hidden."""
    odd = any(letter in "/\\" or not letter.isprintable() for letter in name)
    if odd or not name or name.startswith("."):
        raise InputError(
            f"the case id {name!r} cannot name a file: it must not be empty, begin with a dot or have"
            " slashes or control characters"
        )


def check_files(cases: Sequence[Case]) -> None:
    """Refuse files that are not there.

    Raises:
        InputError: Names the first of them.
    """
    owners: dict[Path, Case] = {}
    for case in cases:
        for path in _files(case):
            owners.setdefault(split_container(path)[0], case)
    for case in {case.stack: case for case in cases if case.series}.values():
        for path in (path for paths in case.series.values() for path in paths):
            owners.setdefault(path, case)
    absent = [(case, path) for path, case in owners.items() if not path.is_file()]
    if not absent:
        return
    case, path = absent[0]
    others = f" (and {counted(len(absent) - 1, 'other file')})" if len(absent) > 1 else ""
    if path.is_symlink():
        reason = f"is a link to {path.readlink()}, which is not there; fetch the data (datalad get)"
    elif path.is_dir():
        reason = "is a folder, not a file"
    else:
        reason = "does not exist"
    raise InputError(f"the file {path}{others} of case {case.id} {reason}")


def _check_shared_images(cases: Sequence[Case]) -> None:
    """One image under two patients would be on both sides of a split without anyone noticing."""
    owner: dict[str, tuple[Case, Path]] = {}
    for case in cases:
        for path in case.images.values():
            other, same = owner.setdefault(os.path.realpath(path), (case, path))
            if other.group != case.group:
                link = f" (by a link also {same})" if same != path else ""
                raise InputError(
                    f"the cases {listing([other.id, case.id])} have the same image {path}{link} but different"
                    f" patients ({other.group} and {case.group}); give both the same group, or leave one out"
                )


def _check_scans(cases: Sequence[Case]) -> None:
    """Cases of one scan are predicted once."""
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.scan, case)
        if other.images != case.images:
            raise InputError(
                f"the cases {listing([other.id, case.id])} are of one scan, {case.scan}, but have different images;"
                " a scan is shared by several labels of the same images alone"
            )


def _files(case: Case) -> list[Path]:
    return [*case.images.values(), *([case.label] if case.label is not None else [])]
