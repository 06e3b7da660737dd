"""Dividing each stack of slices into blocks of consecutive ones.

Slices drawn at random would each have a neighbour in training that looks almost the same; blocks touch at their
ends alone.
"""

from collections import defaultdict
from collections.abc import Sequence

from msseg.cases.case import Case
from msseg.cases.draw import fold_parts, shares
from msseg.cases.names import counted
from msseg.config.data import SplitConfig
from msseg.errors import InputError


def by_blocks(cases: Sequence[Case], split: SplitConfig) -> dict[str, str]:
    """Part by id: by fractions, a stack's first slices train and its last are the test; folds are equal blocks.

    Raises:
        InputError: The cases are no slices, or a stack has too few of them.
    """
    stacks: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.slice_number is None:
            raise InputError(
                f"split.group_by is slice, but case {case.id} is a whole volume; set it to patient or scan"
            )
        stacks[case.stack].append(case)
    return {name: part for stack in stacks.values() for name, part in _divide(stack, split).items()}


def _divide(cases: Sequence[Case], split: SplitConfig) -> dict[str, str]:
    """The blocks of one stack; what several raters say of one slice stays together."""
    numbers = sorted({case.slice_number for case in cases if case.slice_number is not None})
    needed = split.folds if split.folds is not None else sum(fraction > 0 for fraction in split.fractions)
    if len(numbers) < needed:
        raise InputError(
            f"the stack {cases[0].stack} has {counted(len(numbers), 'slice')}, too few for {needed} blocks of slices;"
            " keep stacks together (split.group_by: patient) or list slices in split.train and split.test"
        )
    if split.folds is not None:
        parts = fold_parts(split.folds, split.fold)
        blocks = [parts.get(index * split.folds // len(numbers), "train") for index in range(len(numbers))]
    else:
        share = shares(len(numbers), split.fractions)
        blocks = ["train"] * share.train + ["validation"] * share.validation + ["test"] * share.test
    part_of = dict(zip(numbers, blocks, strict=True))
    return {case.id: part_of[case.slice_number] for case in cases if case.slice_number is not None}
