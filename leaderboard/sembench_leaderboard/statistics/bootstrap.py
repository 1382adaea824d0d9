"""Uncertainty of a mean: 95 % bootstrap intervals over seeds and over what was scored.

A run's value is the mean over its units (images or prototypes); an entry's value is the mean over seeds of the runs'
values. Both levels are resampled with replacement: the seeds, if there are several, and the units. Units are *crossed*
with seeds when every seed scored the same units (a test image): one draw of units then serves all seeds of a resample.
They are *nested* when each seed has its own (a prototype): each drawn seed then gets its own draw of units.

Note:
    The interval covers what would change with other seeds (of training, of initialisation) and with other units drawn
    like these. It does not cover other training data, other hyper-parameters, or another data set. With one seed it
    speaks of that one trained model only. With few seeds the share of the seeds is understated: the variance of a
    bootstrap over S seeds is (S - 1) / S of what it should be, half of it with two seeds; every interval that is
    shown is `widened` for that. Prototypes are treated as draws from what the recipe would find, although one fit
    chooses them together. Overlapping intervals are no test of a difference: entries are scored on the same images, so
    a paired comparison is sharper.

References:
    Davison and Hinkley: Bootstrap Methods and their Application, 1997, sections 3.8 (hierarchical data) and 5.3.1
    (percentile limits).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sembench_leaderboard.statistics.digits import DIGITS, to_decimals
from sembench_leaderboard.statistics.resampling import Array, crossed_means, nested_means, seed_deviations

DRAWS = 1000
LEVEL = 0.95
MIN_SEEDS = 2  # one seed speaks of one trained model
_FACTOR = 8  # decimals of the factor of few seeds: versions of SciPy differ from the eleventh on


@dataclass(frozen=True)
class Interval:
    """A mean and its percentile interval, ``low <= value <= high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and the same mean in every resample.

    Attributes:
        means: One per resample, ``(draws,)``.
        scale: Size of the largest score that went in.
    """

    value: float
    means: Array
    scale: float

    def __sub__(self, other: Estimate) -> Estimate:
        """The difference of two means, resample by resample."""
        return Estimate(self.value - other.value, self.means - other.means, max(self.scale, other.scale))

    def interval(self) -> Interval:
        """The mean with its percentile limits.

        The limits have 9 digits, counted from the largest score, the same on every machine, and are widened to hold
        the mean should rounding have put it outside; they have no width where all resamples agree.
        """
        if bool((self.means == self.value).all()):
            return Interval(self.value, self.value, self.value)
        places = (len(self.means) - 1) * np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        limits = np.interp(places, np.arange(len(self.means)), np.sort(self.means))
        low, high = (to_decimals(float(limit), DIGITS - math.ceil(math.log10(self.scale))) for limit in limits)
        return Interval(self.value, min(low, self.value), max(high, self.value))


def estimate(
    runs: Sequence[Array], *, crossed: bool, names: Sequence[str], draws: int = DRAWS, units: str = "units"
) -> Estimate:
    """The mean over seeds, as it is and in every resample.

    Args:
        runs: One array of scores per seed, each ``(units,)``; of equal length where crossed.
        crossed: Whether position ``u`` is the same unit in every seed.
        names: What the random stream is for (the suite). It depends on these names and on nothing else: another entry
            on the board never moves an interval, and entries of one data set see the same resampled images.
        draws: Number of resamples.
        units: A word of the stream that draws nested units, see
            `sembench_leaderboard.statistics.resampling.nested_means`.

    Raises:
        ValueError: If a seed has no scores, or crossed seeds differ in their number.
    """
    sizes = [len(run) for run in runs]
    if not sizes or min(sizes) == 0 or (crossed and len(set(sizes)) > 1):
        raise ValueError(
            f"cannot resample seeds of {sizes} scores: each needs at least one, and crossed seeds equally many."
        )
    first = float(runs[0][0])
    scale = max(float(np.abs(run).max()) for run in runs)
    if all(bool((run == first).all()) for run in runs):
        return Estimate(first, np.full(draws, first), scale)
    value, stream = float(np.mean([run.mean() for run in runs])), tuple(names)
    means = crossed_means(runs, draws, stream) if crossed else nested_means(runs, draws, stream, units)
    return Estimate(value, means, scale)


def widened(own: Estimate, by_seed: Array, names: Sequence[str]) -> Estimate:
    """An estimate whose interval keeps its level with few seeds, so that 95 % means 95 %.

    A bootstrap over S seeds has (S - 1) / S of their variance, and its limits lie where a normal distribution has them
    instead of Student's t. In every resample, the part that comes from the seeds drawn is enlarged by
    ``sqrt(S / (S - 1)) t / z`` with the 97.5 % quantiles of t (S - 1 degrees of freedom) and of the normal
    distribution: 9.2 for two seeds, 2.7 for three, 1.6 for five. A single seed leaves the estimate as it is.
    """
    seeds = len(by_seed)
    if seeds < 2 or bool((by_seed == by_seed[0]).all()):
        return own
    deviations = seed_deviations(by_seed, len(own.means), tuple(names))
    return replace(own, means=own.means + (widening(seeds, LEVEL) - 1) * deviations)


def widening(seeds: int, level: float) -> float:
    """Factor of the part of the seeds, two or more, in an interval of this level; see `widened`."""
    from scipy.special import ndtri, stdtrit

    upper = (1 + level) / 2
    factor = math.sqrt(seeds / (seeds - 1)) * float(stdtrit(seeds - 1, upper) / ndtri(upper))
    return round(factor, _FACTOR)


def mean(runs: Sequence[Array], *, crossed: bool, names: Sequence[str], units: str = "units") -> Estimate:
    """The mean over seeds, `widened` for few of them; arguments as those of `estimate`."""
    own = estimate(runs, crossed=crossed, names=names, units=units)
    return widened(own, np.array([run.mean() for run in runs]), names)


def bootstrap(
    runs: Sequence[Array],
    *,
    crossed: bool,
    names: Sequence[str],
    lower: float | None = None,
    upper: float | None = None,
) -> Interval:
    """The mean over seeds with its 95 % interval, `widened` for few seeds, within the range that a score can have.

    Other arguments as those of `estimate`.
    """
    own = mean(runs, crossed=crossed, names=names)
    low, high = -math.inf if lower is None else lower, math.inf if upper is None else upper
    return replace(own, means=np.clip(own.means, low, high)).interval()
