"""The monotone cubic against polynomial fits and a general optimiser."""

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from scipy.optimize import minimize

from msseg.networks.calibration import fit_monotone_cubic

GRID = np.linspace(0, 1, 1001)


def samples(curve: object, count: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and a truth that is 1 as often as the curve says."""
    generator = np.random.default_rng(seed)
    probability = generator.beta(0.5, 0.5, count).astype(np.float32)
    return probability, generator.random(count) < curve(probability)


def loss(coefficients: np.ndarray, probability: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean((Polynomial(coefficients)(probability.astype(float)) - truth) ** 2))


def test_a_rising_cubic_is_found_again() -> None:
    probability = np.random.default_rng(0).random(1000)
    truth = 0.1 + 0.2 * probability - 0.3 * probability**2 + 0.9 * probability**3
    assert fit_monotone_cubic(probability, truth) == pytest.approx([0.1, 0.2, -0.3, 0.9], abs=1e-6)


def test_where_the_best_cubic_rises_anyway_it_is_taken() -> None:
    probability, truth = samples(lambda p: 0.3 * p + 0.7 * p**2)
    free = np.polynomial.polynomial.polyfit(probability.astype(float), truth, 3)
    assert Polynomial(free).deriv()(GRID).min() > 0
    assert fit_monotone_cubic(probability, truth) == pytest.approx(free, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("level", [0.3, 0.55, 0.9])
def test_it_never_falls_and_nothing_that_never_falls_is_better(level: float, seed: int) -> None:
    """A step is what a cubic would overshoot at."""
    probability, truth = samples(lambda p: np.where(p > level, 0.95, 0.1), seed=seed)
    found = fit_monotone_cubic(probability, truth)
    assert Polynomial(found).deriv()(GRID).min() > -1e-9
    slopes = np.stack([np.zeros_like(GRID), np.ones_like(GRID), 2 * GRID, 3 * GRID**2], axis=1)
    other = minimize(
        loss, found, (probability, truth), "SLSQP", constraints={"type": "ineq", "fun": lambda c: slopes @ c},
        options={"ftol": 1e-12},
    )  # fmt: skip
    assert loss(found, probability, truth) <= other.fun + 1e-5


def test_more_foreground_in_training_than_in_the_image_is_corrected() -> None:
    """Both classes were learned equally often; in the image a fifth is foreground, by Bayes' rule."""
    probability, truth = samples(lambda p: 0.2 * p / (0.2 * p + 0.8 * (1 - p)), count=100_000)
    corrected = Polynomial(fit_monotone_cubic(probability, truth))(probability)
    assert corrected.mean() == pytest.approx(truth.mean(), abs=1e-6)
    assert np.mean((corrected - truth) ** 2) < 0.8 * np.mean((probability - truth) ** 2)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_becomes_the_share_of_foreground(value: float) -> None:
    coefficients = fit_monotone_cubic(np.full(10, value), np.arange(10) < 3)
    assert Polynomial(coefficients)(value) == pytest.approx(0.3)


def test_an_anticorrelated_probability_becomes_a_constant() -> None:
    probability = np.linspace(0, 1, 101)
    assert Polynomial(fit_monotone_cubic(probability, 1 - probability))(GRID) == pytest.approx(0.5, abs=1e-6)
