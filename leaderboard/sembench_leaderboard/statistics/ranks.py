"""How alike are two orders of the same methods? 1: the same, -1: reversed, 0: unrelated.

Scores come from networks that compute in float32: values that agree to 7 decimals are ties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sembench_leaderboard.statistics.resampling import Array

_DIGITS, _DECIMALS = 12, 7


def rounded(values: Sequence[float]) -> list[float]:
    """Values with 12 significant digits, to be written: beyond them, processors sum differently."""
    return [float(f"{value:.{_DIGITS}g}") for value in values]


def comparable(values: Sequence[float]) -> list[float]:
    """Values with 7 decimals, to be put in order: what differs by less is equal but for float32's rounding."""
    return [round(value, _DECIMALS) for value in values]


def kendall_tau_b(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b: concordant minus discordant pairs, over the geometric mean of the pairs that each tells apart.

    Args:
        first: One value per method.
        second: The same methods in the same order.

    Returns:
        In [-1, 1]; ``None`` where either has no two different values.

    Raises:
        ValueError: If the lengths differ.

    References:
        Kendall: The treatment of ties in ranking problems, Biometrika 33, 1945.
    """
    pairs = list(combinations(zip(comparable(first), comparable(second), strict=True), 2))
    signs = [(_sign(a[0] - b[0]), _sign(a[1] - b[1])) for a, b in pairs]
    apart = sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs)
    return sum(x * y for x, y in signs) / math.sqrt(apart) if apart else None


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rho: the correlation of ranks, ties at their mean rank.

    Args:
        first: One value per method.
        second: The same methods in the same order.

    Returns:
        In [-1, 1]; ``None`` where either has no two different values.

    Raises:
        ValueError: If the lengths differ.
    """
    pairs = list(zip(ranks(first), ranks(second), strict=True))
    middle = (len(pairs) + 1) / 2  # the mean rank
    square_first, square_second = (sum((pair[i] - middle) ** 2 for pair in pairs) for i in (0, 1))
    if square_first == 0 or square_second == 0:
        return None
    product = sum((a - middle) * (b - middle) for a, b in pairs)
    return product / math.sqrt(square_first * square_second)


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1 for the smallest; values that agree to 7 decimals share their mean rank."""
    own = comparable(values)
    return [sum(other < value for other in own) + (own.count(value) + 1) / 2 for value in own]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


MIN_DATASETS, MIN_METHODS = 2, 3
ALPHA = 0.05


@dataclass(frozen=True)
class Friedman:
    """The test that all methods are alike on average over data sets.

    Attributes:
        mean_ranks: Mean rank of each method, 1 is best.
        datasets: Number of data sets.
        statistic: Friedman's chi-square, corrected for ties; 0 where all methods tie everywhere.
        ties: What it was divided by: 1 without ties, 0 where all is tied.
        p: P-value by the chi-square distribution, an approximation that is rough on fewer than about 10 data sets.
        smallest_p: What ``p`` would be if all data sets agreed completely.
        difference: Nemenyi's critical difference of mean ranks at 5 %.
    """

    mean_ranks: tuple[float, ...]
    datasets: int
    statistic: float
    ties: float
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
    table = np.array([ranks([sign * score for score in row]) for row in scores])
    if table.ndim != 2 or table.shape[0] < MIN_DATASETS or table.shape[1] < MIN_METHODS:
        raise ValueError(f"Friedman's test needs {MIN_DATASETS} data sets and {MIN_METHODS} methods, not {table.shape}")
    from scipy.special import chdtrc

    n, k = table.shape
    mean_ranks = table.mean(axis=0)
    tied = [np.unique(row, return_counts=True)[1] for row in table]
    ties = 1 - sum(float((counts**3 - counts).sum()) for counts in tied) / (n * k * (k * k - 1))
    plain = 12 * n / (k * (k + 1)) * float(((mean_ranks - (k + 1) / 2) ** 2).sum())
    statistic = plain / ties if ties > 0 else 0.0
    return Friedman(
        tuple(map(float, mean_ranks)), n, statistic, ties, float(chdtrc(k - 1, statistic)),
        float(chdtrc(k - 1, n * (k - 1))), critical_difference(k, n),
    )  # fmt: skip


def critical_difference(methods: int, datasets: int, alpha: float = ALPHA) -> float:
    """By how much do two mean ranks have to differ, so that among so many methods it is more than chance?"""
    return studentized_range(methods, alpha) * math.sqrt(methods * (methods + 1) / (12 * datasets))


def studentized_range(methods: int, alpha: float) -> float:
    """The upper ``alpha`` quantile of the range of so many standard normal numbers (infinite degrees of freedom)."""
    from scipy.special import ndtr

    grid = np.linspace(-9, 9, 3601)  # trapezoids: exact to rounding for a smooth function that vanishes at both ends
    density = np.exp(-grid * grid / 2) / math.sqrt(2 * math.pi)

    def beyond(q: float) -> float:
        inside: Array = (ndtr(grid) - ndtr(grid - q)) ** (methods - 1)
        return 1 - methods * float((density * inside).sum()) * float(grid[1] - grid[0])

    low, high = 0.0, 16.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > alpha else (low, middle)
    return high


def groups(mean_ranks: Sequence[float], difference: float) -> list[tuple[int, ...]]:
    """Which methods are not significantly different from each other? The bars of the diagram.

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
