"""Does the order of entries survive another definition of a metric? Means of the variants beside the primary's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from leaderboard import numbers
from leaderboard.entry import KINDS, Entry, column
from leaderboard.tables import NOTHING, Cell, Column, Row, Table, by_row, head


def variant_tables(entries: Sequence[Entry]) -> list[Table]:
    """One table per metric with variants: do other definitions of the metric leave the order of entries alone?

    The last row counts the pairs of explainers that a variant puts in the same order as the primary definition, out of
    the pairs that the primary tells apart.
    """
    tables = []
    for metric in sorted({entry.metric for entry in entries if entry.variants}, key=column):
        scored = [entry for entry in entries if entry.metric == metric and entry.value is not None]
        names = sorted({name for entry in scored for name in entry.variants})
        measure = scored[0].measure
        rows = []
        for label, own in by_row(scored, KINDS).items():
            values = [own[metric].value, *(own[metric].variants.get(name) for name in names)]
            cells = (Cell(NOTHING if value is None else numbers.alone(value, measure)) for value in values)
            rows.append(Row(label, tuple(cells)))
        kept = (Cell(_pairs_kept(scored, name)) for name in names)
        rows.append(Row("pairs in the same order", (Cell(""), *kept), aside=True))
        columns = (head(measure), *(Column(name) for name in names))
        tables.append(Table(measure.title, columns, tuple(rows)))
    return tables


def _pairs_kept(entries: Iterable[Entry], variant: str) -> str:
    explainers = [e for e in entries if e.kind == "explainer" and variant in e.variants]
    products = [
        (a.value - b.value) * (a.variants[variant] - b.variants[variant])
        for a, b in combinations(explainers, 2)
        if a.value is not None and b.value is not None and a.value != b.value
    ]
    return f"{sum(product > 0 for product in products)} of {len(products)}" if products else NOTHING
