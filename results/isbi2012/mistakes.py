"""Single mistakes of a segmentation, the costliest first: which neurites are joined or cut, and what that costs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msseg.report.segment_errors import Labels, errors_of, filled_up, overlaps


@dataclass(frozen=True, eq=False)
class Mistake:
    """Two neurites that one segment joins, or two segments in one neurite.

    Attributes:
        kind: Which of the two.
        cost: Pairs of pixels that are together and should not be, or the reverse, as a share of all pairs of pixels
            within true neurites: what 1 - V_rand is made of.
        place: Row and column where the membrane is lost (or seen), at its weakest (or strongest).
        first, second: (H, W) the two neurites, or the two segments.
    """

    kind: Literal["merger", "split"]
    cost: float
    place: tuple[int, int]
    first: NDArray[np.bool_]
    second: NDArray[np.bool_]


def mistakes(segments: Labels, truth: Labels, probability: NDArray[np.float32]) -> list[Mistake]:
    """Find the mistakes of a slice.

    Args:
        segments: (H, W) predicted segments from 1, 0 is membrane.
        truth: (H, W) true neurites from 1.
        probability: (H, W) of being inside.

    Returns:
        Mergers of neighbouring neurites and splits between neighbouring segments, the costliest first. Three neurites
        in one segment are as many mergers as they have borders with each other.
    """
    mergers, splits = errors_of(segments, truth)
    grown, grown_truth = filled_up(segments), filled_up(truth)
    shared = overlaps(grown, truth)[1:].astype(np.float64)
    pairs = (truth > 0).sum() * np.square(shared.sum(axis=1)).sum() / max(shared.sum(), 1)
    found = []
    for (one, other, within), pixels in _borders(mergers, grown_truth, grown).items():
        cost = 2 * shared[one - 1, within] * shared[other - 1, within] / pairs
        place = max(pixels, key=lambda pixel: probability[pixel])
        found.append(Mistake("merger", cost, place, truth == one, truth == other))
    for (one, other, within), pixels in _borders(splits, grown, grown_truth).items():
        cost = 2 * shared[within - 1, one] * shared[within - 1, other] / pairs
        place = min(pixels, key=lambda pixel: probability[pixel])
        found.append(Mistake("split", cost, place, grown == one, grown == other))
    return sorted(found, key=lambda mistake: -mistake.cost)


def _borders(
    marked: NDArray[np.bool_], parted: Labels, whole: Labels
) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
    """The marked pixels between two parts of one whole, by (part, part, whole)."""
    found: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for down, right in ((1, 0), (0, 1)):
        height, width = marked.shape
        first, second = np.s_[: height - down, : width - right], np.s_[down:, right:]
        is_border = marked[first] & marked[second] & (parted[first] != parted[second]) & (whole[first] == whole[second])
        for row, column in np.argwhere(is_border).tolist():
            one, other = sorted((int(parted[row, column]), int(parted[row + down, column + right])))
            found.setdefault((one, other, int(whole[row, column])), []).append((row, column))
    return found
