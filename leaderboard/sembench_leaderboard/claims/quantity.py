"""Quantities that claims are about: of one entry, or of one minus another, on one data set.

Differences are paired over seeds, and over images where both entries scored the same ones, as in
`sembench_leaderboard.comparison.difference`. Intervals are widened for the small number of seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

import numpy as np

from sembench.results.result import Result
from sembench.results.score import Measure, NotApplicable
from sembench_leaderboard.claims.claim import Reading
from sembench_leaderboard.comparison.difference import (
    common_seeds,
    of_seeds,
    raw_difference,
    scored_runs,
    series,
    stream,
)
from sembench_leaderboard.entries.consistency import machine
from sembench_leaderboard.entries.entry import converted, same_units
from sembench_leaderboard.entries.grouping import Runs
from sembench_leaderboard.entries.profile import AXES, area
from sembench_leaderboard.entries.selection import Found, Missing, Selected, name_of
from sembench_leaderboard.statistics.bootstrap import Estimate, mean

_NO_METRICS: dict[str, tuple[str, Literal["higher", "lower"], str]] = {
    "radar_area": ("Radar area", "higher", ""),
    "position": ("Position on the radar's axis", "higher", "of the radius"),
    "training_seconds": ("Training time", "lower", "s"),
    "predict_seconds_single": ("Test time of a single image", "lower", "s"),
}  # title, direction and unit of quantities that are no metrics


@dataclass(frozen=True)
class Comparison:
    """One entry, or one entry minus another, on one data set or several.

    Attributes:
        metric: Key of the metric, or name of another quantity.
        first: Label of the entry; the method's title where there is none.
        second: The same for what is subtracted; empty where nothing is.
        seeds: Seeds that went in, the common ones of both; of several data sets, those of any of them.
        estimate: The quantity; ``None`` where results are missing.
        missing: Which results are missing, in words; nothing where there is an estimate.
    """

    metric: str
    first: str
    second: str
    datasets: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    measure: Measure | None = None
    estimate: Estimate | None = None
    missing: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What is compared, e.g. ``kmex minus flint``."""
        return f"{self.first} minus {self.second}" if self.second else self.first


def compare(metric: str, first: Found, second: Found | None, runs: Runs, *, reads: Reading = "scores") -> Comparison:
    """A quantity of one side, or its difference between two.

    Args:
        metric: Key of the metric, or name of another quantity.
        first: What the quantity is of.
        second: What is subtracted, if anything.
        runs: All runs of one suite on one data set: the models of conversions and the black box are found there.
        reads: What is read from results, see `sembench_leaderboard.claims.claim.Claim`.

    Raises:
        ResultsMixed: If a metric has different numbers of images in the seeds of one entry.
    """
    both = [one for one in (first, second) if one is not None]
    blank = Comparison(metric, first.label, second.label if second else "", (runs[0].dataset,))
    own = [one.runs for one in both if isinstance(one, Selected)]
    missing = [one.why for one in both if isinstance(one, Missing)]
    if not missing:
        missing = [lack for entry in own if (lack := _lack(metric, entry, runs, reads))]
    if missing:
        return replace(blank, missing=tuple(missing))
    seeds = common_seeds([*own, *(_model(entry, runs) for entry in own if reads == "improvement")])
    if not seeds:
        return replace(blank, missing=(f"{' and '.join(one.label for one in both)} have no seed in common",))
    pair = [of_seeds(entry, seeds) for entry in own]
    black_boxes = [run for run in runs if run.kind == "reference" and run.seed in seeds]
    if reads == "cost" and len({machine(run) for run in chain(*pair, black_boxes)}) > 1:
        return replace(blank, missing=(f"{metric} of {blank.label}: measured on machines of different kinds",))
    return replace(
        blank, seeds=seeds, measure=_measure(metric, reads, pair[0]), estimate=_READ[reads](metric, pair, runs)
    )


def _lack(metric: str, runs: Runs, others: Runs, reads: Reading) -> str:
    """Why an entry has nothing to compare, in words; empty if it has."""
    entry = runs[0].explainer
    if reads == "cost":
        return "" if all(getattr(run.cost, metric) is not None for run in runs) else f"{metric} of {entry} is not known"
    if reads == "improvement" and not _model(runs, others):
        return f"no result of the model that {entry} is made of"
    wanted = [axis.metric for axis in AXES] if reads == "area" else [metric]
    own = [*runs, *(_model(runs, others) if reads == "improvement" else ())]
    for run, name in ((run, name) for run in own for name in wanted):
        score = run.scores.get(name)
        if score is None:
            return f"{name} was not measured on {run.explainer}"
        if isinstance(score, NotApplicable):
            return f"{name} does not apply to {run.explainer}: {score.reason}"
        needed = {"range": ["curve"], "over random": ["curve", "random curve"]}.get(reads, [])
        if absent := [curve for curve in needed if curve not in score.details]:
            return f"{name} of {run.explainer} holds no mean {absent[0]}"
    return ""


def _measure(metric: str, reads: Reading, runs: Runs) -> Measure:
    """What the numbers mean."""
    if reads != "position" and metric not in _NO_METRICS:
        return runs[0].scores[metric].measure
    title, direction, unit = _NO_METRICS[metric if metric in _NO_METRICS else "position"]
    return Measure(
        title=title, direction=direction, lower=0, upper=None, unit=unit, per="prototype", version=1,
        reference="", chance_is="",
    )  # fmt: skip


def _model(runs: Runs, others: Runs) -> list[Result]:
    """The runs of the model that a conversion is made of; none where it was not run, or this is no conversion."""
    of, base = converted(runs[0]), runs[0].hyperparameters.get("base")
    return [run for run in others if name_of(run) == of and run.hyperparameters == base]


def _scores(metric: str, pair: Sequence[Runs], _: Runs) -> Estimate:
    """The mean score, or the difference, image by image where both scored the same ones."""
    own, measure = raw_difference(metric, pair).widened, pair[0][0].scores[metric].measure
    if len(pair) > 1 or measure.per != "prototype":
        return own
    return replace(own, means=np.clip(own.means, measure.lower, measure.upper))


def _position(metric: str, pair: Sequence[Runs], runs: Runs) -> Estimate:
    """The position on the radar's axis, or the difference of two; scales are straight lines."""
    (scale,) = (axis.scale for axis in AXES if axis.metric == metric)
    own, start = _scores(metric, pair, runs), scale(0) if len(pair) == 1 else 0.0
    slope = scale(1) - scale(0)
    return Estimate(start + slope * own.value, start + slope * own.means, max(abs(slope) * own.scale, abs(start)))


def _alone(metric: str, runs: Runs, word: str) -> Estimate:
    """The mean score of one side; the word keeps its prototypes apart from those of the other one."""
    (scores,) = scored_runs(metric, [runs])
    crossed = same_units(metric, runs, scores)
    return mean([series(score) for score in scores], crossed=crossed, names=stream(runs), units=word)


def _size(metric: str, own: Runs, _: Runs, word: str) -> Estimate:
    one = _alone(metric, own, word)
    return Estimate(abs(one.value), np.abs(one.means), one.scale)


def _area(_: str, own: Runs, __: Runs, word: str) -> Estimate:
    """Every metric sees the same seeds, those of one kind of unit the same units."""
    parts = [(axis.scale, _alone(axis.metric, own, word)) for axis in AXES]
    value = area([np.array(scale(part.value)) for scale, part in parts])
    return Estimate(float(value), area([scale(0) + (scale(1) - scale(0)) * part.means for scale, part in parts]), 1.0)


def _improvement(metric: str, own: Runs, runs: Runs, _: str) -> Estimate:
    return _scores(metric, [own, of_seeds(_model(own, runs), [run.seed for run in own])], runs)


def _one_number(numbers: Sequence[float], own: Runs, word: str) -> Estimate:
    """The mean of one number per seed."""
    return mean([np.array([number]) for number in numbers], crossed=False, names=stream(own), units=word)


def _range(metric: str, own: Runs, _: Runs, word: str) -> Estimate:
    (scores,) = scored_runs(metric, [own])
    spread = _one_number([np.ptp(score.details["curve"]) for score in scores], own, word)
    return replace(spread, means=spread.means.clip(0, 1))


def _over_random(metric: str, own: Runs, _: Runs, word: str) -> Estimate:
    """The clean image begins both curves, and noise alone ends them: these points are equal, and left out."""
    (scores,) = scored_runs(metric, [own])
    rises = [np.subtract(score.details["curve"], score.details["random curve"])[1:-1] for score in scores]
    return _one_number([rise.max() for rise in rises], own, word)


def _cost(name: str, own: Runs, _: Runs, word: str) -> Estimate:
    return _one_number([getattr(run.cost, name) for run in own], own, word)


Reader = Callable[[str, Sequence[Runs], Runs], Estimate]


def _by_side(read: Callable[[str, Runs, Runs, str], Estimate]) -> Reader:
    """A quantity of each side; the difference is taken in every resample."""

    def both(metric: str, pair: Sequence[Runs], runs: Runs) -> Estimate:
        parts = [read(metric, own, runs, word) for own, word in zip(pair, "ab", strict=False)]
        return parts[0] - parts[1] if len(parts) > 1 else parts[0]

    return both


_READ: dict[Reading, Reader] = {
    "scores": _scores, "position": _position, "size": _by_side(_size), "area": _by_side(_area),
    "improvement": _by_side(_improvement), "range": _by_side(_range), "over random": _by_side(_over_random),
    "cost": _by_side(_cost),
}  # fmt: skip


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
