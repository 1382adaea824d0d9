"""A LaTeX document of a suite's score tables."""

from __future__ import annotations

from collections.abc import Sequence

from sembench_leaderboard.board.contents import overview_tables, score_tables
from sembench_leaderboard.entries.entry import Entry
from sembench_leaderboard.tables.escape import latex as escape
from sembench_leaderboard.tables.latex import _PREAMBLE, table
from sembench_leaderboard.tables.table import COMPARED, CONTROLS, Table


def document(suite: str, entries: Sequence[Entry]) -> str:
    """All score tables of a suite, to be included in a document."""
    parts = [_PREAMBLE]
    parts += [_float(content, suite, "all data sets", content.heading) for content in overview_tables(entries)]
    for dataset in sorted({entry.dataset for entry in entries}):
        own = [entry for entry in entries if entry.dataset == dataset]
        for content in score_tables(own, COMPARED):
            parts.append(_float(content, suite, dataset, content.heading))
        for content in score_tables(own, CONTROLS):
            parts.append(_float(content, suite, dataset, f"{content.heading} of the controls"))
    return "\n".join(parts)


def _float(content: Table, suite: str, dataset: str, what: str) -> str:
    caption = f"{what} on {escape(dataset)} (suite {escape(suite)}): mean [95\\,\\% interval]."
    label = f"tab:{suite}-{dataset}-{what}".lower().replace(" ", "-")
    head = [r"\begin{table}", r"\centering\small", f"\\caption{{{caption}}}", f"\\label{{{label}}}"]
    return "\n".join([*head, table(content), r"\end{table}", ""])
