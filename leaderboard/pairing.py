"""How much do many pairs of entries differ on one data set? For tests: all pairs see the same resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.errors import ResultsMixed
from benchmark.results import Result
from leaderboard.aggregate import same_units
from leaderboard.comparison import raw_difference, scored_cells, series, stream_names
from leaderboard.levels import Array
from leaderboard.resampling import joint_means
from leaderboard.statistics import Estimate, widened


@dataclass(frozen=True)
class Paired:
    """One entry minus another, before its interval is widened for the small number of seeds.

    Attributes:
        seeds: The seeds that both have.
        own: The difference.
        by_seed: The difference in each seed, ``(seeds,)``.
        names: The names of its random stream.
    """

    seeds: tuple[int, ...]
    own: Estimate
    by_seed: Array
    names: tuple[str, ...]

    @property
    def widened(self) -> Estimate:
        """The difference as intervals show it."""
        return widened(self.own, self.by_seed, self.names)


def paired(metric: str, pairs: Sequence[tuple[Sequence[Result], Sequence[Result]]], draws: int) -> list[Paired | None]:
    """Several differences as `difference` takes them, with what a test needs beside the interval.

    Images are drawn once for all of them, which also makes many of them quick.

    Args:
        metric: Key of the metric; scored in all cells.
        pairs: Cells of an entry, and of what is subtracted.
        draws: Number of resamples.

    Returns:
        One per pair; ``None`` where its entries have no seed in common.
    """
    common = [tuple(sorted({cell.seed for cell in a} & {cell.seed for cell in b})) for a, b in pairs]
    found: list[Paired | None] = [None] * len(pairs)
    for seeds in set(common) - {()}:
        places = [place for place, own in enumerate(common) if own == seeds]
        cells = [[_of_seeds(own, seeds) for own in pairs[place]] for place in places]
        measure = cells[0][0][0].scores[metric].measure
        if measure.per == "prototype":
            raw = [raw_difference(metric, pair, draws=draws) for pair in cells]
        else:
            raw = _drawn_together(metric, cells, draws)
        for place, own in zip(places, raw, strict=True):
            found[place] = Paired(seeds, *own)
    return found


def _of_seeds(cells: Sequence[Result], seeds: Sequence[int]) -> list[Result]:
    by_seed = {cell.seed: cell for cell in cells}
    return [by_seed[seed] for seed in seeds]


def _drawn_together(
    metric: str, pairs: Sequence[Sequence[Sequence[Result]]], draws: int
) -> list[tuple[Estimate, Array, tuple[str, ...]]]:
    """As `raw_difference` of each pair, for scores per image: all pairs see the same images in every resample."""
    names, scores = stream_names(pairs[0]), [scored_cells(metric, pair) for pair in pairs]
    values = [[[series(score, "scores", "") for score in own] for own in pair] for pair in scores]
    differences = [[_minus(metric, *both) for both in zip(*pair, strict=True)] for pair in values]
    crossed = all(
        same_units(metric, cells, own)
        for pair, both in zip(pairs, scores, strict=True)
        for cells, own in zip(pair, both, strict=True)
    )
    means = joint_means([np.stack(own) for own in zip(*differences, strict=True)], draws, names, crossed=crossed)
    found = []
    for own, column in zip(differences, means.T, strict=True):
        by_seed, scale = np.array([seed.mean() for seed in own]), max(float(np.abs(seed).max()) for seed in own)
        first = float(own[0][0])
        if all(bool((seed == first).all()) for seed in own):
            found.append((Estimate(first, np.full(draws, first), scale), by_seed, names))
        else:
            found.append((Estimate(float(by_seed.mean()), column, scale), by_seed, names))
    return found


def _minus(metric: str, first: Array, second: Array) -> Array:
    """The difference image by image. Raises `ResultsMixed` if the entries do not have the same images."""
    if len(first) != len(second):
        raise ResultsMixed(
            f"{metric} has {len(first)} scores in one entry and {len(second)} in another of the same seed; they are "
            "compared image by image. Compute them again with the same settings."
        )
    return first - second
