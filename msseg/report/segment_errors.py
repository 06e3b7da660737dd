"""Where a segmentation splits and merges: lines to draw, not numbers (`msseg.metrics` has those)."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from msseg.report.slice_choice import Mask

Labels = NDArray[np.int32]

SHARE = 0.1
"""A segment covering more than this share of a true one takes part in it; less is a border that lies elsewhere."""
SMALLEST = 12
"""Pixels that two segments share at least to count."""
REACH = 1 / 25
"""How far from a true object its border may lie, as a share of the slice's side: not across a wide background."""


def errors_of(prediction: Labels, truth: Labels) -> tuple[Mask, Mask]:
    """Draw the lines where a segmentation is wrong.

    Segments and true objects correspond where one covers more than a tenth of the other object, or lies with more than
    half of its pixels in it, so that a border a few pixels beside the true one is no error.

    Args:
        prediction: (H, W) segments from 1, 0 is membrane or background.
        truth: (H, W) true objects from 1.

    Returns:
        mergers: (H, W) pixels of the border between two true objects that one segment joins.
        splits: (H, W) pixels of the border between two segments of one true object.
    """
    shared = overlaps(prediction, truth)
    of_truth = shared.sum(axis=1, keepdims=True)
    inside = np.maximum(shared[1:].sum(axis=0, keepdims=True), 1)
    part = (shared > SHARE * of_truth) | (shared > inside / 2)
    part &= shared >= SMALLEST
    part[0], part[:, 0] = False, False
    filled, filled_truth = filled_up(prediction), filled_up(truth, REACH * max(truth.shape))
    mergers, splits = np.zeros(truth.shape, dtype=bool), np.zeros(truth.shape, dtype=bool)
    for first, second in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        true, other_true = filled_truth[first], filled_truth[second]
        own, other = filled[first], filled[second]
        joined = (true != other_true) & (own == other) & part[true, own] & part[other_true, own]
        parted = (true == other_true) & (own != other) & part[true, own] & part[true, other]
        for lines, found in ((mergers, joined), (splits, parted)):
            lines[first] |= found
            lines[second] |= found
    return mergers, splits


def matched(prediction: Labels, truth: Labels) -> Labels:
    """Give each segment the number of the true object that it shares most with, if that object shares most with it.

    Returns:
        (H, W) the segments' new numbers; those without such an object are numbered on behind the truth's.
    """
    shared = overlaps(prediction, truth)
    own = shared.copy()
    own[0], own[:, 0] = 0, 0
    objects, segments = own.shape
    best_object, best_segment = own.argmax(axis=0), own.argmax(axis=1)
    numbers = objects - 1 + np.arange(segments)
    pairs = (best_segment[best_object] == np.arange(segments)) & (own.max(axis=0) > 0)
    numbers[pairs] = best_object[pairs]
    numbers[0] = 0
    return numbers[prediction].astype(np.int32)


def overlaps(prediction: Labels, truth: Labels) -> NDArray[np.int64]:
    """(objects + 1, segments + 1) pixels that each pair shares, background included."""
    rows, columns = int(truth.max(initial=0)) + 1, int(prediction.max(initial=0)) + 1
    keys = truth.astype(np.int64).ravel() * columns + prediction.ravel()
    return np.bincount(keys, minlength=rows * columns).reshape(rows, columns)


def filled_up(labels: Labels, reach: float = np.inf) -> Labels:
    """Give background to the nearest segment within reach (pixels); without any it stays background."""
    if not labels.any():
        return labels
    distances, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    filled: Labels = np.where(distances <= reach, labels[tuple(nearest)], 0)
    return filled


def outlines(labels: Labels) -> Mask:
    """(H, W) the outermost pixels of every segment."""
    edge = np.zeros(labels.shape, dtype=bool)
    for first, second in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = labels[first] != labels[second]
        edge[first] |= differs
        edge[second] |= differs
    return edge & (labels > 0)


def thickened(lines: Mask, radius: int) -> Mask:
    """Lines of 2 * radius more pixels in width."""
    if radius == 0 or not lines.any():
        return lines
    grown: Mask = ndimage.distance_transform_edt(~lines) <= radius
    return grown
