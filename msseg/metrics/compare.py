"""Two methods on the same cases: how far apart they are, how surely, and whether chance would do it.

Scans of one patient resemble each other, so a patient is the unit of everything random here: whole patients are drawn
for the interval, and the two methods are exchanged in whole patients for the test.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msseg.metrics.summary import NAN, bootstrap_interval, group_numbers

Values = NDArray[np.float64]

EXACT_GROUPS = 16
"""With at most this many patients all exchanges are counted (2^16, a millisecond); with more they are drawn."""
DRAWS = 100_000
"""Random exchanges: they leave a standard error of 0.0007 at p = 0.05."""
SIGNIFICANT = 0.05
_AT_ONCE = 2**20
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Paired:
    """One metric of two methods, a and b, on the same cases.

    Attributes:
        cases: Cases where both are defined; everything is over these.
        groups: The patients among them.
        undefined: Cases left out, as the metric is not defined for one of the two.
        mean_a, mean_b: Means over the cases.
        median_a, median_b: Medians over the cases.
        difference: Mean of b - a, which is mean_b - mean_a.
        median_difference: Median of b - a, which is in general not the difference of the medians.
        ci_low, ci_high: 95 % percentile bootstrap interval of the mean difference; whole patients are drawn.
        p_value: Of the two-sided sign-flip test of the mean difference; whole patients are exchanged.
        exact: Whether the test counted every exchange instead of drawing some.
        higher, lower, equal: Cases in which b is above, below, as a.
    """

    cases: int
    groups: int
    undefined: int
    mean_a: float
    mean_b: float
    median_a: float
    median_b: float
    difference: float
    median_difference: float
    ci_low: float
    ci_high: float
    p_value: float
    exact: bool
    higher: int
    lower: int
    equal: int


def compare_paired(
    a: ArrayLike, b: ArrayLike, groups: Sequence[str] | None = None, *, samples: int = 10_000, seed: int = 0
) -> Paired:
    """Compare two methods by one value per case; NaN marks a case where the metric is not defined.

    Args:
        a: (n,) values of the first method.
        b: (n,) values of the second, case by case the same order.
        groups: The patient of each case; an empty name is a patient by itself; None: each case is.
        samples: Bootstrap samples of the interval; 0: none.
        seed: Of the bootstrap, and of the exchanges where these are drawn.

    Returns:
        The comparison; NaN for what cannot be computed (a mean of nothing, an interval from one patient).
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (a, b))
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = first[both], second[both]
    names = ["" for _ in both] if groups is None else list(groups)
    kept = [name for name, keep in zip(names, both, strict=True) if keep]
    differences = second - first
    low, high = bootstrap_interval(differences, kept, samples=samples, seed=seed)
    sums: Values = np.bincount(group_numbers(kept), weights=differences).astype(np.float64)
    return Paired(
        cases=int(differences.size),
        groups=int(sums.size),
        undefined=int(both.size - differences.size),
        mean_a=_of(np.mean, first),
        mean_b=_of(np.mean, second),
        median_a=_of(np.median, first),
        median_b=_of(np.median, second),
        difference=_of(np.mean, differences),
        median_difference=_of(np.median, differences),
        ci_low=low,
        ci_high=high,
        p_value=sign_flip_test(sums, seed=seed),
        exact=sums.size <= EXACT_GROUPS,
        higher=int((differences > 0).sum()),
        lower=int((differences < 0).sum()),
        equal=int((differences == 0).sum()),
    )


def sign_flip_test(sums: Values, *, exact_groups: int = EXACT_GROUPS, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided p value of a mean difference under exchanges of the two methods.

    If the methods are equally good, which of them is called a and which b says nothing: in each patient the sign of
    all differences could as well be the other one. The p value is the share of the 2^k sign patterns of k patients
    under which the sum of the differences is at least as far from 0 as it is (Fisher 1935, section 21; Winkler et al.
    2014 for blocks). With many patients m random patterns are drawn, of which b reach it: p = (b + 1) / (m + 1), which
    is never 0 (Phipson and Smyth 2010).

    Args:
        sums: (k,) sum of the differences of each patient. The number of cases does not change under exchanges, so sums
            order patterns as means do.
        exact_groups: Up to how many patients all patterns are counted.
        draws: Random patterns with more patients.
        seed: Of the draws.

    Returns:
        The p value, at least `smallest_p(k)`; NaN without any patient.
    """
    if sums.size == 0:
        return NAN
    observed = abs(float(sums.sum())) - _ROUNDING * float(np.abs(sums).sum())
    if sums.size <= exact_groups:
        patterns = sums[:1]  # the other half of the patterns are these with all signs exchanged
        for value in sums[1:]:
            patterns = np.concatenate([patterns + value, patterns - value])
        return float(np.mean(np.abs(patterns) >= observed))
    rng = np.random.default_rng(seed)
    reached, left = 0, draws
    while left:
        now = min(left, max(_AT_ONCE // sums.size, 1))
        signs = rng.integers(2, size=(now, sums.size), dtype=np.int8) * 2 - 1
        reached += int((np.abs(signs @ sums) >= observed).sum())
        left -= now
    return (reached + 1) / (draws + 1)


def smallest_p(groups: int) -> float:
    """The smallest p value that a two-sided exact sign-flip test of so many patients can give: 2 of 2^k patterns."""
    return min(2.0 ** (1 - groups), 1.0)


def groups_needed(level: float = SIGNIFICANT) -> int:
    """How many patients it takes until a p value can be below the level: 6 for 0.05."""
    return math.floor(1 - math.log2(level)) + 1


def _of(statistic: Callable[[Values], float], values: Values) -> float:
    return float(statistic(values)) if values.size else NAN
