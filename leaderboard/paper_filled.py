"""How is a paper's table filled with results? Mean and spread over seeds; what was not run is shown as such."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from benchmark.results import Result
from leaderboard.method import Method, find, name_of
from leaderboard.paper_table import PaperTable, Quantity, Varied
from leaderboard.tables import NOTHING, Cell, Column, Row, Table

NOT_RUN = "not run"

# The cells of one row on one data set, or why there are none, in words.
Found = list[Result] | str


def filled(declared: PaperTable, results: Iterable[Result]) -> list[Table]:
    """The table with the results of one suite; one for each data set if it has several quantities.

    Args:
        declared: The table.
        results: Results of one suite.

    Returns:
        Tables whose headings are the data sets that they speak of.
    """
    datasets: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda r: (r.dataset, r.explainer, r.seed)):
        datasets.setdefault(result.dataset, []).append(result)
    rows = {name: _rows(declared, cells) for name, cells in datasets.items()}
    if len(declared.quantities) > 1:
        return [_by_quantity(declared, name, cells, rows[name]) for name, cells in datasets.items()]
    return [_by_dataset(declared.quantities[0], datasets, rows)]


def _by_dataset(
    quantity: Quantity, datasets: Mapping[str, Sequence[Result]], rows: Mapping[str, Mapping[str, Found]]
) -> Table:
    """Methods against data sets."""
    notes: list[str] = []
    titles = dict.fromkeys(title for own in rows.values() for title in own)
    body = [
        Row(title, tuple(_cell(quantity, rows[name].get(title, NOT_RUN), notes) for name in datasets))
        for title in titles
    ]
    heads = [quantity.head(cells) for cells in datasets.values()]
    columns = tuple(Column(name, head.direction, head.unit) for name, head in zip(datasets, heads, strict=True))
    return Table(", ".join(datasets), columns, tuple(body), tuple(notes))


def _by_quantity(declared: PaperTable, name: str, cells: Sequence[Result], rows: Mapping[str, Found]) -> Table:
    """Methods against quantities."""
    notes: list[str] = []
    body = [Row(title, tuple(_cell(q, found, notes) for q in declared.quantities)) for title, found in rows.items()]
    return Table(name, tuple(q.head(cells) for q in declared.quantities), tuple(body), tuple(notes))


def _cell(quantity: Quantity, found: Found, notes: list[str]) -> Cell:
    """Mean and spread over seeds; not run; or not applicable, with the reason as a note."""
    if isinstance(found, str):
        return Cell(NOT_RUN)
    values = [quantity.value(result) for result in found]
    reasons = [value for value in values if isinstance(value, str)]
    known = [value for value in values if isinstance(value, (int, float))]
    if reasons:
        if reasons[0] not in notes:
            notes.append(reasons[0])
        return Cell("n/a", notes.index(reasons[0]))
    if not known:
        return Cell(NOTHING)
    return Cell(quantity.text(known))


def _rows(declared: PaperTable, cells: Sequence[Result]) -> dict[str, Found]:
    """The cells of every row on one data set, by title."""
    rows: dict[str, Found] = {}
    for row in declared.rows:
        rows |= _row(row, cells) if isinstance(row, Method) else _varied(row, cells)
    further = {method.title: find(method, cells) for method in declared.further}
    return rows | {title: found for title, found in further.items() if not isinstance(found, str)}


def _row(wanted: Method, cells: Sequence[Result]) -> dict[str, Found]:
    """A method under its title; one with several names under the name that was found."""
    found = find(wanted, cells)
    return {wanted.title if isinstance(found, str) or len(wanted.names) == 1 else name_of(found[0]): found}


def _varied(wanted: Varied, cells: Sequence[Result]) -> dict[str, Found]:
    """Entries that share every other hyper-parameter: those around the plain entry, else the largest such group."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for cell in (cell for cell in cells if name_of(cell) == wanted.name):
        others = {key: value for key, value in cell.hyperparameters.items() if key != wanted.hyperparameter}
        groups.setdefault(json.dumps(others, sort_keys=True), {}).setdefault(cell.explainer, []).append(cell)
    if not groups:
        return {wanted.name: f"no result of {wanted.name}"}
    group = max(groups.values(), key=lambda entries: (wanted.name in entries, len(entries)))
    entries = sorted(group.values(), key=lambda own: _order(own[0].hyperparameters.get(wanted.hyperparameter)))
    return {
        f"{wanted.name}, {wanted.hyperparameter} = {own[0].hyperparameters.get(wanted.hyperparameter)}": own
        for own in entries
    }


def _order(value: object) -> tuple[Literal[0, 1], float, str]:
    """Numbers by size, then everything else by name."""
    return (0, float(value), "") if isinstance(value, (int, float)) else (1, 0.0, str(value))
