"""Is a difference of two methods more than chance? P-values from the bootstrap of its interval, corrected by Holm.

A p-value is the smallest ``alpha`` whose interval of level ``1 - alpha`` excludes 0, widened for few seeds at that
level as `leaderboard.statistics.widened` does at 95 %. So ``p < .05`` says what the 95 % interval says (up to one
resample), over images *and* seeds. Flipping signs over images within seeds would speak of these trained models only,
and would call differences certain that the next training undoes.

References:
    Davison and Hinkley: Bootstrap Methods and their Application, 1997, section 4.4.5 (tests from intervals).
    Holm: A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.pairing import Paired
from leaderboard.resampling import seed_deviations
from leaderboard.statistics import widening

_STEPS = 30  # of a bisection: 1e-9
_DIGITS = 6  # decimals of a p-value: what lies beyond them is the bisection's and the libraries'
_ZERO = 1e-12  # of the largest score: what processors sum differently


def p_value(difference: Paired) -> float:
    """How surprising were such a difference, if there was none?

    Returns:
        Two-sided, in ``[2 / (draws + 1), 1]``: the number of resamples bounds it below.

    Raises:
        ValueError: If there is one seed only: it speaks of one trained model.
    """
    seeds, draws = len(difference.by_seed), len(difference.own.means)
    if seeds < 2:
        raise ValueError("a p-value over trainings needs two seeds or more; one speaks of one trained model.")
    deviations = seed_deviations(difference.by_seed, draws, difference.names)
    zero = _ZERO * difference.own.scale

    def tails(alpha: float) -> float:
        """Twice the share of resamples beyond 0, widened for this level."""
        means = difference.own.means + (widening(seeds, 1 - alpha) - 1) * deviations
        beyond = min(int((means <= zero).sum()), int((means >= -zero).sum()))
        return min(1.0, 2 * (beyond + 1) / (draws + 1))

    low, high = 2 / (draws + 1), 1 - 1e-9
    if tails(low) <= low:
        return low
    if tails(high) > high:
        return 1.0
    for _ in range(_STEPS):  # tails(alpha) falls while alpha rises: they meet once
        middle = (low + high) / 2
        low, high = (middle, high) if tails(middle) > middle else (low, middle)
    return round(high, _DIGITS)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of one family, corrected so that any false alarm at all has the stated probability at most.

    The smallest is multiplied by their number, the next by one less, and so on; none is smaller than one before it.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected
