"""Rank statistics: correlations of two orders, Friedman's test, Nemenyi's critical difference.

Scores come from networks that compute in float32: values that agree to 7 decimals are ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sembench_leaderboard.statistics.digits import comparable, rounded

MIN_DATASETS, MIN_METHODS = 2, 3
ALPHA = 0.05
_DIGITS = 7  # of a critical difference: SciPy finds it by integration and bisection


def kendall_tau_b(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b, which allows for ties, between two values per method.

    Returns:
        In [-1, 1]; ``None`` where either has no two different values.

    Raises:
        ValueError: If the lengths differ.

    References:
        Kendall: The treatment of ties in ranking problems, Biometrika 33, 1945.
    """
    from scipy.stats import kendalltau

    return _correlation(kendalltau, first, second)


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho: the correlation of ranks, ties at their mean rank. Arguments and value as `kendall_tau_b`."""
    from scipy.stats import spearmanr

    return _correlation(spearmanr, first, second)


def _correlation(of: Callable[..., Any], first: Sequence[float], second: Sequence[float]) -> float | None:
    if len(first) != len(second):
        raise ValueError(f"two orders of the same methods are needed, not of {len(first)} and {len(second)}.")
    both = comparable(first), comparable(second)
    return None if any(len(set(own)) < 2 for own in both) else float(of(*both).statistic)


@dataclass(frozen=True)
class Friedman:
    """The test that all methods are alike on average over data sets.

    Attributes:
        mean_ranks: Mean rank of each method, 1 is best.
        statistic: Friedman's chi-square, corrected for ties; 0 where all methods tie everywhere.
        p: P-value by the chi-square distribution, an approximation that is rough on fewer than about 10 data sets.
        smallest_p: What ``p`` would be if all data sets agreed completely.
        difference: Nemenyi's critical difference of mean ranks at 5 %.
    """

    mean_ranks: tuple[float, ...]
    datasets: int
    statistic: float
    p: float
    smallest_p: float
    difference: float

    @property
    def lacks_power(self) -> bool:
        """Whether no outcome at all could make the test significant at 5 %."""
        return self.smallest_p >= ALPHA

    @property
    def tells_no_pair_apart(self) -> bool:
        """Whether even the best and the worst possible mean ranks differ by less than the critical difference."""
        return self.difference > len(self.mean_ranks) - 1


def friedman(scores: Sequence[Sequence[float]], *, lower_is_better: bool = False) -> Friedman:
    """Friedman's test with Nemenyi's critical difference.

    Args:
        scores: Per data set, one score per method; what agrees to 7 decimals is a tie.
        lower_is_better: Whether rank 1 goes to the smallest score.

    Raises:
        ValueError: If there are fewer than 2 data sets or 3 methods, or different numbers of methods.
    """
    sign = 1 if lower_is_better else -1
    shape = (len(scores), *{len(row) for row in scores})
    if len(shape) != 2 or shape[0] < MIN_DATASETS or shape[1] < MIN_METHODS:
        raise ValueError(f"Friedman's test needs {MIN_DATASETS} data sets and {MIN_METHODS} methods, not {shape}")
    from scipy.stats import chi2, friedmanchisquare, rankdata

    n, k = shape
    table = np.array([comparable(sign * score for score in row) for row in scores])
    alike = bool((table == table[:, :1]).all())  # SciPy would divide by 0
    statistic, p = (0.0, 1.0) if alike else map(float, friedmanchisquare(*table.T))
    mean_ranks = tuple(map(float, rankdata(table, axis=1).mean(axis=0)))
    return Friedman(mean_ranks, n, statistic, p, float(chi2.sf(n * (k - 1), k - 1)), critical_difference(k, n))


def critical_difference(methods: int, datasets: int, alpha: float = ALPHA) -> float:
    """Nemenyi's: the difference of two mean ranks, out of this number of methods, that is more than chance."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, methods, math.inf))
    return rounded(quantile * math.sqrt(methods * (methods + 1) / (12 * datasets)), _DIGITS)


def groups(mean_ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """The bars of the diagram: methods that are not significantly different from each other.

    Returns:
        Indices of methods, best first, per bar: as long as possible, none within another, two methods at least.
    """
    order = sorted(range(len(mean_ranks)), key=lambda method: (mean_ranks[method], method))
    found: list[tuple[int, ...]] = []
    reach = 0
    for start, first in enumerate(order):
        end = sum(mean_ranks[method] - mean_ranks[first] < difference for method in order)
        if end - start > 1 and end > reach:
            found.append(tuple(order[start:end]))
            reach = end
    return found
