"""Which prediction is judged against which truth: by names of files, names of folders, or a table."""

from dataclasses import dataclass
from pathlib import Path

from msseg.cases.columns import read_columns
from msseg.cases.containers import split_container
from msseg.cases.names import listing
from msseg.cases.tree import absolute, describe_files, files_below
from msseg.errors import InputError
from msseg.evaluation.matching import match
from msseg.evaluation.names import Candidate, Kind, without_role
from msseg.evaluation.tasks import TaskName
from msseg.volumes.files import VOLUME_SUFFIXES, volume_stem, volume_suffix

TABLE_COLUMNS = ("case", "prediction", "truth")


@dataclass(frozen=True)
class Pair:
    """One prediction and its truth.

    Attributes:
        case: Name of the case or of the stack, unique in its evaluation.
        prediction: Mask, or probabilities, or numbered cells; a file, or a data set in an HDF5 file.
        truth: Mask, boundary map, or numbered cells.
        group: The patient or the stack, where known.
        pages: The pages (from 0) of the truth that the pages of the prediction belong to, in their order; None: all.
    """

    case: str
    prediction: Path
    truth: Path
    group: str = ""
    pages: tuple[int, ...] | None = None


PREFERRED: dict[TaskName, tuple[Kind, ...]] = {
    "lesions": ("mask", "probability", "instances"),
    "membranes": ("probability", "mask", "instances"),
    "cells": ("instances", "mask", "probability"),
}
"""Of several predictions of one case the kind that is judged; the first that a folder has."""


def pair_files(
    prediction: Path | None,
    truth: Path | None,
    table: Path | None = None,
    partial: bool = False,
    task: TaskName = "lesions",
) -> list[Pair]:
    """Pair predictions with truths.

    Two files are a pair whatever their names. In folders, which are searched with all folders in them, files
    belong together by what their names or folders' names say about the case: the strictest reading of the
    names under which each prediction has exactly one truth of its own decides. Of lesions masks are judged, of
    membranes probabilities, of cells instances, and the others where there are none; among the truths, files whose
    names say mask, label, lesion, gold standard or the like are preferred. Of cells, whose truth often is but some
    frames of a sequence, predictions without a truth are passed over.

    Args:
        prediction: A file or a folder; with a table, the folder its predictions are relative to.
        truth: A file or a folder; with a table, the folder its truths are relative to.
        table: CSV file with the columns case, prediction, truth and perhaps group, one line per pair; paths
            are relative to the table's folder unless another is given.
        partial: Whether truths without a prediction are left out; otherwise they are refused, as a cohort
            without its failed cases looks better than it is. Where one file is given, only its partner is
            looked for.
        task: What was segmented.

    Returns:
        The pairs, sorted by case; in the table's order with a table.

    Raises:
        InputError: Something is missing, without partner, or ambiguous; the message names it.
    """
    if table is not None:
        return _read_table(table, prediction or table.parent, truth or table.parent)
    if prediction is None or truth is None:
        raise InputError("a prediction and a truth are needed to evaluate, or a table of both")
    for path in (prediction, truth):
        if not split_container(path)[0].exists():
            raise InputError(f"{path} does not exist")
    if not prediction.is_dir() and not truth.is_dir():
        stem = volume_stem(prediction)
        return [Pair(without_role(stem) or stem, prediction, truth)]
    matches = match(_predictions(prediction, PREFERRED[task]), _truths(truth), partial, by_truth=task == "cells")
    return sorted((Pair(case, *paths) for case, paths in matches.items()), key=lambda pair: pair.case)


def _read_table(table: Path, predictions: Path, truths: Path) -> list[Pair]:
    rows = read_columns(table, TABLE_COLUMNS)
    if not rows:
        raise InputError(f"the table {table} lacks lines below its header; give it a line per pair")
    pairs = []
    for row in rows:
        case, left, right = (row[column] for column in TABLE_COLUMNS)
        if not (case and left and right):
            raise InputError(
                f"the table {table} has an empty field in the line of {case or left or right or 'no case'}"
            )
        pairs.append(Pair(case, predictions / left, truths / right, row.get("group", "")))
    return pairs


def _predictions(path: Path, preferred: tuple[Kind, ...]) -> list[Candidate]:
    found = _candidates(path)
    wanted = min((candidate.kind for candidate in found), key=preferred.index)
    return [candidate for candidate in found if candidate.kind == wanted]


def _truths(path: Path) -> list[Candidate]:
    found = _candidates(path)
    return [candidate for candidate in found if candidate.is_named_truth] or found


def _candidates(path: Path) -> list[Candidate]:
    if not path.is_dir():
        return [Candidate(path, path.parent, chosen=True)]
    files = files_below(path)
    found = [Candidate(file, absolute(path)) for file in files if volume_suffix(file)]
    if not found:
        endings = listing(VOLUME_SUFFIXES, limit=len(VOLUME_SUFFIXES))
        raise InputError(f"{path} holds no volume ({endings}): {describe_files(files, path)}")
    return found
