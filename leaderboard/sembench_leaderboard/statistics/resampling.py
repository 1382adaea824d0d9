"""Draws of seeds and units with replacement, thousands at a time.

A resample is a set of counts: how often each seed and each unit was drawn. Two ways lead to the same distribution:
small sets of one size share one matrix of counts, so that a mean is one matrix product; large sets of few distinct
scores (10,000 times 0 or 1) draw units of equal score together, a handful of binomial draws instead of one per unit.

Scores are rounded to multiples of a power of two first, see `on_grid`, and divided last: sums of whole numbers are
exact, so that every processor gets the same bits, in whatever order its matrix products add.
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


def on_grid(runs: Sequence[Array]) -> list[Array]:
    """Scores rounded to multiples of a power of two, of which any resample has an exact sum in the 53 bits of a float.

    A million scores keep 32 bits each, a thousand keep 42.

    Args:
        runs: The scores of each seed, ``(units,)``, or ``(entries, units)``: each entry has a grid of its own.
    """
    bits = 52 - sum(run.shape[-1] for run in runs).bit_length()
    largest = np.max([np.abs(run).max(axis=-1, keepdims=True) for run in runs], axis=0)
    step = np.ldexp(1.0, np.frexp(largest)[1] - bits)
    return [np.round(run / step) * step for run in runs]


@dataclass(frozen=True)
class Groups:
    """The few scores that units have, summed over the seeds drawn: ``(groups,)``, the most frequent first.

    ``shares`` are those of the units in each group, in each way to draw seeds: ``(ways, groups)``.
    """

    scores: Array
    shares: Array


def grouped(values: Array, times: Counts) -> Groups | None:
    """Groups units by their score, summed over the seeds that were drawn.

    The mean of units drawn with replacement depends only on how many come from each group. These numbers are
    multinomial, so the mean has exactly the distribution that drawing units one by one gives it.

    Args:
        values: ``(seeds, units)``.
        times: How often each seed is drawn, in each way to draw them ``(ways, seeds)``.

    Returns:
        The groups, or ``None`` where scores take many values: drawing units one by one is quicker then.
    """
    seeds, units = values.shape
    patterns, counts = _patterns(values)
    if len(counts) * _BINOMIAL_COST > units * seeds:
        return None
    sums = times @ patterns
    scores, codes = np.unique(sums, return_inverse=True)
    if len(scores) * _BINOMIAL_COST > units:
        return None
    places = codes.reshape(sums.shape) + len(scores) * np.arange(len(sums))[:, None]
    weights = np.broadcast_to(counts, sums.shape).ravel()
    totals = np.bincount(places.ravel(), weights, minlength=len(sums) * len(scores)).reshape(len(sums), -1)
    order = np.argsort(-totals.sum(axis=0), kind="stable")
    return Groups(scores[order], totals[:, order] / units)


def _patterns(values: Array) -> tuple[Array, Counts]:
    """The distinct columns of ``values`` ``(seeds, patterns)``, and how often each occurs ``(patterns,)``.

    Columns are compared only where a sample suggests that few values occur; otherwise every column counts as its own.
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


def crossed_means(runs: Sequence[Array], draws: int, names: tuple[str, ...]) -> Array:
    """Means ``(draws,)`` of ``runs``, all over the same units: seeds and units are drawn independently."""
    values, seeds = np.stack(on_grid(runs)), len(runs)
    if draws * values.shape[1] > _SHARED:
        return _drawn_means(values, *_distinct(names, seeds, draws), _stream(*names, "units"))
    of_seeds = _unit_counts(names, values.shape[1], draws) @ values.T
    return np.asarray((of_seeds * _times_drawn(names, seeds, draws)).sum(axis=1) / values.size)


def nested_means(runs: Sequence[Array], draws: int, names: tuple[str, ...], units: str = "units") -> Array:
    """Means ``(draws,)`` of ``runs`` when seeds are drawn first, then units separately for every drawn seed.

    Two calls with the same names and another word for ``units`` draw the same seeds, and units independently.
    """
    runs, total = on_grid(runs), np.zeros(draws)
    if draws * sum(map(len, runs)) <= _SHARED:
        for counts, run in zip(_nested_counts(names, tuple(map(len, runs)), draws, units), runs, strict=True):
            total += counts @ run / len(run)
        return total / len(runs)
    rng = _stream(*names, units)
    for run, times in zip(runs, _times_drawn(names, len(runs), draws).T, strict=True):
        rows = np.repeat(np.arange(draws), times)
        total += np.bincount(rows, _drawn_means(run[None], np.ones((1, 1), int), 0 * rows, rng), minlength=draws)
    return total / len(runs)


def joint_means(runs: Sequence[Array], draws: int, names: tuple[str, ...], *, crossed: bool) -> Array:
    """Means ``(draws, entries)`` when all entries see the same seeds and the same units in every resample.

    Args:
        runs: The scores of each seed, ``(entries, units)``; of equal shape where crossed.
        draws: Number of resamples.
        names: What the random stream is for.
        crossed: Whether position ``u`` is the same unit in every seed.
    """
    times, rng, runs = _times_drawn(names, len(runs), draws), _stream(*names, "units"), on_grid(runs)
    means, step = np.zeros((draws, len(runs[0]))), max(1, _CHUNK // max(run.shape[1] for run in runs))
    for start in range(0, draws, step):
        some = times[start : start + step]
        rows = np.arange(len(some))
        shared = _drawn(rows, runs[0].shape[1], len(some), rng) if crossed else None
        for run, drawn in zip(runs, some.T, strict=True):
            units = run.shape[1]
            weights = _drawn(np.repeat(rows, drawn), units, len(some), rng) if shared is None else shared
            of_seed = weights @ run.T / units
            means[start : start + step] += of_seed if shared is None else drawn[:, None] * of_seed
    return means / len(runs)


def seed_deviations(by_seed: Array, draws: int, names: tuple[str, ...]) -> Array:
    """How far the seeds that each resample of these names draws are from their mean: ``(seeds,)`` to ``(draws,)``."""
    (own,) = on_grid([by_seed])
    return np.asarray(_times_drawn(names, len(own), draws) @ own / len(own) - own.sum() / len(own))


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
def _unit_counts(names: tuple[str, ...], units: int, draws: int) -> Array:
    """How often each unit is drawn in each resample: ``(draws, units)``."""
    return _drawn(np.arange(draws), units, draws, _stream(*names, "units")).astype(np.float64)


@lru_cache(maxsize=8)
def _nested_counts(names: tuple[str, ...], sizes: tuple[int, ...], draws: int, units: str) -> list[Array]:
    """How often each unit is drawn in each resample, ``(draws, units)`` for each seed."""
    rng, times_drawn = _stream(*names, units), _times_drawn(names, len(sizes), draws)
    resamples = [np.repeat(np.arange(draws), times) for times in times_drawn.T]
    return [_drawn(rows, size, draws, rng).astype(np.float64) for rows, size in zip(resamples, sizes, strict=True)]


def _drawn(rows: Counts, units: int, draws: int, rng: np.random.Generator) -> Counts:
    """Draws all units once for every entry of ``rows`` and counts them in that row: ``(draws, units)``."""
    index = rng.integers(0, units, size=(len(rows), units))
    return np.bincount((index + units * rows[:, None]).ravel(), minlength=draws * units).reshape(draws, units)


def _drawn_means(values: Array, times: Counts, which: Counts, rng: np.random.Generator) -> Array:
    """Means ``(draws,)`` of ``values`` when units are drawn separately for every resample.

    Args:
        values: ``(seeds, units)``, on a grid.
        times: How often each seed is drawn, in each way to draw them ``(ways, seeds)``.
        which: The way in which each resample draws seeds, ``(draws,)``.
        rng: Draws the units.
    """
    _, units = values.shape
    alike = grouped(values, times)
    if alike is not None:
        return np.asarray(rng.multinomial(units, alike.shares[which]) @ alike.scores / values.size)
    means, step = np.empty(len(which)), max(1, _CHUNK // units)
    for start in range(0, len(which), step):
        some = times[which[start : start + step]]
        of_seeds = _drawn(np.arange(len(some)), units, len(some), rng) @ values.T
        means[start : start + step] = (of_seeds * some).sum(axis=1) / values.size
    return means
