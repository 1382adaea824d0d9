"""Tables of papers: rows and columns as declarations, filled with the results of one suite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from sembench.results.result import Result
from sembench.results.score import NotApplicable, Scored
from sembench_leaderboard.entries.grouping import by_dataset
from sembench_leaderboard.entries.selection import Method, Missing, Selected, find, name_of
from sembench_leaderboard.tables import numbers
from sembench_leaderboard.tables.table import NOTHING, Cell, Column, Row, Table


@dataclass(frozen=True)
class Score:
    """The mean score of a metric, shares of images in percent."""

    metric: str

    def head(self, results: Sequence[Result]) -> Column:
        """Title, direction and unit of the metric; its key where it was not measured."""
        measure = next((r.scores[self.metric].measure for r in results if self.metric in r.scores), None)
        return Column(measure.title, measure.direction, numbers.unit(measure)) if measure else Column(self.metric)

    def value(self, result: Result) -> float | str | None:
        """The mean over images or prototypes as printed; why it does not apply; ``None`` where it was not measured."""
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
    """A field of what a run cost.

    Attributes:
        field: Name of the field of `sembench.results.result.Cost`.
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


Quantity = Score | Spent
"""A number of each run."""


@dataclass(frozen=True)
class Varied:
    """Rows of one explainer: its entries that differ in one hyper-parameter only, in the order of its values."""

    name: str
    hyperparameter: str


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper.

    Attributes:
        key: Short name, unique.
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


NOT_RUN = "not run"

Found = Selected | Missing


def filled(declared: PaperTable, results: Iterable[Result]) -> list[Table]:
    """The table with the results of one suite; one for each data set if it has several quantities.

    Headings are the data sets that a table speaks of.
    """
    datasets = by_dataset(results)
    rows = {name: _rows(declared, runs) for name, runs in datasets.items()}
    if len(declared.quantities) > 1:
        return [_by_quantity(declared, name, runs, rows[name]) for name, runs in datasets.items()]
    return [_by_dataset(declared.quantities[0], datasets, rows)]


def _by_dataset(
    quantity: Quantity, datasets: Mapping[str, Sequence[Result]], rows: Mapping[str, Mapping[str, Found]]
) -> Table:
    """Methods against data sets."""
    notes: list[str] = []
    titles = dict.fromkeys(title for own in rows.values() for title in own)
    body = [
        Row(title, tuple(_cell(quantity, rows[name].get(title, Missing(NOT_RUN)), notes) for name in datasets))
        for title in titles
    ]
    heads = [quantity.head(runs) for runs in datasets.values()]
    columns = tuple(Column(name, head.direction, head.unit) for name, head in zip(datasets, heads, strict=True))
    return Table(", ".join(datasets), columns, tuple(body), tuple(notes))


def _by_quantity(declared: PaperTable, name: str, runs: Sequence[Result], rows: Mapping[str, Found]) -> Table:
    """Methods against quantities."""
    notes: list[str] = []
    body = [Row(title, tuple(_cell(q, found, notes) for q in declared.quantities)) for title, found in rows.items()]
    return Table(name, tuple(q.head(runs) for q in declared.quantities), tuple(body), tuple(notes))


def _cell(quantity: Quantity, found: Found, notes: list[str]) -> Cell:
    """Mean and spread over seeds; not run; or not applicable, with the reason as a note."""
    if isinstance(found, Missing):
        return Cell(NOT_RUN)
    values = [quantity.value(result) for result in found.runs]
    reasons = [value for value in values if isinstance(value, str)]
    known = [value for value in values if isinstance(value, (int, float))]
    if reasons:
        if reasons[0] not in notes:
            notes.append(reasons[0])
        return Cell("n/a", notes.index(reasons[0]))
    if not known:
        return Cell(NOTHING)
    return Cell(quantity.text(known))


def _rows(declared: PaperTable, runs: Sequence[Result]) -> dict[str, Found]:
    """The runs of every row on one data set, by title."""
    rows: dict[str, Found] = {}
    for row in declared.rows:
        rows |= _row(row, runs) if isinstance(row, Method) else _varied(row, runs)
    further = {method.title: find(method, runs) for method in declared.further}
    return rows | {title: found for title, found in further.items() if isinstance(found, Selected)}


def _row(wanted: Method, runs: Sequence[Result]) -> dict[str, Found]:
    """A method under its title; one with several names under the name that was found."""
    found = find(wanted, runs)
    return {wanted.title if isinstance(found, Missing) or len(wanted.names) == 1 else name_of(found.runs[0]): found}


def _varied(wanted: Varied, runs: Sequence[Result]) -> dict[str, Found]:
    """Entries that share every other hyper-parameter: those around the plain entry, else the largest such group."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for run in (run for run in runs if name_of(run) == wanted.name):
        others = {key: value for key, value in run.hyperparameters.items() if key != wanted.hyperparameter}
        groups.setdefault(json.dumps(others, sort_keys=True), {}).setdefault(run.explainer, []).append(run)
    if not groups:
        return {wanted.name: Missing(f"no result of {wanted.name}")}
    group = max(groups.values(), key=lambda entries: (wanted.name in entries, len(entries)))
    entries = [(own[0].hyperparameters.get(wanted.hyperparameter), Selected(tuple(own))) for own in group.values()]
    entries.sort(key=lambda entry: _order(entry[0]))
    return {f"{wanted.name}, {wanted.hyperparameter} = {value}": own for value, own in entries}


def _order(value: object) -> tuple[Literal[0, 1], float, str]:
    """Numbers by size, then everything else by name."""
    return (0, float(value), "") if isinstance(value, (int, float)) else (1, 0.0, str(value))
