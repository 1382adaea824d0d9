"""Ghosted against trained prototypes in a folder: a chart, a page and numbers for each suite and data set."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from itertools import groupby
from statistics import fmean
from urllib.parse import quote

from benchmark.results import Result
from leaderboard import markdown
from leaderboard.escape import markdown as escape
from leaderboard.ghosting_chart import charts
from leaderboard.ghosting_curve import Comparison, Point, comparisons
from leaderboard.tables import NOTHING, Cell, Column, Row, Table

FIELDS = ("suite", "dataset", "curve", "entry", "prototypes", "ghosted", "low", "high", "accuracy", "seeds")

_COLUMNS = (
    Column("Trained"), Column("Ghosted", "lower"), Column("Fewest to most"), Column("Accuracy", "higher", "%"),
    Column("Seeds"),
)  # fmt: skip
_HOW_TO_READ = """\
*Trained* is the number of prototypes, *ghosted* how many of them are ghosted, as a mean over seeds; *fewest to most* \
is the range over seeds, no confidence interval. *Accuracy* is the mean test accuracy of the same seeds: few ghosted \
prototypes mean nothing where it is low."""
_ALT = "Ghosted against trained prototypes, one curve per explainer"


def files(results: Iterable[Result]) -> dict[str, bytes]:
    """``<suite>/ghosting-<data set>`` as Markdown, CSV, PNG and SVG: content by path relative to the folder.

    The same results give the same bytes, see `leaderboard.board.board`.

    Args:
        results: Results as `load` returns them.

    Raises:
        SembenchError: If no result has a ghosting score.
    """
    made: dict[str, bytes] = {}
    for suite, group in groupby(comparisons(results), key=lambda comparison: comparison.suite):
        own = list(group)
        for comparison, drawn in zip(own, charts(own), strict=True):
            name = f"ghosting-{comparison.dataset}"
            texts = {f"{name}.md": page(comparison), f"{name}.csv": to_csv(comparison)}
            content = {file: text.encode() for file, text in texts.items()} | drawn
            made |= {f"{suite}/{file}": data for file, data in content.items()}
    return made


def page(comparison: Comparison) -> str:
    """The chart and the table of one data set as Markdown."""
    rows = [Row(label, _cells(point)) for label, points in comparison.curves.items() for point in points]
    parts = [
        f"# Ghosted against trained prototypes: {escape(comparison.suite)}, {escape(comparison.dataset)}",
        f"![{_ALT}]({quote(f'ghosting-{comparison.dataset}.png')})",
        *markdown.table(Table("", _COLUMNS, tuple(rows))),
        _HOW_TO_READ,
    ]
    if comparison.left_out:
        reasons = "; ".join(f"{escape(entry)} ({escape(why)})" for entry, why in comparison.left_out.items())
        parts.append(f"Left out, without a ghosting score: {reasons}.")
    if comparison.definition:
        parts.append(f"Ghosting: {escape(comparison.definition)}")
    return "\n\n".join(parts) + "\n"


def _cells(point: Point) -> tuple[Cell, ...]:
    accuracy = f"{100 * fmean(point.accuracies):.1f}" if point.accuracies else NOTHING
    spread = f"{_count(min(point.ghosted))} to {_count(max(point.ghosted))}"
    texts = (str(point.prototypes), _count(point.mean), spread, accuracy, " ".join(map(str, point.seeds)))
    return tuple(map(Cell, texts))


def _count(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.1f}"


def to_csv(comparison: Comparison) -> str:
    """The points of one data set as CSV with the columns ``FIELDS``; what is not known is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for label, points in comparison.curves.items():
        for point in points:
            accuracy = fmean(point.accuracies) if point.accuracies else ""
            numbers = (point.prototypes, point.mean, min(point.ghosted), max(point.ghosted), accuracy)
            seeds = " ".join(map(str, point.seeds))
            writer.writerow((comparison.suite, comparison.dataset, label, point.entry, *numbers, seeds))
    return text.getvalue()
