"""One metric over a cohort: mean, spread, and a bootstrap interval of the mean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAN = float("nan")


def summarise(
    values: ArrayLike, groups: Sequence[str] | None = None, *, samples: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Summary of one value per case; NaN marks a case where the metric is not defined.

    Args:
        values: (n,) one number per case.
        groups: who each case belongs to; see `bootstrap_interval`.
        samples: bootstrap samples, 0 for no interval.
        seed: of the bootstrap.

    Returns:
        mean, std (of the sample: n - 1), median, min, max, ci_low and ci_high (95 % interval of the mean)
        over the defined values; n, how many these are; undefined, how many were left out. What cannot be
        computed (a mean of nothing, a spread or an interval of one value) is NaN.
    """
    everything = np.asarray(values, dtype=np.float64)
    kept = ~np.isnan(everything)
    defined = everything[kept]
    names = None if groups is None else [name for name, keep in zip(groups, kept, strict=True) if keep]
    low, high = bootstrap_interval(defined, names, samples=samples, seed=seed)
    some, several = defined.size > 0, defined.size > 1
    return {
        "mean": float(defined.mean()) if some else NAN,
        "std": float(defined.std(ddof=1)) if several else NAN,
        "median": float(np.median(defined)) if some else NAN,
        "min": float(defined.min()) if some else NAN,
        "max": float(defined.max()) if some else NAN,
        "ci_low": low,
        "ci_high": high,
        "n": int(defined.size),
        "undefined": int(everything.size - defined.size),
    }


def bootstrap_interval(
    values: NDArray[np.float64],
    groups: Sequence[str] | None = None,
    *,
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13).

    Scans of one patient resemble each other, so they are no independent draws: where groups are given, whole
    groups are drawn with replacement, and a sample's mean is that of all the cases drawn (the cluster
    bootstrap; Davison and Hinkley 1997, section 3.8). Groups of one case each, and no groups, are the
    ordinary bootstrap.

    Args:
        values: (n,) defined values.
        groups: the patient of each value; an empty name is a group of its own.
        samples: how many cohorts are drawn; 0 gives no interval.
        seed: of the draws; the same seed gives the same interval.
        level: share of the sampled means inside the interval.

    Returns:
        lower and upper end; NaN, NaN with fewer than two groups, from which nothing can be said about others.
    """
    if samples == 0 or values.size == 0:
        return NAN, NAN
    members = np.arange(values.size) if groups is None else group_numbers(groups)
    sizes = np.bincount(members)
    sums = np.bincount(members, weights=values)
    if sizes.size < 2:
        return NAN, NAN
    drawn = np.random.default_rng(seed).integers(sizes.size, size=(samples, sizes.size), dtype=np.int32)
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def group_numbers(groups: Sequence[str]) -> NDArray[np.intp]:
    """Number of the group of each case, from 0 without gaps; cases without a name are numbered one by one."""
    distinct = [(name, -1 if name else index) for index, name in enumerate(groups)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(distinct))}
    return np.array([numbers[key] for key in distinct], dtype=np.intp)
