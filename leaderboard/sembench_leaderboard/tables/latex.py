"""The tables of the board for a paper: LaTeX with booktabs, one table environment per group of measures."""

from __future__ import annotations

import re

from sembench_leaderboard.tables.escape import latex as escape
from sembench_leaderboard.tables.table import Cell, Table

PREAMBLE = """\
% Needs \\usepackage{booktabs}; the file is UTF-8. Numbers are means with 95 % bootstrap intervals.
"""
_NUMBER = re.compile(r"(?P<digits>[+-]?\d[\d.]*)(?:e(?P<power>[+-]\d+))?")
_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}


def floating(content: Table, caption: str, label: str) -> str:
    """A table as an environment of its own; the caption is LaTeX."""
    head = [r"\begin{table}", r"\centering\small", f"\\caption{{{caption}}}", f"\\label{{{label}}}"]
    return "\n".join([*head, table(content), r"\end{table}", ""])


def table(content: Table) -> str:
    """One ``tabular`` and, below it, its notes."""
    heads = " & ".join(["", *(column.text(escape, _ARROWS) + _mark(column.note) for column in content.columns)])
    lines = [f"\\begin{{tabular}}{{l{'r' * len(content.columns)}}}", r"\toprule", f"{heads} \\\\", r"\midrule"]
    for row in content.rows:
        lines += [r"\midrule"] * row.aside
        lines.append(" & ".join([escape(row.label), *map(_cell, row.cells)]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [f"\\par\\smallskip {_mark(index)} {escape(note)}" for index, note in enumerate(content.notes)]
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    text = _NUMBER.sub(_math, cell.text.replace("—", "---")).replace("±", r"$\pm$")
    value, _, interval = text.partition(" [")
    text = rf"{value} {{\scriptsize [{interval}}}" if interval else value
    return text + _mark(cell.note)


def _math(number: re.Match[str]) -> str:
    power = rf" \cdot 10^{{{int(number['power'])}}}" if number["power"] else ""
    return f"${number['digits']}{power}$"


def _mark(index: int | None) -> str:
    return "" if index is None else f"\\textsuperscript{{{index + 1}}}"
