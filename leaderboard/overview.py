"""How do the methods compare over all data sets of a suite? One table per measure, data sets side by side."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.entry import Entry, column
from leaderboard.tables import COMPARED, Column, Row, Table, head, name, score_cell

MEASURES = ("accuracy", "accuracy_gap", "lrp_kl", "ro_auroc", "ro_auroc_gain", "ghosting", "diversity")
"""What the radar chart shows, and what it needs to be read: accuracy itself and the gain over random order."""


def overview_tables(entries: Sequence[Entry]) -> list[Table]:
    """A table per measure: a row per method, a column per data set, mean and interval; no controls.

    Args:
        entries: All entries of a suite.

    Returns:
        No table for a suite of one data set: its own tables say the same.
    """
    datasets = sorted({entry.dataset for entry in entries})
    if len(datasets) < 2:
        return []
    shown = sorted({entry.metric for entry in entries if entry.metric in MEASURES}, key=column)
    return [_table([entry for entry in entries if entry.metric == metric], datasets) for metric in shown]


def _table(entries: Sequence[Entry], datasets: Sequence[str]) -> Table:
    """The table of one measure."""
    title = head(entries[0].measure)
    notes: list[str] = []
    rows = []
    for kind in COMPARED:
        for explainer in sorted({entry.explainer for entry in entries if entry.kind == kind}):
            own = {entry.dataset: entry for entry in entries if entry.explainer == explainer}
            cells = tuple(score_cell(own.get(dataset), notes) for dataset in datasets)
            rows.append(Row(name(explainer, kind), cells))
    columns = tuple(Column(dataset, title.direction, title.unit) for dataset in datasets)
    return Table(title.title, columns, tuple(rows), tuple(notes))
