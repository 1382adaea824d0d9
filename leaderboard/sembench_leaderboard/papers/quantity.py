"""Numbers of a run that tables of papers show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from sembench.results.result import Result
from sembench.results.score import NotApplicable, Scored
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.table import Column

Number = float | str | None
"""The number of a run; why there is none; ``None``: not measured."""


@dataclass(frozen=True)
class Score:
    """The mean score of a metric, shares of images in percent; the head of the column is the metric's by default."""

    metric: str
    title: str = ""

    def head(self, results: Sequence[Result]) -> Column:
        """Title, direction and unit of the metric; its key where it was not measured."""
        measure = next((r.scores[self.metric].measure for r in results if self.metric in r.scores), None)
        if measure is None:
            return Column(self.title or self.metric)
        return Column(self.title or measure.title, measure.direction, numbers.unit(measure))

    def number(self, result: Result) -> Number:
        """The mean over images or prototypes as printed."""
        score = result.scores.get(self.metric)
        if isinstance(score, NotApplicable):
            return score.reason
        if not isinstance(score, Scored):
            return None
        return (100 if numbers.in_percent(score.measure) else 1) * fmean(score.values)


@dataclass(frozen=True)
class Time:
    """A time that a run took: its name in `sembench.results.result.Cost`, and the factor from seconds to its unit."""

    title: str
    name: str
    unit: str = "s"
    factor: float = 1.0

    def head(self, results: Sequence[Result]) -> Column:
        """Title and unit; less is better."""
        return Column(self.title, "lower", self.unit)

    def number(self, result: Result) -> Number:
        """The time in its unit; why it is not known in results that hold the time of a batch alone."""
        seconds: float | None = getattr(result.cost, self.name)
        if seconds is None:
            return "its results hold no time of a single image; compute them again"
        return self.factor * seconds


TRAINING = Time("Training", "training_seconds")
SINGLE_IMAGE = Time("Test time", "predict_seconds_single", "ms", 1e3)

Quantity = Score | Time
"""A number of each run."""


def text(values: Sequence[float], *, signed: bool) -> str:
    """Mean and sample standard deviation; a single value has no spread. Differences carry their sign."""
    mean = fmean(values)
    return "+" * (signed and mean > 0) + numbers.with_spread(mean, stdev(values) if len(values) > 1 else None)
