"""Which axial slices of a test case are worth looking at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def fullest_slice(truth: Mask, predictions: Sequence[Mask]) -> tuple[int, str]:
    """The slice with most lesion and why it is shown; without any that with most predicted; else the middle one."""
    lesion = truth.sum(axis=(0, 1))
    if lesion.any():
        return int(lesion.argmax()), "the slice with most lesion in the expert's mask"
    predicted = sum((mask.sum(axis=(0, 1)) for mask in predictions), start=np.zeros(truth.shape[2], dtype=np.int64))
    if predicted.any():
        return int(predicted.argmax()), "no lesion in the expert's mask; the slice with most predicted lesion"
    return truth.shape[2] // 2, "no lesion in the expert's mask or in a prediction; the middle slice"


def slices_of_interest(truth: Mask, predictions: Sequence[Mask], limit: int) -> list[int]:
    """Slices with lesion in the truth or in a prediction, spread over all of them, the largest error first.

    The slices are taken in the order of their errors, each some way from those already taken: first as far as an even
    spread would have it, then half as far until there are enough.

    Args:
        truth: (X, Y, Z) the expert's mask.
        predictions: Masks of the networks on the same grid.
        limit: At most so many.

    Returns:
        Places along Z; fewer than `limit` where fewer slices hold lesion.
    """
    lesion = truth.sum(axis=(0, 1), dtype=np.int64)
    errors = np.zeros_like(lesion)
    holds = lesion > 0
    for mask in predictions:
        errors += (mask ^ truth).sum(axis=(0, 1))
        holds |= mask.any(axis=(0, 1))
    places = np.flatnonzero(holds)
    if not len(places) or limit < 1:
        return []
    # Between slices without any error that with most lesion tells more.
    rank = errors * (1 + int(lesion.max())) + lesion
    order = [int(place) for place in places[np.argsort(-rank[places], kind="stable")]]
    order_of = {int(place): number for number, place in enumerate(places)}
    chosen: list[int] = []
    even = -(-len(places) // limit)
    for apart in (even, max(1, even // 2)):
        for place in order:
            if len(chosen) < limit and all(abs(order_of[place] - order_of[other]) >= apart for other in chosen):
                chosen.append(place)
    return sorted(chosen, key=order.index)
