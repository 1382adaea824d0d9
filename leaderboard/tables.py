"""What stands in which table? Scores with intervals and chance levels, whatever they are printed as later.

A table holds text of two kinds: numbers, made here, which need no escaping; and words from result files (labels,
titles, units, reasons), which whoever prints the table has to escape.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.results import Kind, Measure
from leaderboard import numbers
from leaderboard.entry import Entry, column

SECTIONS = {
    "test image": "Predictions",
    "training image": "Predictions",
    "explained image": "Explanations",
    "prototype": "Prototypes",
    "attribute": "Prototypes",
}
Kinds = tuple[Kind, ...]
COMPARED: Kinds = ("reference", "explainer")
CONTROLS: Kinds = ("control",)
NOTHING = "—"


@dataclass(frozen=True)
class Column:
    """Head of a column: title, what is better (``""`` where nothing is), unit."""

    title: str
    direction: Literal["", "higher", "lower"] = ""
    unit: str = ""


@dataclass(frozen=True)
class Cell:
    """Printed numbers, and the index of a note in the table's notes."""

    text: str
    note: int | None = None


@dataclass(frozen=True)
class Row:
    """A label and one cell per column; an aside is no entry of the board, e.g. a chance level."""

    label: str
    cells: tuple[Cell, ...]
    aside: bool = False


@dataclass(frozen=True)
class Table:
    """A table with notes, to which cells refer by index."""

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def score_tables(entries: Sequence[Entry], kinds: Kinds) -> list[Table]:
    """The scores of one data set: a table for predictions, for explanations and for prototypes.

    A chance level that is the same for all entries is a row; one that was measured for each entry is a column beside
    its score.

    Args:
        entries: All entries of one data set; columns are the same whatever is shown.
        kinds: The kinds of entries to show.
    """
    measures = {e.metric: e.measure for e in sorted(entries, key=lambda e: column(e.metric))}
    tables = []
    for section in dict.fromkeys(SECTIONS.values()):
        metrics = [metric for metric, measure in measures.items() if SECTIONS[measure.per] == section]
        if metrics and any(entry.kind in kinds for entry in entries):
            tables.append(_score_table(section, metrics, entries, kinds))
    return tables


def _score_table(section: str, metrics: Sequence[str], entries: Sequence[Entry], kinds: Kinds) -> Table:
    chances = {m: {e.chance for e in entries if e.metric == m and e.value is not None} for m in metrics}
    measures = {e.metric: e.measure for e in entries}
    columns: list[Column] = []
    for metric in metrics:
        columns.append(head(measures[metric]))
        if len(chances[metric]) > 1:
            columns.append(Column("by chance"))
    notes: list[str] = []
    rows = []
    for label, own in by_row(entries, kinds).items():
        cells: list[Cell] = []
        for metric in metrics:
            cells += _cells(own.get(metric), notes, beside=len(chances[metric]) > 1)
        rows.append(Row(label, tuple(cells)))
    same = {metric: next(iter(found)) for metric, found in chances.items() if len(found) == 1}
    if any(level is not None for level in same.values()):
        cells = []
        for metric in metrics:
            level = same.get(metric)
            if len(chances[metric]) > 1:
                cells += [Cell(""), Cell("")]
            else:
                cells.append(Cell(NOTHING if level is None else numbers.alone(level, measures[metric])))
        rows.append(Row("by chance", tuple(cells), aside=True))
    return Table(section, tuple(columns), tuple(rows), tuple(notes))


def _cells(entry: Entry | None, notes: list[str], *, beside: bool) -> list[Cell]:
    """The cell of a score, and of its chance level where that stands beside it."""
    cell = score_cell(entry, notes)
    if not beside:
        return [cell]
    if entry is None:
        return [cell, Cell(NOTHING)]
    if entry.value is None:
        return [cell, Cell("")]
    return [cell, Cell(NOTHING if entry.chance is None else numbers.alone(entry.chance, entry.measure))]


def score_cell(entry: Entry | None, notes: list[str]) -> Cell:
    """Mean and interval of a score; why there is none goes to the notes, once."""
    if entry is None:
        return Cell(NOTHING)
    if entry.value is None or entry.low is None or entry.high is None:
        reason = entry.reason or ""
        if reason not in notes:
            notes.append(reason)
        return Cell("n/a", notes.index(reason))
    return Cell(numbers.with_interval(entry.value, entry.low, entry.high, entry.measure))


def head(measure: Measure) -> Column:
    """Head of a measure's column."""
    return Column(measure.title, measure.direction, numbers.unit(measure))


def name(explainer: str, kind: Kind) -> str:
    """How an entry is called in tables."""
    return f"{explainer} (reference)" if kind == "reference" else explainer


def by_row(entries: Iterable[Entry], kinds: Kinds) -> dict[str, dict[str, Entry]]:
    """Entries of these kinds by row label, then metric. A label names the seeds only where entries differ in them."""
    entries = list(entries)
    differ = len({entry.seeds for entry in entries}) > 1
    rows: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        if entry.kind in kinds:
            label = name(entry.explainer, entry.kind) + (f", seeds {' '.join(map(str, entry.seeds))}" if differ else "")
            rows.setdefault(label, {})[entry.metric] = entry
    return rows
