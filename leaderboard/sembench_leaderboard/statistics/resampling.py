"""How are seeds and units drawn with replacement, thousands of times and yet quickly?

A resample is a set of weights: how often each seed and each unit was drawn. Two ways lead to the same distribution:
small sets of one size share one matrix of weights, so that a mean is one matrix product; large sets of few distinct
scores (10,000 times 0 or 1) draw units of equal score together, a handful of binomial draws instead of one per unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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


_SHARED = 1 << 21  # largest matrix of weights that is kept, in numbers (16 MiB)
_CHUNK = 1 << 20  # units drawn at a time otherwise: bounds the memory whatever their number


def crossed_means(cells: Sequence[Array], draws: int, names: tuple[str, ...]) -> Array:
    """Means of ``cells`` (all over the same units) when seeds and units are drawn independently of each other.

    Returns:
        ``(draws,)``.
    """
    values, seeds = np.stack(cells), len(cells)
    if draws * values.shape[1] > _SHARED:
        return _drawn_means(values, *_distinct(names, seeds, draws), _stream(*names, "units"))
    of_seeds = _unit_weights(names, values.shape[1], draws) @ values.T
    return np.asarray((of_seeds * _times_drawn(names, seeds, draws)).sum(axis=1) / seeds)


def nested_means(cells: Sequence[Array], draws: int, names: tuple[str, ...], units: str = "units") -> Array:
    """Means of ``cells`` when seeds are drawn first, then units anew for every drawn seed.

    Two calls with the same names and another word for ``units`` draw the same seeds, and units independently.

    Returns:
        ``(draws,)``.
    """
    if draws * sum(map(len, cells)) <= _SHARED:
        return np.asarray(_nested_weights(names, tuple(map(len, cells)), draws, units) @ np.concatenate(cells))
    total, rng = np.zeros(draws), _stream(*names, units)
    for cell, times in zip(cells, _times_drawn(names, len(cells), draws).T, strict=True):
        rows = np.repeat(np.arange(draws), times)
        total += np.bincount(rows, _drawn_means(cell[None], np.ones((1, 1), int), 0 * rows, rng), minlength=draws)
    return total / len(cells)


def joint_means(cells: Sequence[Array], draws: int, names: tuple[str, ...], *, crossed: bool) -> Array:
    """Means of several entries when all of them see the same seeds and the same units in every resample.

    Args:
        cells: The scores of each seed, ``(entries, units)``; of equal shape where crossed.
        draws: Number of resamples.
        names: What the random stream is for.
        crossed: Whether position ``u`` is the same unit in every seed.

    Returns:
        ``(draws, entries)``.
    """
    times, rng = _times_drawn(names, len(cells), draws), _stream(*names, "units")
    means, step = np.zeros((draws, len(cells[0]))), max(1, _CHUNK // max(cell.shape[1] for cell in cells))
    for start in range(0, draws, step):
        some = times[start : start + step]
        rows = np.arange(len(some))
        shared = _drawn(rows, cells[0].shape[1], len(some), rng) if crossed else None
        for cell, drawn in zip(cells, some.T, strict=True):
            units = cell.shape[1]
            weights = _drawn(np.repeat(rows, drawn), units, len(some), rng) if shared is None else shared
            of_seed = weights / units @ cell.T
            means[start : start + step] += of_seed if shared is None else drawn[:, None] * of_seed
    return means / len(cells)


def seed_deviations(by_seed: Array, draws: int, names: tuple[str, ...]) -> Array:
    """How far the seeds that each resample of these names draws are from their mean: ``(seeds,)`` to ``(draws,)``."""
    return np.asarray(_times_drawn(names, len(by_seed), draws) @ by_seed / len(by_seed) - by_seed.mean())


def _stream(*names: str) -> np.random.Generator:
    """A generator that depends on every name and on nothing else (SHA-256)."""
    return np.random.Generator(np.random.SFC64(list(hashlib.sha256("\x1f".join(names).encode()).digest())))


@lru_cache(maxsize=8)
def _times_drawn(names: tuple[str, ...], seeds: int, draws: int) -> Counts:
    """How often each seed is drawn in each resample: ``(draws, seeds)``."""
    return _stream(*names, "seeds").multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)


@lru_cache(maxsize=8)
def _distinct(names: tuple[str, ...], seeds: int, draws: int) -> tuple[Counts, Counts]:
    """The different rows of `_times_drawn` ``(rows, seeds)``, and which of them each resample has ``(draws,)``."""
    rows, which = np.unique(_times_drawn(names, seeds, draws), axis=0, return_inverse=True)
    return rows, which.ravel()


@lru_cache(maxsize=8)
def _unit_weights(names: tuple[str, ...], units: int, draws: int) -> Array:
    """Share of each unit in each resample: ``(draws, units)``."""
    return _drawn(np.arange(draws), units, draws, _stream(*names, "units")) / units


@lru_cache(maxsize=8)
def _nested_weights(names: tuple[str, ...], sizes: tuple[int, ...], draws: int, units: str) -> Array:
    """Share of each unit of each seed in each resample: ``(draws, sum of sizes)``."""
    rng, times_drawn = _stream(*names, units), _times_drawn(names, len(sizes), draws)
    resamples = [np.repeat(np.arange(draws), times) for times in times_drawn.T]
    weights = [_drawn(rows, size, draws, rng) / size for rows, size in zip(resamples, sizes, strict=True)]
    return np.concatenate(weights, axis=1) / len(sizes)


def _drawn(rows: Counts, units: int, draws: int, rng: np.random.Generator) -> Counts:
    """Draws all units once for every entry of ``rows`` and counts them in that row: ``(draws, units)``."""
    index = rng.integers(0, units, size=(len(rows), units))
    return np.bincount((index + units * rows[:, None]).ravel(), minlength=draws * units).reshape(draws, units)


def _drawn_means(values: Array, times: Counts, which: Counts, rng: np.random.Generator) -> Array:
    """Means of ``values`` (seeds, units), with units drawn anew for every resample.

    Args:
        values: ``(seeds, units)``.
        times: How often each seed is drawn, in each way to draw them ``(ways, seeds)``.
        which: The way in which each resample draws seeds, ``(draws,)``.
        rng: Draws the units.

    Returns:
        ``(draws,)``.
    """
    seeds, units = values.shape
    alike = group(values, times)
    if alike is not None:
        return np.asarray(rng.multinomial(units, alike.shares[which]) @ alike.levels / units)
    means, step = np.empty(len(which)), max(1, _CHUNK // units)
    for start in range(0, len(which), step):
        some = times[which[start : start + step]]
        of_seeds = _drawn(np.arange(len(some)), units, len(some), rng) @ values.T / units
        means[start : start + step] = (of_seeds * some).sum(axis=1) / seeds
    return means
