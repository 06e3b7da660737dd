"""From a boundary map to segments: connected components, and components grown until thin lines part them.

The segments of a slice are the 4-connected components of its inside. How wide a network draws its membranes says
nothing about whether it separates neurites, so before they are compared the segments are grown over the membrane
until they meet: the watershed of the binary border image (Vincent and Soille 1991, section 4: flooding with a first-in
first-out queue; a pixel that two segments reach at once stays a line of one pixel).

Where two segments are equally far from a pixel, the order of the queue decides. Here it is the order of the ISBI 2012
challenge's scorer: the first ring of pixels column by column, each further ring in the order of the ring before. A loop
over single pixels would take seconds a slice; here a whole ring is settled at once, except for its pixels that touch a
pixel of the same ring with another segment, which wait for those before them in the queue. skimage's watershed takes
three times as long and breaks ties another way (up to 0.001 of a V_rand).
"""

import cc3d
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int32]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]

NOTHING, NO_SEGMENT, SEVERAL = np.int32(0), np.int32(-2), np.int32(-1)
"""What stands in the array of wishes for a pixel that is not in the ring, touches no segment, or touches several."""


def label_segments(inside: Flags) -> Labels:
    """Number the 4-connected components of a slice (H, W) from 1; 0 is membrane."""
    labels: Labels = cc3d.connected_components(np.ascontiguousarray(inside), connectivity=4).astype(np.int32)
    return labels


def grow_segments(labels: Labels) -> Labels:
    """Grow the segments of slices over their membranes until only lines of one pixel are left.

    A slice without any segment becomes one segment, as a flat image is one basin.

    Args:
        labels: (N, H, W) N independent slices, 0 where membrane is.

    Returns:
        (N, H, W) the segments with their numbers; 0 on the lines.
    """
    columns = labels.shape[1] + 2
    padded = np.zeros((len(labels), labels.shape[2] + 2, columns), dtype=np.int32)
    padded[:, 1:-1, 1:-1] = labels.transpose(0, 2, 1)
    free = np.zeros(padded.shape, dtype=bool)
    np.equal(padded[:, 1:-1, 1:-1], 0, out=free[:, 1:-1, 1:-1])
    steps = np.array([[-columns], [-1], [1], [columns]])
    _flood(padded.reshape(-1), free.reshape(-1), np.flatnonzero(_beside(padded > 0) & free), steps)
    grown = np.ascontiguousarray(padded[:, 1:-1, 1:-1].transpose(0, 2, 1))
    grown[~labels.any(axis=(1, 2))] = 1
    return grown


def _beside(segments: Flags) -> Flags:
    """The pixels with a neighbour in a segment."""
    beside = np.zeros_like(segments)
    beside[:, 1:] |= segments[:, :-1]
    beside[:, :-1] |= segments[:, 1:]
    beside[:, :, 1:] |= segments[:, :, :-1]
    beside[:, :, :-1] |= segments[:, :, 1:]
    return beside


def _flood(labels: Labels, free: Flags, ring: Places, steps: Places) -> None:
    """Fill the free pixels of flat, padded slices ring by ring, in place.

    Args:
        labels: (pixels,) numbers of segments, 0 elsewhere.
        free: (pixels,) membrane that no ring has reached; never on the padding.
        ring: the free pixels beside a segment, in the order of the queue.
        steps: (4, 1) from a pixel to its neighbours.
    """
    wishes, places = np.zeros_like(labels), np.zeros_like(labels)
    free[ring] = False
    while ring.size:
        beside = ring + steps
        wish = _only_segment(labels.take(beside, mode="clip"))
        wishes[ring] = np.where(wish == 0, NO_SEGMENT, wish)
        rivals = wishes.take(beside, mode="clip")
        disputed = ((rivals != NOTHING) & (rivals != SEVERAL) & (rivals != wish)).any(axis=0) & (wish > 0)
        disputed |= wish == 0
        labels[ring] = np.where(disputed, 0, np.maximum(wish, 0))
        if disputed.any():
            places[ring] = np.arange(1, ring.size + 1, dtype=np.int32)
            _settle(labels, places, wishes, ring, beside, np.flatnonzero(disputed))
            places[ring] = 0
        wishes[ring] = NOTHING
        ring = _first_of_each(beside.T.ravel(), free, places)
        free[ring] = False


def _settle(labels: Labels, places: Labels, wishes: Labels, ring: Places, beside: Places, disputed: Places) -> None:
    """Label the disputed pixels of a ring, each after those of its neighbours that stand before it in the queue."""
    beside, place = beside[:, disputed], disputed + 1
    wish, rivals, theirs = wishes[ring[disputed]], wishes[beside], places[beside]
    matters = (theirs > 0) & (theirs < place) & (rivals != SEVERAL) & ((rivals != wish) | (wish == NO_SEGMENT))
    later = theirs > place
    is_open = np.zeros(ring.size + 1, dtype=bool)
    is_open[place] = True
    left = np.arange(disputed.size)
    while left.size:
        waits = (matters[:, left] & is_open[theirs[:, left]]).any(axis=0)
        ready, left = left[~waits], left[waits]
        seen = labels[beside[:, ready]]
        seen[later[:, ready]] = 0
        labels[ring[disputed[ready]]] = np.maximum(_only_segment(seen), 0)
        is_open[place[ready]] = False


def _only_segment(neighbours: Labels) -> Labels:
    """The one segment among each pixel's neighbours (4, n); 0 where there is none, -1 where there are several."""
    highest = neighbours.max(axis=0)
    # As unsigned numbers 0 - 1 is the highest of all, so that the minimum ignores neighbours without segment.
    lowest = (neighbours.view(np.uint32) - np.uint32(1)).min(axis=0)
    return np.where(highest.view(np.uint32) - np.uint32(1) == lowest, highest, SEVERAL)


def _first_of_each(pixels: Places, free: Flags, scratch: Labels) -> Places:
    """The free ones among pixels, each once, in the order of their first occurrence; scratch is left as zeros."""
    pixels = pixels[free.take(pixels)]
    numbers = np.arange(pixels.size, dtype=np.int32)
    scratch[pixels[::-1]] = numbers[::-1]
    first = pixels[scratch.take(pixels) == numbers]
    scratch[pixels] = 0
    return first
