"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.table import Column, Table

ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


def grid(rows: Sequence[Sequence[str]], heads: Sequence[str], alignment: Sequence[str] = ()) -> str:
    """Rows of Markdown as a table; columns are aligned to the left unless told otherwise."""
    sides = list(alignment) or ["left"] * len(heads)
    return tabulate(rows, heads, tablefmt="pipe", disable_numparse=True, colalign=sides)


def table(content: Table) -> list[str]:
    """A table, and its notes as a list."""
    heads = ["", *map(_head, content.columns)]
    rows = [
        [f"*{escape(row.label)}*" if row.aside else escape(row.label)]
        + [cell.text if cell.note is None else f"{cell.text} ({cell.note + 1})" for cell in row.cells]
        for row in content.rows
    ]
    alignment = ("left", *["right"] * len(content.columns))
    text = grid(rows, heads, alignment)
    notes = "\n".join(f"- ({number}) {escape(note)}" for number, note in enumerate(content.notes, start=1))
    return [text, notes] if notes else [text]


def _head(head: Column) -> str:
    unit = f", {escape(head.unit)}" if head.unit else ""
    return f"{escape(head.title)}{unit}{ARROWS[head.direction]}"
