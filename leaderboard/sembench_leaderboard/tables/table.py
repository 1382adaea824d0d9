"""Tables of scores with intervals and chance levels, before they are printed as Markdown, LaTeX or HTML.

A table holds text of two kinds: numbers, made here, which need no escaping; and words from result files (labels,
titles, units, reasons), which the printer of the table has to escape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sembench.results.result import Kind

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
    """Head of a column: title, what is better (``""`` where nothing is), unit, index of a note in the table's notes."""

    title: str
    direction: Literal["", "higher", "lower"] = ""
    unit: str = ""
    note: int | None = None

    def text(self, escape: Callable[[str], str], arrows: Mapping[str, str]) -> str:
        """The head as printed, with an arrow for its direction."""
        unit = f", {escape(self.unit)}" if self.unit else ""
        return f"{escape(self.title)}{unit}{arrows[self.direction]}"


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
    """A table with notes, to which heads and cells refer by index."""

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def noted(text: str, notes: list[str]) -> int:
    """Index of a text among the notes of a table, which it joins where it is new."""
    if text not in notes:
        notes.append(text)
    return notes.index(text)
