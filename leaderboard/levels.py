"""Which units can be drawn together? Those of equal score: then a resample is a few binomial draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_BINOMIAL_COST = 12  # one binomial draw takes about as long as drawing this many units
_MOST_CODES = 1 << 16


@dataclass(frozen=True)
class Levels:
    """The few scores that units have, and how many units have them.

    Attributes:
        levels: Scores, averaged over the seeds drawn, ``(levels,)``; the most frequent first.
        shares: Share of the units at each level, in each way to draw seeds ``(ways, levels)``.
    """

    levels: Array
    shares: Array


def group(values: Array, times: Counts) -> Levels | None:
    """Groups units by their score, averaged over the seeds that were drawn.

    The mean of units drawn with replacement depends only on how many come from each group. These numbers are
    multinomial, so the mean has exactly the distribution that drawing units one by one gives it.

    Args:
        values: ``(seeds, units)``.
        times: How often each seed is drawn, in each way to draw them ``(ways, seeds)``.

    Returns:
        The groups, or ``None`` where scores take so many values that drawing units one by one is quicker.
    """
    seeds, units = values.shape
    patterns, counts = _patterns(values)
    if len(counts) * _BINOMIAL_COST > units * seeds:
        return None
    means = times @ patterns / seeds
    levels, codes = np.unique(means, return_inverse=True)
    if len(levels) * _BINOMIAL_COST > units:
        return None
    places = codes.reshape(means.shape) + len(levels) * np.arange(len(means))[:, None]
    weights = np.broadcast_to(counts, means.shape).ravel()
    totals = np.bincount(places.ravel(), weights, minlength=len(means) * len(levels)).reshape(len(means), -1)
    order = np.argsort(-totals.sum(axis=0), kind="stable")
    return Levels(levels[order], totals[:, order] / units)


def _patterns(values: Array) -> tuple[Array, Counts]:
    """The distinct columns of ``values`` (seeds, units), and how often each occurs.

    Columns are compared only where a sample suggests that few values occur; otherwise every column counts as its own.

    Returns:
        Patterns ``(seeds, patterns)`` and counts ``(patterns,)``.
    """
    seeds, units = values.shape
    every_column = values, np.ones(units, dtype=np.int64)
    sample = values[:, :: max(1, units // 64)]
    levels = np.unique(np.concatenate([sample.ravel(), [values.min(), values.max()]]))
    if len(levels) ** seeds > _MOST_CODES:
        return every_column
    codes = np.minimum(np.searchsorted(levels, values), len(levels) - 1)
    if not np.array_equal(levels[codes], values):
        return every_column
    powers = len(levels) ** np.arange(seeds)
    counts = np.bincount(powers @ codes)
    found = np.flatnonzero(counts)
    return levels[found // powers[:, None] % len(levels)], counts[found]
