"""Warping error (Jain et al. 2010, Boundary Learning by Optimization with Topological Constraints, CVPR).

The truth is deformed towards the thresholded prediction by flipping pixels, one at a time, as long as no flip changes
the topology (simple points; inside with 4 neighbours, membrane with 8): so a membrane may move, but never open, close
or appear. The pixels that still differ are what no warping explains: their share is the warping error. The challenge's
tables count those alone that split a segment or merge two.

The order of the flips matters: by falling distance of the probability from the threshold, equal ones column by column,
again and again until nothing flips (so does the challenge's scorer). Pixels that are no neighbours do not see each
other's flips, so all pixels without an unvisited neighbour before them in the order are visited together.
"""

from collections.abc import Sequence
from typing import TypeVar

import cc3d
import numpy as np
from numpy.typing import NDArray

from msseg.metrics.overlap import Mask

Pixels = NDArray[np.intp]
Bits = NDArray[np.int8]
Value = TypeVar("Value", bound=np.generic)


def count_warping_errors(
    probability: NDArray[np.floating], truth: Mask, thresholds: Sequence[float]
) -> NDArray[np.int64]:
    """Count what warping the truth (H, W) onto a prediction (H, W) leaves over at each threshold.

    Returns:
        (T, 3) pixels that differ; those of them that are splits; those that are mergers. Divided by the pixels of the
        slice they are warping errors.
    """
    targets = np.stack([probability > threshold for threshold in thresholds])
    certainty = np.stack([np.abs(probability.astype(np.float64) - threshold) for threshold in thresholds])
    warped = warp(truth, targets, certainty.astype(np.float32))
    rows = [
        (int((one != target).sum()), *count_splits_and_mergers(one, target))
        for one, target in zip(warped, targets, strict=True)
    ]
    return np.array(rows, dtype=np.int64)


def warp(source: Mask, targets: Mask, certainty: NDArray[np.float32]) -> Mask:
    """Deform one mask towards several others without changing its topology.

    Args:
        source: (H, W).
        targets: (T, H, W).
        certainty: (T, H, W) pixels of higher certainty are visited first.

    Returns:
        (T, H, W) the mask, warped towards each of the targets. Beyond the edge is membrane.
    """
    moving = _padded(np.broadcast_to(source, targets.shape))
    flat, urgency = moving.reshape(-1), _padded(certainty).reshape(-1)
    left = np.flatnonzero(flat != _padded(targets).reshape(-1))
    turns = np.zeros(flat.size, dtype=np.int32)
    turns[left[np.argsort(-urgency[left], kind="stable")]] = np.arange(1, left.size + 1)
    while left.size:
        flipped = _visit(flat, left, turns, _ring(moving.shape[2]))
        # A target towards which nothing flipped is done; what flipped is what its target is, and never flips back.
        moved = np.zeros(len(moving), dtype=bool)
        moved[flipped // moving[0].size] = True
        turns[flipped] = 0
        left = left[(turns[left] > 0) & moved[left // moving[0].size]]
    return np.ascontiguousarray(moving[:, 1:-1, 1:-1].transpose(0, 2, 1))


def _visit(moving: Mask, pixels: Pixels, turns: NDArray[np.int32], steps: Pixels) -> Pixels:
    """Flip those of the pixels that are simple when their turn comes; returns them.

    Args:
        moving: (all,) flat, padded slices, changed in place.
        pixels: Those to be visited.
        turns: (all,) their order, from 1; 0 for pixels that are never visited.
        steps: (8, 1) from a pixel to its neighbours.
    """
    own = turns[pixels]
    waits_for = np.zeros(moving.size, dtype=np.int8)
    for step in steps:
        theirs = turns.take(pixels + step)
        waits_for[pixels] += (theirs > 0) & (theirs < own)
    flipped = []
    ready = pixels[waits_for[pixels] == 0]
    while ready.size:
        beside = ready + steps
        simple = ready[connectivity_number(moving.take(beside).view(np.int8)) == 1]
        moving[simple] ^= True
        flipped.append(simple)
        is_later = turns.take(beside) > turns.take(ready)
        next_ready = []
        for neighbours, later in zip(beside, is_later, strict=True):
            freed = neighbours[later]
            waits_for[freed] -= 1
            next_ready.append(freed[waits_for[freed] == 0])
        ready = np.concatenate(next_ready)
    return np.concatenate(flipped)


def connectivity_number(ring: Bits) -> NDArray[np.int8]:
    """How many 4-connected pieces of the inside meet at a pixel (Yokoi, Toriwaki and Fukumura 1975).

    1 is a simple point: flipping it, whatever it is, changes no topology.

    Args:
        ring: (8, n) the neighbours in turn, from one of the four direct ones; 1 inside, 0 membrane.
    """
    direct, diagonal, following = ring[0::2], ring[1::2], np.roll(ring[0::2], -1, axis=0)
    return (direct - direct * diagonal * following).sum(axis=0, dtype=np.int8)


def count_splits_and_mergers(warped: Mask, target: Mask) -> tuple[int, int]:
    """Pixels (H, W) in which the warped truth still differs from the prediction, and which split or merge segments.

    A pixel inside is a split where taking it away parts its segment, or where another segment lies beside it; a
    membrane pixel with two or more segments around it is a merger. What is left are holes, and objects lost or added.
    """
    segments = cc3d.connected_components(np.pad(warped, 1), connectivity=4).astype(np.int32)
    membranes = cc3d.connected_components(np.pad(~warped, 1, constant_values=True), connectivity=8).astype(np.int32)
    rows, columns = np.nonzero(warped != target)
    beside = (rows + 1) * segments.shape[1] + columns + 1 + _ring(segments.shape[1])
    around = segments.reshape(-1)[beside]
    touching = _distinct(around)
    # Taking a pixel away parts its segment exactly if two of the membrane's pieces that meet there are one elsewhere.
    parts = connectivity_number((around > 0).view(np.int8)) > _distinct(membranes.reshape(-1)[beside])
    inside = warped[rows, columns]
    is_split = inside & ((touching > 1) | ((touching == 1) & (around == 0).any(axis=0) & parts))
    return int(is_split.sum()), int((~inside & (touching > 1)).sum())


def _distinct(labels: NDArray[np.int32]) -> NDArray[np.intp]:
    """How many different labels above 0 stand in each column (8, n)."""
    ordered = np.sort(labels, axis=0)
    new = np.diff(ordered, axis=0, prepend=0) != 0
    return new.sum(axis=0)


def _padded(slices: NDArray[Value]) -> NDArray[Value]:
    """(N, H, W) -> (N, W + 2, H + 2) with zeros around, so that the flat order is column by column."""
    # Contiguous, as np.pad keeps the order of what it is given, and the flat views have to be views.
    return np.pad(np.ascontiguousarray(slices.transpose(0, 2, 1)), ((0, 0), (1, 1), (1, 1)))


def _ring(width: int) -> Pixels:
    """(8, 1) from a pixel of a flat image of this width to its neighbours, around in turn."""
    return np.array([1, width + 1, width, width - 1, -1, -width - 1, -width, -width + 1])[:, None]
