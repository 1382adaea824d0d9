"""How probable is it that a method is the best one? The share of resamples in which it is; ties share.

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

from benchmark.errors import ResultsMixed
from benchmark.results import Result, Scored
from leaderboard.aggregate import same_units
from leaderboard.levels import Array
from leaderboard.resampling import joint_means, seed_deviations
from leaderboard.statistics import DRAWS, estimate

_DIGITS = 12


def probability_of_best(metric: str, methods: Mapping[str, Sequence[Result]], draws: int = DRAWS) -> dict[str, float]:
    """The probability of being best on one data set.

    Args:
        metric: Key of the metric, scored in all cells.
        methods: Cells by entry, of one suite and data set.
        draws: Number of resamples.

    Returns:
        Probabilities by entry that sum to 1; nothing where the entries have no seed in common.

    Raises:
        ResultsMixed: If the entries scored different numbers of images in one seed.
    """
    by_seed = {name: {cell.seed: cell for cell in cells} for name, cells in methods.items()}
    seeds = sorted(set.intersection(*map(set, by_seed.values()))) if by_seed else []
    if not seeds:
        return {}
    cells = [[own[seed] for seed in seeds] for own in by_seed.values()]
    scores = [[score for cell in own if isinstance(score := cell.scores[metric], Scored)] for own in cells]
    values = [[np.array(score.values, dtype=np.float64) for score in own] for own in scores]
    measure, names = scores[0][0].measure, ("best", cells[0][0].suite, cells[0][0].dataset)
    if measure.per == "prototype":
        drawn = [
            estimate(own, crossed=False, names=names, draws=draws, units=name).means
            for name, own in zip(by_seed, values, strict=True)
        ]
        means = np.stack(drawn, axis=1)
    else:
        stacked = [_stacked(metric, cells, own) for own in zip(*values, strict=True)]
        means = joint_means(stacked, draws, names, crossed=same_units(metric, cells[0], scores[0]))
    means = means + _enlarged(values, draws, names)
    shares = _shares(means if measure.direction == "higher" else -means)
    return dict(zip(by_seed, map(float, shares), strict=True))


def _stacked(metric: str, cells: Sequence[Sequence[Result]], values: Sequence[Array]) -> Array:
    """The scores of all entries in one seed, ``(entries, images)``."""
    sizes = {own[0].explainer: len(array) for own, array in zip(cells, values, strict=True)}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise ResultsMixed(f"{metric} on {cells[0][0].dataset} has different numbers of scores: {counts}. Entries are "
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
    best = means >= largest - 10.0**-_DIGITS * max(1.0, float(np.abs(means).max()))
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))
