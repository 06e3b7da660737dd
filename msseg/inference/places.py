"""Where windows lie in a volume, and how many are computed at once."""

import itertools
from collections.abc import Iterable, Iterator

Size = tuple[int, int, int]
Place = tuple[slice, slice, slice]

BACKGROUND_LOGIT = -20.0
"""Where every window held background alone and was skipped: probability 2e-9, but finite for a loss."""


def place_at(corner: Iterable[int], size: Iterable[int]) -> Place:
    """The voxels of a window with this first corner."""
    x, y, z = (slice(start, start + length) for start, length in zip(corner, size, strict=True))
    return x, y, z


def in_batches(places: Iterable[Place], batch: int) -> Iterator[list[Place]]:
    """The places in lists of `batch`; the last may be shorter."""
    remaining = iter(places)
    while chunk := list(itertools.islice(remaining, batch)):
        yield chunk
