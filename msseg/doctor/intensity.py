"""Grey values of a channel: background, subject, and how far its histogram is from the cohort's."""

from collections.abc import Sequence

import numpy as np

BACKGROUND_OF_BRIGHT = 0.02
"""Share of the bright end (99th percentile) below which a voxel is air or a trace of interpolation."""
SOLID_OF_BRIGHT = 0.1
"""The same for what is surely tissue: above the noise of air."""
SAMPLE = 200_000
"""Voxels from which quantiles are taken: their error is below 0.01 standard deviations."""
PROBABILITIES = np.linspace(0.01, 0.99, 99)
BINS = np.linspace(-3.0, 5.0, 41)
"""Edges (standard deviations from the mean) of the histogram in the page."""


def subject_of(data: np.ndarray, share: float = BACKGROUND_OF_BRIGHT) -> np.ndarray:
    """Voxels (X, Y, Z) that stand out from a dark background: above a share of the bright end."""
    step = max(1, round((data.size / SAMPLE) ** (1 / 3)))
    sample = data[::step, ::step, :: step if data.shape[2] > 1 else 1]
    bright = float(np.percentile(sample, 99))
    if bright <= 0:
        bright = float(data.max())
    return data > share * bright


def normalised_sample(data: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """Grey values of the subject, at most `SAMPLE`, with mean 0 and standard deviation 1, as a network sees them."""
    values = data[subject]
    if not values.size:
        return np.zeros(0, dtype=np.float64)
    values = values[:: -(-values.size // SAMPLE)].astype(np.float64)
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(0, dtype=np.float64)


def quantiles_of(sample: np.ndarray) -> np.ndarray:
    """99 quantiles: all that is kept of a channel's histogram."""
    return np.quantile(sample, PROBABILITIES).astype(np.float32)


def histogram_of(sample: np.ndarray) -> tuple[float, ...]:
    """Share of the sample in each of `BINS`; what lies beyond is in the first or last."""
    counts, _ = np.histogram(np.clip(sample, BINS[0], BINS[-1]), BINS)
    return tuple(round(float(count) / sample.size, 5) for count in counts)


def distances_to_cohort(quantiles: Sequence[np.ndarray]) -> list[float | None]:
    """For each case, the 1-Wasserstein distance of its histogram to the median of all others'.

    The mean absolute difference of quantiles is that distance (Vallender 1974); the unit is the standard deviation
    of the normalised image. The median (of each quantile) keeps one odd case from making the others look odd.

    Returns:
        None for a case that has no other to be compared with.
    """
    if len(quantiles) < 2:
        return [None] * len(quantiles)
    table = np.stack(quantiles).astype(np.float64)
    found: list[float | None] = []
    for place, row in enumerate(table):
        others = np.delete(table, place, axis=0)
        found.append(float(np.abs(row - np.median(others, axis=0)).mean()))
    return found


def constant_background(data: np.ndarray) -> float | None:
    """The value other than 0 that all eight corners and a good part of the volume have; None where there is none."""
    corners = data[:: max(1, data.shape[0] - 1), :: max(1, data.shape[1] - 1), :: max(1, data.shape[2] - 1)]
    value = float(corners.flat[0])
    if value == 0 or not (corners == value).all():
        return None
    return value if np.count_nonzero(data == value) > 0.05 * data.size else None
