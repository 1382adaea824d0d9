"""Differences of two methods on one data set, paired over seeds, and over images where both scored the same ones.

A metric with a score per image is compared image by image: the difference is taken within each seed, for both methods
explained the same black box on the same images. Prototypes of two methods do not correspond to each other: there the
difference is that of two means, whose seeds are drawn together and whose prototypes are drawn independently. Intervals
are widened for the small number of seeds, see `sembench_leaderboard.statistics.bootstrap.widened`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sembench.errors import ResultsMixed
from sembench.results.result import Result
from sembench.results.score import Measure, NotApplicable, Scored
from sembench_leaderboard.entries.entry import same_units
from sembench_leaderboard.entries.selection import Method, Missing, Selected, find
from sembench_leaderboard.statistics.bootstrap import DRAWS, Estimate, estimate, widened
from sembench_leaderboard.statistics.resampling import Array, joint_means


@dataclass(frozen=True)
class Comparison:
    """One method, or one method minus another, on one data set or several.

    Attributes:
        first: Label of the entry; the method's title where there is none.
        second: The same for what is subtracted; empty where nothing is.
        seeds: Seeds that went in, the common ones of both; of several data sets, those of any of them.
        estimate: The quantity; ``None`` where results are missing.
        missing: Which results are missing, in words; nothing where there is an estimate.
    """

    first: str
    second: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    measure: Measure | None = None
    estimate: Estimate | None = None
    missing: tuple[str, ...] = ()


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


def compare(
    metric: str, first: Method, second: Method | None, runs: Sequence[Result], *, reads: str = "scores"
) -> Comparison:
    """A metric of one method, or its difference between two, from all runs of one suite on one data set.

    ``reads`` is ``scores``, or ``range``, see `sembench_leaderboard.claims.claim.Claim`.

    Raises:
        ResultsMixed: If a metric has different numbers of images in the seeds of one entry.
    """
    found = [(wanted, find(wanted, runs)) for wanted in (first, second) if wanted is not None]
    titles = [wanted.title if isinstance(own, Missing) else own.label for wanted, own in found]
    blank = Comparison(titles[0], titles[1] if second else "", (runs[0].dataset,))
    selected = [own.runs for _, own in found if isinstance(own, Selected)]
    missing = [own.why for _, own in found if isinstance(own, Missing)]
    missing = missing or [lack for own in selected if (lack := _lack(metric, own, reads))]
    if missing:
        return replace(blank, missing=tuple(missing))
    seeds = common_seeds(selected)
    if not seeds:
        return replace(blank, missing=(f"{titles[0]} and {titles[1]} have no seed in common",))
    pair = [of_seeds(own, seeds) for own in selected]
    measure = pair[0][0].scores[metric].measure
    return replace(blank, seeds=seeds, measure=measure, estimate=_estimate(metric, pair, reads=reads))


def _lack(metric: str, runs: Sequence[Result], reads: str) -> str:
    """Why an entry has nothing to compare, in words; empty if it has."""
    entry = runs[0].explainer
    for run in runs:
        score = run.scores.get(metric)
        if score is None:
            return f"{metric} was not measured on {entry}"
        if isinstance(score, NotApplicable):
            return f"{metric} does not apply to {entry}: {score.reason}"
        if reads == "range" and "curve" not in score.details:
            return f"{metric} of {entry} holds no mean curve"
    return ""


def difference(metric: str, first: Sequence[Result], second: Sequence[Result], variant: str = "") -> Estimate | None:
    """A metric, or one of its variants, of one entry minus that of another, on one data set; scored in all runs.

    Returns:
        The difference; ``None`` where the entries have no seed in common.
    """
    seeds = common_seeds((first, second))
    return _estimate(metric, [of_seeds(own, seeds) for own in (first, second)], variant=variant) if seeds else None


def common_seeds(entries: Iterable[Sequence[Result]]) -> tuple[int, ...]:
    """The seeds that all entries have, ascending."""
    return tuple(sorted(set.intersection(*({run.seed for run in own} for own in entries))))


def of_seeds(runs: Sequence[Result], seeds: Sequence[int]) -> list[Result]:
    """The runs of these seeds, in their order."""
    by_seed = {run.seed: run for run in runs}
    return [by_seed[seed] for seed in seeds]


def _estimate(metric: str, pair: Sequence[Sequence[Result]], *, reads: str = "scores", variant: str = "") -> Estimate:
    """The quantity, from runs with the same seeds in the same order."""
    own = raw_difference(metric, pair, reads=reads, variant=variant).widened
    measure = pair[0][0].scores[metric].measure
    if len(pair) > 1 or (reads == "scores" and measure.per != "prototype"):
        return own
    return replace(own, means=np.clip(own.means, measure.lower, measure.upper))


def scored_runs(metric: str, pair: Sequence[Sequence[Result]]) -> list[list[Scored]]:
    """The scores of both sides, one per seed."""
    return [[score for run in runs if isinstance(score := run.scores[metric], Scored)] for runs in pair]


def raw_difference(
    metric: str, pair: Sequence[Sequence[Result]], *, reads: str = "scores", variant: str = "", draws: int = DRAWS
) -> Paired:
    """The quantity, from runs with the same seeds in the same order."""
    seeds, scores = tuple(run.seed for run in pair[0]), scored_runs(metric, pair)
    names = ("claims", pair[0][0].suite, pair[0][0].dataset)
    values = [[series(score, reads, variant) for score in own] for own in scores]
    by_seed = np.array([own[0].mean() - (own[1].mean() if len(own) > 1 else 0) for own in zip(*values, strict=True)])
    if reads == "scores" and scores[0][0].measure.per != "prototype":
        crossed = same_units(metric, pair[0], scores[0])
        differences = [a - b for a, b in zip(*values, strict=True)] if len(values) > 1 else values[0]
        return Paired(seeds, estimate(differences, crossed=crossed, names=names, draws=draws), by_seed, names)
    both = zip(values, "ab", strict=False)
    parts = [estimate(own, crossed=False, names=names, draws=draws, units=units) for own, units in both]
    return Paired(seeds, parts[0] - parts[1] if len(parts) > 1 else parts[0], by_seed, names)


def series(score: Scored, reads: str, variant: str) -> Array:
    """One number per unit; a single one where a mean curve is read."""
    if reads == "range":
        return np.array([np.ptp(score.details["curve"])])
    return np.array(score.variants[variant] if variant else score.values)


def mean_over_datasets(comparisons: Sequence[Comparison]) -> Comparison:
    """The mean of one comparison over data sets, each of them as it is: data sets are not resampled.

    Raises:
        ValueError: If there is none, or one without an estimate.
    """
    known = [own for comparison in comparisons if (own := comparison.estimate) is not None]
    if not known or len(known) < len(comparisons):
        raise ValueError(f"{len(known)} of {len(comparisons)} comparisons have an estimate; a mean needs all, and one.")
    value, means = float(np.mean([own.value for own in known])), np.mean([own.means for own in known], axis=0)
    return replace(
        comparisons[0],
        datasets=tuple(name for comparison in comparisons for name in comparison.datasets),
        seeds=tuple(sorted({seed for comparison in comparisons for seed in comparison.seeds})),
        estimate=Estimate(value, means, max(own.scale for own in known)),
    )


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
    (first, *_), scores = pairs[0][0], [scored_runs(metric, pair) for pair in pairs]
    names, seeds = ("claims", first.suite, first.dataset), tuple(run.seed for run in pairs[0][0])
    values = [[[series(score, "scores", "") for score in own] for own in pair] for pair in scores]
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
