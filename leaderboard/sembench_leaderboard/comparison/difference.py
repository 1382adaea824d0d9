"""Differences of two methods on one data set, paired over seeds, and over images where both scored the same ones.

A metric with a score per image is compared image by image: the difference is taken within each seed, for both methods
explained the same black box on the same images. Prototypes of two methods do not correspond to each other: there the
difference is that of two means, whose seeds are drawn together and whose prototypes are drawn independently. Intervals
are widened for the small number of seeds, see `sembench_leaderboard.statistics.bootstrap.widened`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sembench.errors import ResultsMixed
from sembench.results.result import Result
from sembench.results.score import Scored
from sembench_leaderboard.entries.entry import same_units
from sembench_leaderboard.statistics.bootstrap import DRAWS, Estimate, estimate, widened
from sembench_leaderboard.statistics.resampling import Array, joint_means


@dataclass(frozen=True)
class Paired:
    """One entry, or one minus another, before its interval is widened for the small number of seeds.

    Attributes:
        seeds: The seeds that both have.
        by_seed: The quantity in each seed, ``(seeds,)``.
        names: The names of its random stream.
    """

    seeds: tuple[int, ...]
    own: Estimate
    by_seed: Array
    names: tuple[str, ...]

    @property
    def widened(self) -> Estimate:
        """The quantity as intervals show it."""
        return widened(self.own, self.by_seed, self.names)


def difference(metric: str, first: Sequence[Result], second: Sequence[Result], variant: str = "") -> Estimate | None:
    """A metric, or one of its variants, of one entry minus that of another, on one data set; scored in all runs.

    Returns:
        The difference; ``None`` where the entries have no seed in common.
    """
    seeds = common_seeds((first, second))
    if not seeds:
        return None
    return raw_difference(metric, [of_seeds(own, seeds) for own in (first, second)], variant=variant).widened


def common_seeds(entries: Iterable[Sequence[Result]]) -> tuple[int, ...]:
    """The seeds that all entries have, ascending."""
    return tuple(sorted(set.intersection(*({run.seed for run in own} for own in entries))))


def of_seeds(runs: Sequence[Result], seeds: Sequence[int]) -> list[Result]:
    """The runs of these seeds, in their order."""
    by_seed = {run.seed: run for run in runs}
    return [by_seed[seed] for seed in seeds]


def scored_runs(metric: str, pair: Sequence[Sequence[Result]]) -> list[list[Scored]]:
    """The scores of both sides, one per seed."""
    return [[score for run in runs if isinstance(score := run.scores[metric], Scored)] for runs in pair]


def raw_difference(metric: str, pair: Sequence[Sequence[Result]], *, variant: str = "", draws: int = DRAWS) -> Paired:
    """The quantity, from runs with the same seeds in the same order: of one entry, or of one minus another."""
    seeds, scores = tuple(run.seed for run in pair[0]), scored_runs(metric, pair)
    names = stream(pair[0])
    values = [[series(score, variant) for score in own] for own in scores]
    by_seed = np.array([own[0].mean() - (own[1].mean() if len(own) > 1 else 0) for own in zip(*values, strict=True)])
    if scores[0][0].measure.per != "prototype":
        crossed = same_units(metric, pair[0], scores[0])
        differences = [a - b for a, b in zip(*values, strict=True)] if len(values) > 1 else values[0]
        return Paired(seeds, estimate(differences, crossed=crossed, names=names, draws=draws), by_seed, names)
    both = zip(values, "ab", strict=False)
    parts = [estimate(own, crossed=False, names=names, draws=draws, units=units) for own, units in both]
    return Paired(seeds, parts[0] - parts[1] if len(parts) > 1 else parts[0], by_seed, names)


def stream(runs: Sequence[Result]) -> tuple[str, ...]:
    """The random stream of one data set: its entries see the same resampled seeds and images."""
    return ("claims", runs[0].suite, runs[0].dataset)


def series(score: Scored, variant: str = "") -> Array:
    """One number per unit."""
    return np.array(score.variants[variant] if variant else score.values)


def paired(metric: str, pairs: Sequence[tuple[Sequence[Result], Sequence[Result]]], draws: int) -> list[Paired | None]:
    """Several differences as `difference` takes them, with what a test needs beside the interval.

    Images are drawn once for all of them, which also makes many of them quick.

    Returns:
        One per pair; ``None`` where its entries have no seed in common.
    """
    common = [common_seeds(pair) for pair in pairs]
    found: list[Paired | None] = [None] * len(pairs)
    for seeds in set(common) - {()}:
        places = [place for place, own in enumerate(common) if own == seeds]
        runs = [[of_seeds(own, seeds) for own in pairs[place]] for place in places]
        if runs[0][0][0].scores[metric].measure.per == "prototype":
            raw = [raw_difference(metric, pair, draws=draws) for pair in runs]
        else:
            raw = _drawn_together(metric, runs, draws)
        for place, own in zip(places, raw, strict=True):
            found[place] = own
    return found


def _drawn_together(metric: str, pairs: Sequence[Sequence[Sequence[Result]]], draws: int) -> list[Paired]:
    """As `raw_difference` of each pair, for scores per image: all pairs see the same images in every resample."""
    first, scores = pairs[0][0], [scored_runs(metric, pair) for pair in pairs]
    names, seeds = stream(first), tuple(run.seed for run in first)
    values = [[[series(score) for score in own] for own in pair] for pair in scores]
    differences = [[_minus(metric, *both) for both in zip(*pair, strict=True)] for pair in values]
    crossed = all(
        same_units(metric, runs, own)
        for pair, both in zip(pairs, scores, strict=True)
        for runs, own in zip(pair, both, strict=True)
    )
    means = joint_means([np.stack(own) for own in zip(*differences, strict=True)], draws, names, crossed=crossed)
    found = []
    for own, column in zip(differences, means.T, strict=True):
        by_seed, scale = np.array([seed.mean() for seed in own]), max(float(np.abs(seed).max()) for seed in own)
        same = float(own[0][0])
        alike = all(bool((seed == same).all()) for seed in own)
        value, means = (same, np.full(draws, same)) if alike else (float(by_seed.mean()), column)
        found.append(Paired(seeds, Estimate(value, means, scale), by_seed, names))
    return found


def _minus(metric: str, first: Array, second: Array) -> Array:
    """The difference image by image. Raises `ResultsMixed` if the entries do not have the same images."""
    if len(first) != len(second):
        raise ResultsMixed(
            f"{metric} has {len(first)} scores in one entry and {len(second)} in another of the same seed; they are "
            "compared image by image. Compute them again with the same settings."
        )
    return first - second
