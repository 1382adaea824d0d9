"""How alike are two orders of the same methods? 1: the same, -1: reversed, 0: unrelated.

Scores come from networks that compute in float32: values that agree to 7 decimals are ties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

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
