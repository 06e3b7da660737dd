"""Choosing scores: they are those of `lesion_scores`, defined everywhere; the grid is that of masks made one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from msseg.inference.lesion_size import without_small_lesions
from msseg.metrics.lesions import LesionRules, lesion_scores
from msseg.metrics.selection import CRITERIA, criterion_score
from msseg.metrics.threshold_grid import score_grid

SPACING = (1.0, 0.8, 2.5)
SIZES = (0.0, 2.0, 4.0, 10.0, 1e6)
THRESHOLDS = (0.2, 0.5, 0.55, 0.9, 1.0)
RULES = [
    LesionRules(),
    LesionRules(min_lesion_mm3=6, overlap=0.3, tolerance_mm=2),
    LesionRules(connectivity=6, min_lesion_mm3=3),
]


def masks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probability and truth with lesions of many sizes that partly agree."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(14, 16, 9)), 0.8)
    other = ndimage.gaussian_filter(rng.normal(size=(14, 16, 9)), 0.8)
    truth = smooth > np.quantile(smooth, rng.uniform(0.7, 0.97))
    score = smooth + 0.5 * other
    return (1 / (1 + np.exp(-8 * (score - np.quantile(score, 0.85))))).astype(np.float32), truth


@pytest.mark.parametrize("name", CRITERIA)
@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), rules=st.sampled_from(RULES), cut=st.floats(0, 1))
def test_a_choice_is_by_what_an_evaluation_says(name: str, seed: int, rules: LesionRules, cut: float) -> None:
    probability, truth = masks(seed)
    prediction = probability > cut
    expected = lesion_scores(prediction, truth, SPACING, rules)[CRITERIA[name].key]
    found = criterion_score(name, prediction, truth, SPACING, rules)
    if name == "volume_difference":
        expected = abs(expected)
    if np.isnan(expected):
        expected = np.linalg.norm(np.multiply(truth.shape, SPACING))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("name", CRITERIA)
def test_the_grid_is_that_of_masks_made_one_by_one(name: str, rules: LesionRules) -> None:
    probability, truth = masks(3)
    expected = [
        [
            criterion_score(name, without_small_lesions(probability > cut, SPACING, size), truth, SPACING, rules)
            for size in SIZES
        ]
        for cut in THRESHOLDS
    ]
    found = score_grid(probability, truth, SPACING, THRESHOLDS, SIZES, name, rules)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert len(np.unique(found)) > 1


@pytest.mark.parametrize("name", CRITERIA)
def test_empty_masks_have_the_best_value_together_and_the_worst_alone(name: str) -> None:
    empty = np.zeros((6, 7, 8), bool)
    some = empty.copy()
    some[1:3, 2:4, 3] = True
    lower = CRITERIA[name].lower
    assert criterion_score(name, empty, empty, SPACING) == (0 if lower else 1)
    for prediction, truth in ((some, empty), (empty, some)):
        value = criterion_score(name, prediction, truth, SPACING)
        if name in ("hd95", "assd"):
            assert value == pytest.approx(np.sqrt(6**2 + (7 * 0.8) ** 2 + (8 * 2.5) ** 2))
        elif name == "volume_difference":
            assert value == pytest.approx(4 * 2)
        else:
            assert value == (1 if lower else 0)


def test_directions() -> None:
    """A mask that is moved by a voxel is worse by every criterion than the truth itself."""
    _, truth = masks(5)
    moved = np.roll(truth, 1, axis=2) & np.roll(truth, 1, axis=0)
    for name, criterion in CRITERIA.items():
        perfect, worse = (criterion_score(name, mask, truth, SPACING) for mask in (truth, moved))
        assert (perfect < worse) if criterion.lower else (perfect > worse), name


def test_probabilities_at_the_threshold_are_background() -> None:
    probability = np.full((4, 4, 4), 0.5, np.float32)
    grid = score_grid(probability, np.ones((4, 4, 4), bool), (1, 1, 1), (0.49, 0.5), (0, 64, 65), "dsc")
    np.testing.assert_array_equal(grid, [[1, 1, 0], [0, 0, 0]])
