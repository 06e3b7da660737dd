"""Dealing out patients (or scans) at random: by fractions, or into folds."""

import random
from collections.abc import Sequence
from typing import NamedTuple

Unit = tuple[str, ...]
"""What is dealt out as one: a patient (name), or a scan or stack (patient, name)."""

PARTS = ("train", "validation", "test")


class Shares(NamedTuple):
    """How many go where."""

    train: int
    validation: int
    test: int


def shuffled(units: Sequence[Unit], seed: int) -> list[Unit]:
    """The units in a random order that depends on their names and the seed alone."""
    order = sorted(units)
    random.Random(seed).shuffle(order)
    return order


def shares(count: int, fractions: Sequence[float]) -> Shares:
    """Whole numbers next to `count * fractions` (largest remainders), at least 1 for a fraction above 0.

    Where there are not enough for all parts, training comes first, then the test.
    """
    asked = [part for part in (0, 2, 1) if fractions[part] > 0]
    if count <= len(asked):
        return Shares(*(int(part in asked[:count]) for part in range(3)))
    exact = [count * fraction for fraction in fractions]
    numbers = [int(number + 1e-9) for number in exact]
    by_remainder = sorted(range(3), key=lambda part: numbers[part] - exact[part])
    for part in by_remainder[: count - sum(numbers)]:
        numbers[part] += 1
    for part in asked:
        if numbers[part] == 0:
            numbers[numbers.index(max(numbers))] -= 1
            numbers[part] = 1
    return Shares(*numbers)


def by_fractions(units: Sequence[Unit], fractions: Sequence[float], seed: int) -> dict[Unit, str]:
    """Each unit's part."""
    order, numbers = shuffled(units, seed), shares(len(units), fractions)
    parts = ["test"] * numbers.test + ["validation"] * numbers.validation + ["train"] * numbers.train
    return dict(zip(order, parts, strict=True))


def by_folds(units: Sequence[Unit], folds: int, fold: int, seed: int) -> dict[Unit, str]:
    """Each unit's part."""
    parts = fold_parts(folds, fold)
    return {unit: parts.get(index % folds, "train") for index, unit in enumerate(shuffled(units, seed))}


def fold_parts(folds: int, fold: int) -> dict[int, str]:
    """Part by fold: one is for the test, the next validates (from three folds on), those not named train."""
    parts = {fold: "test"}
    if folds > 2:
        parts[(fold + 1) % folds] = "validation"
    return parts
