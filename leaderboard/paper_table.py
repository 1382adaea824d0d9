"""What does a table of a paper show? Its rows and columns as a declaration, see `leaderboard.paper_filled`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Protocol

from benchmark.results import NotApplicable, Result, Scored
from leaderboard import numbers
from leaderboard.method import Method
from leaderboard.tables import Column


class Quantity(Protocol):
    """A number of each cell."""

    def head(self, results: Sequence[Result]) -> Column:
        """What stands above the column."""

    def value(self, result: Result) -> float | str | None:
        """The number as printed; why it does not apply, in words; ``None`` where it was not measured."""

    def text(self, values: Sequence[float]) -> str:
        """The numbers of several seeds in one."""


@dataclass(frozen=True)
class Score:
    """The mean score of a metric, shares of images in percent.

    Attributes:
        metric: Key of the metric.
    """

    metric: str

    def head(self, results: Sequence[Result]) -> Column:
        """Title, direction and unit of the metric; its key where it was not measured."""
        measure = next((r.scores[self.metric].measure for r in results if self.metric in r.scores), None)
        return Column(measure.title, measure.direction, numbers.unit(measure)) if measure else Column(self.metric)

    def value(self, result: Result) -> float | str | None:
        """The mean over images or prototypes, or why there is none."""
        score = result.scores.get(self.metric)
        if isinstance(score, NotApplicable):
            return score.reason
        if not isinstance(score, Scored):
            return None
        return (100 if numbers.in_percent(score.measure) else 1) * fmean(score.values)

    def text(self, values: Sequence[float]) -> str:
        """Mean and sample standard deviation; a single seed has no spread."""
        return numbers.with_spread(fmean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class Spent:
    """A field of what a cell cost.

    Attributes:
        field: Name of the field of `benchmark.results.Cost`.
        title: What stands above the column.
        unit: Unit as printed.
        factor: From the field's unit to the printed one.
    """

    field: str
    title: str
    unit: str = ""
    factor: float = 1.0

    def head(self, results: Sequence[Result]) -> Column:
        """Title and unit; less is better for most, but not an aim by itself."""
        return Column(self.title, "", self.unit)

    def value(self, result: Result) -> float | str | None:
        """The number, ``None`` where the entry does not spend it."""
        spent = getattr(result.cost, self.field)
        return None if spent is None else self.factor * spent

    def text(self, values: Sequence[float]) -> str:
        """Mean and sample standard deviation; a count that is the same for all seeds has none."""
        same = len(set(values)) == 1
        return numbers.with_spread(fmean(values), None if same else stdev(values))


@dataclass(frozen=True)
class Varied:
    """Rows of one explainer: its entries that differ in one hyper-parameter only, in the order of its values.

    Attributes:
        name: Name of the explainer.
        hyperparameter: What runs down the rows.
    """

    name: str
    hyperparameter: str


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Attributes:
        key: Short name, unique.
        title: What it shows.
        source: Paper and number.
        rows: Methods; those that were not run stay as rows.
        quantities: One: columns are data sets. Several: they are the columns, of a table for each data set.
        note: What of the original is known, and what is ours.
        further: Methods beyond the paper, shown where they were run.
    """

    key: str
    title: str
    source: str
    rows: tuple[Method | Varied, ...]
    quantities: tuple[Quantity, ...]
    note: str = ""
    further: tuple[Method, ...] = ()
