"""Tables of papers: rows and columns as declarations, filled with the results of one suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from sembench.results.result import Result
from sembench_leaderboard.entries.grouping import by_dataset, gathered
from sembench_leaderboard.entries.selection import NOT_RUN as NO_RESULT
from sembench_leaderboard.entries.selection import Found, Method, Missing, Selected, find, name_of, others
from sembench_leaderboard.papers.quantity import Quantity, text
from sembench_leaderboard.tables.table import NOTHING, Cell, Column, Row, Table, noted

OURS = " [ours]"  # after the title of a row or column that the paper's table does not have
NOT_RUN = "not run"


@dataclass(frozen=True)
class Line:
    """A row: one method.

    Attributes:
        title: As the paper words it; ``{network}`` stands for the backbone of the results.
        method: Which entry is meant, or why there is none, whatever was run.
        less: The method that it is compared with: the row holds differences, paired over seeds.
    """

    title: str
    method: Method | Missing
    less: Method | None = None


@dataclass(frozen=True)
class Varied:
    """Rows of one explainer: its entries that differ in one hyper-parameter only, in the order of its values."""

    name: str
    hyperparameter: str


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper, or the numbers behind one of its figures.

    Attributes:
        key: Short name, unique.
        source: Paper and number.
        datasets: Labels of the paper's data sets in its order.
        rows: Methods; those that were not run stay as rows.
        quantities: One or two: a column of each for every data set. More: a table for every data set.
        note: What of the original is known, and what is ours.
        further: Methods beyond the paper, shown where they were run.
        turned: Methods are the columns.
    """

    key: str
    title: str
    source: str
    datasets: tuple[str, ...]
    rows: tuple[Line | Varied, ...]
    quantities: tuple[Quantity, ...]
    note: str = ""
    further: tuple[Line, ...] = ()
    turned: bool = False

    @property
    def split(self) -> bool:
        """Whether every data set has a table of its own."""
        return len(self.quantities) > 2


@dataclass(frozen=True)
class _Runs:
    """What a row holds on one data set: the runs of its method, and of the one that they are compared with."""

    own: Found
    less: Found | None = None


def filled(declared: PaperTable, results: Iterable[Result]) -> list[Table]:
    """The table with the results of one suite; one for each data set if it has more than two quantities.

    Headings are the data sets that a table speaks of. The paper's come first, in its order.
    """
    datasets = dict(sorted(by_dataset(results).items(), key=lambda item: _place(declared, item[0])))
    network = _network(run for runs in datasets.values() for run in runs)
    groups = [[name] for name in datasets] if declared.split else [list(datasets)]
    tables = [_table(declared, {name: datasets[name] for name in group}, network) for group in groups]
    return [_turned(table) for table in tables] if declared.turned else tables


def _network(results: Iterable[Result]) -> str:
    """The backbone of a suite as the papers call it, or by its name in the registry."""
    specs = [run.settings.get("backbone") for run in results]
    names = dict.fromkeys(str(spec.get("name")) for spec in specs if isinstance(spec, dict))
    return " or ".join("ResNet34" if name == "resnet34" else name for name in names) or "black box"


def _place(declared: PaperTable, dataset: str) -> tuple[int, str]:
    known = declared.datasets
    return (known.index(dataset) if dataset in known else len(known), dataset)


def _table(declared: PaperTable, datasets: Mapping[str, Sequence[Result]], network: str) -> Table:
    """Methods against data sets and quantities."""
    notes: list[str] = []
    rows = {name: _rows(declared, runs, network) for name, runs in datasets.items()}
    titles = dict.fromkeys(title for own in rows.values() for title in own)
    pairs = [(name, quantity) for name in datasets for quantity in declared.quantities]
    body = [
        Row(title, tuple(_cell(q, rows[name].get(title, _Runs(Missing(NO_RESULT))), notes) for name, q in pairs))
        for title in titles
    ]
    columns = tuple(_column(declared, name, quantity.head(datasets[name])) for name, quantity in pairs)
    return Table(", ".join(datasets), columns, tuple(body), tuple(notes))


def _column(declared: PaperTable, dataset: str, head: Column) -> Column:
    """The head of a column, as short as it is clear."""
    if declared.split:
        return head
    mark = "" if dataset in declared.datasets else OURS
    title = f"{head.title} on {dataset}" if declared.turned else dataset
    title = f"{dataset}: {head.title}" if len(declared.quantities) > 1 else title
    return Column(title + mark, head.direction, head.unit)


def _turned(table: Table) -> Table:
    """The table with rows and columns exchanged; a row has no arrow for what is better."""
    rows = [
        Row(f"{column.title}, {column.unit}" if column.unit else column.title, cells)
        for column, cells in zip(table.columns, zip(*(row.cells for row in table.rows), strict=True), strict=True)
    ]
    return Table(table.heading, tuple(Column(row.label) for row in table.rows), tuple(rows), table.notes)


def _cell(quantity: Quantity, runs: _Runs, notes: list[str]) -> Cell:
    """Mean and spread; not run; or not applicable, with the reason as a note."""
    found = _by_seed(quantity, runs.own)
    if isinstance(found, dict) and runs.less is not None:
        others = _by_seed(quantity, runs.less)
        found = _differences(found, others) if isinstance(others, dict) else others
    if isinstance(found, str):
        return Cell(NOT_RUN) if found.startswith(NO_RESULT) else Cell("n/a", noted(found, notes))
    return Cell(text(list(found.values()), signed=runs.less is not None) if found else NOTHING)


def _by_seed(quantity: Quantity, found: Found) -> dict[int, float] | str:
    """The numbers of a method by seed, without those that were not measured; why there are none."""
    if isinstance(found, Missing):
        return found.why
    values = {run.seed: quantity.number(run) for run in found.runs}
    reasons = [value for value in values.values() if isinstance(value, str)]
    return reasons[0] if reasons else {seed: v for seed, v in values.items() if isinstance(v, (int, float))}


def _differences(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float] | str:
    """Differences by seed. A mean over the seeds of one of the two alone would mislead."""
    if one.keys() != other.keys():
        seeds = " and ".join(", ".join(map(str, sorted(keys))) or "none" for keys in (one, other))
        return f"the two have results of different seeds ({seeds}), which cannot be paired"
    return {seed: one[seed] - other[seed] for seed in one}


def _rows(declared: PaperTable, runs: Sequence[Result], network: str) -> dict[str, _Runs]:
    """The runs of every row on one data set, by title."""
    rows: dict[str, _Runs] = {}
    for row in declared.rows:
        rows |= {row.title.format(network=network): _line(row, runs)} if isinstance(row, Line) else _varied(row, runs)
    further = {row.title.format(network=network) + OURS: _line(row, runs) for row in declared.further}
    return rows | {title: found for title, found in further.items() if isinstance(found.own, Selected)}


def _line(row: Line, runs: Sequence[Result]) -> _Runs:
    own = find(row.method, runs) if isinstance(row.method, Method) else row.method
    return _Runs(own, None if row.less is None else find(row.less, runs))


def _varied(wanted: Varied, runs: Sequence[Result]) -> dict[str, _Runs]:
    """Entries that share every other hyper-parameter: those around the plain entry, else the largest such group."""
    own = [run for run in runs if name_of(run) == wanted.name]
    if not own:
        return {wanted.name: _Runs(Missing(NO_RESULT + wanted.name))}
    groups = gathered(own, partial(others, wanted.hyperparameter)).values()
    by_label = [gathered(group, lambda run: run.explainer) for group in groups]
    group = max(by_label, key=lambda entries: (wanted.name in entries, len(entries)))
    entries = [(own[0].hyperparameters.get(wanted.hyperparameter), Selected(tuple(own))) for own in group.values()]
    entries.sort(key=lambda entry: _order(entry[0]))
    return {f"{wanted.name}, {wanted.hyperparameter} = {value}": _Runs(own) for value, own in entries}


def _order(value: object) -> tuple[Literal[0, 1], float, str]:
    """Numbers by size, then everything else by name."""
    return (0, float(value), "") if isinstance(value, (int, float)) else (1, 0.0, str(value))
