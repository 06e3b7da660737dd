"""Where windows lie in a volume, and how many are computed at once."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

Size = tuple[int, int, int]
Place = tuple[slice, slice, slice]

BACKGROUND_LOGIT = -20.0
"""Where every window held background alone and was skipped: probability 2e-9, but finite for a loss."""

PIXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**21}
"""Small windows of single slices are computed together up to this size; volumes and large slices go one by one, which
needs the least memory and, on a CPU, the least time (SF Network, eight slices of 512 x 512: 7.8 s, together 13.0 s)."""


def windows_at_once(size: Sequence[int], device: str) -> int:
    """How many windows of this size are computed together on a device, "cpu" or "cuda"."""
    return max(PIXELS_AT_ONCE[device] // math.prod(size), 1) if 1 in size else 1


def place_at(corner: Iterable[int], size: Iterable[int]) -> Place:
    """The voxels of a window with this first corner."""
    x, y, z = (slice(start, start + length) for start, length in zip(corner, size, strict=True))
    return x, y, z


def in_batches(places: Iterable[Place], batch: int) -> Iterator[list[Place]]:
    """The places in lists of `batch`; the last may be shorter."""
    remaining = iter(places)
    while chunk := list(itertools.islice(remaining, batch)):
        yield chunk
