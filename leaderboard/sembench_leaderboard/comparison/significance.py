"""Probability of being the best method, the share of resamples in which it is; p-values and their correction.

Seeds are drawn for all methods together, and images too, as they all explain the same black box on the same images;
prototypes are drawn independently. The part of the seeds is enlarged by ``sqrt(S / (S - 1))``, what a bootstrap over S
seeds misses.

Note:
    This is not the probability that a method is better than another one: of three methods that are alike each has a
    third, and of two that are equal to the last digit each a half. With few seeds it is rougher than it looks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sembench.errors import ResultsMixed
from sembench.results.result import Result
from sembench_leaderboard.comparison.difference import Paired, common_seeds, of_seeds, scored_runs, series
from sembench_leaderboard.entries.entry import same_units
from sembench_leaderboard.statistics.bootstrap import DRAWS, estimate, widening
from sembench_leaderboard.statistics.digits import NOISE
from sembench_leaderboard.statistics.resampling import Array, joint_means, seed_deviations


def probability_of_best(metric: str, methods: Mapping[str, Sequence[Result]], draws: int = DRAWS) -> dict[str, float]:
    """The probability of being best on one data set, from runs by entry that all have the metric.

    Returns:
        Probabilities by entry that sum to 1; nothing where the entries have no seed in common.

    Raises:
        ResultsMixed: If the entries scored different numbers of images in one seed.
    """
    seeds = common_seeds(methods.values()) if methods else ()
    if not seeds:
        return {}
    runs = [of_seeds(own, seeds) for own in methods.values()]
    scores = scored_runs(metric, runs)
    values = [[series(score) for score in own] for own in scores]
    measure, names = scores[0][0].measure, ("best", runs[0][0].suite, runs[0][0].dataset)
    if measure.per == "prototype":
        drawn = [
            estimate(own, crossed=False, names=names, draws=draws, units=name).means
            for name, own in zip(methods, values, strict=True)
        ]
        means = np.stack(drawn, axis=1)
    else:
        stacked = [_stacked(metric, runs, own) for own in zip(*values, strict=True)]
        means = joint_means(stacked, draws, names, crossed=same_units(metric, runs[0], scores[0]))
    means = means + _enlarged(values, draws, names)
    shares = _shares(means if measure.direction == "higher" else -means)
    return dict(zip(methods, map(float, shares), strict=True))


def _stacked(metric: str, runs: Sequence[Sequence[Result]], values: Sequence[Array]) -> Array:
    """The scores of all entries in one seed, ``(entries, images)``."""
    sizes = {own[0].explainer: len(array) for own, array in zip(runs, values, strict=True)}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise ResultsMixed(f"{metric} on {runs[0][0].dataset} has different numbers of scores: {counts}. Entries are "
                           "compared image by image; compute them again with the same settings.")  # fmt: skip
    return np.stack(values)


def _enlarged(values: Sequence[Sequence[Array]], draws: int, names: tuple[str, ...]) -> Array | float:
    """What is added to the resampled means ``(draws, entries)``, so that the seeds' variance is as large as it is."""
    seeds = len(values[0])
    if seeds < 2:
        return 0.0
    factor = math.sqrt(seeds / (seeds - 1)) - 1
    means = [np.array([seed.mean() for seed in own]) for own in values]
    return factor * np.stack([seed_deviations(own, draws, names) for own in means], axis=1)


def _shares(means: Array) -> Array:
    """How often each column has the largest number of its row, ``(draws, entries)`` to ``(entries,)``; ties share."""
    largest = means.max(axis=1, keepdims=True)
    best = means >= largest - NOISE * max(1.0, float(np.abs(means).max()))
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))


_STEPS = 30  # of a bisection: 1e-9
_DECIMALS = 6  # decimals of a p-value: what lies beyond them is the bisection's and the libraries'


def p_value(difference: Paired) -> float:
    """The smallest level at which the difference's interval excludes 0, by inversion of the interval.

    Returns:
        Two-sided, in ``[2 / (draws + 1), 1]``: the number of resamples bounds it below.

    Raises:
        ValueError: If there is one seed only: it speaks of one trained model.
    """
    seeds, draws = len(difference.by_seed), len(difference.own.means)
    if seeds < 2:
        raise ValueError("a p-value over trainings needs two seeds or more; one speaks of one trained model.")
    deviations = seed_deviations(difference.by_seed, draws, difference.names)
    zero = NOISE * difference.own.scale

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
    return round(high, _DECIMALS)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of one family, corrected so that any false alarm at all has the stated probability at most.

    The smallest is multiplied by their number, the next by one less, and so on; none is smaller than one before it.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected
