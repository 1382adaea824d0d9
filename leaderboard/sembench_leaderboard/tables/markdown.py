"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.table import Table

ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


def grid(rows: Sequence[Sequence[str]], heads: Sequence[str], alignment: Sequence[str] = ()) -> str:
    """Rows of Markdown as a table; columns are aligned to the left unless told otherwise."""
    sides = list(alignment) or ["left"] * len(heads)
    return tabulate(rows, heads, tablefmt="pipe", disable_numparse=True, colalign=sides)


def table(content: Table) -> list[str]:
    """A table, and its notes as a list."""
    heads = ["", *(column.text(escape, ARROWS) + _mark(column.note) for column in content.columns)]
    rows = [
        [f"*{escape(row.label)}*" if row.aside else escape(row.label)]
        + [cell.text + _mark(cell.note) for cell in row.cells]
        for row in content.rows
    ]
    text = grid(rows, heads, ("left", *["right"] * len(content.columns)))
    notes = "\n".join(f"- ({number}) {escape(note)}" for number, note in enumerate(content.notes, start=1))
    return [text, notes] if notes else [text]


def _mark(note: int | None) -> str:
    return "" if note is None else f" ({note + 1})"
