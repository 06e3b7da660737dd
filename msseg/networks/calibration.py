"""Probabilities corrected by a monotone cubic polynomial (Ciresan et al. 2012, section 2.3)."""

import numpy as np
from scipy.optimize import nnls

ROOTS = np.linspace(0, 1, 101)
"""Where the polynomial's slope may touch zero: all slopes that are nowhere negative are sums of these."""


def fit_monotone_cubic(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The cubic polynomial of the probability that is nearest to the truth and does not fall between 0 and 1.

    A quadratic that is nowhere negative on [0, 1] is a sum of (p - t)^2, t in [0, 1], and p (1 - p), with weights that
    are not negative; the slope is made of these, so least squares with weights >= 0 finds the best polynomial.

    Args:
        probability: Values 0 to 1.
        truth: What they should be, 0 or 1, as many.

    Returns:
        Coefficients of 1, p, p^2 and p^3, float64.
    """
    powers = np.arange(4)
    sums = np.array([np.sum(probability.astype(np.float64) ** power) for power in range(7)])
    moments = sums[powers[:, None] + powers[None]]
    target = np.array([np.sum(truth * probability.astype(np.float64) ** power) for power in powers])
    # |A c - y|^2 = |R c - z|^2 + constant, with R'R = A'A and R'z = A'y: four rows in place of millions.
    values, vectors = np.linalg.eigh(moments / len(probability))
    kept = values > values[-1] * 1e-12
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    aim = vectors[:, kept].T @ target / len(probability) / np.sqrt(values[kept])
    weights, _ = nnls(root @ _rising().T, aim)
    return weights @ _rising()


def _rising() -> np.ndarray:
    """Coefficients, one polynomial a row, of which every non-decreasing cubic on [0, 1] is a sum with weights >= 0."""
    constants = [[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]
    squares = [[0, t**2, -t, 1 / 3] for t in ROOTS]
    return np.array([*constants, *squares, [0, 0, 1 / 2, -1 / 3]])
