"""Measures against the number of trained prototypes in a folder: a chart, a page and numbers for each data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from urllib.parse import quote

from sembench.results.result import Result
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.entries.versions import other_versions
from sembench_leaderboard.prototypes.chart import charts
from sembench_leaderboard.prototypes.curve import Comparison, Part, Point, comparisons
from sembench_leaderboard.tables import csv, markdown
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.table import NOTHING, Cell, Column, Row, Table

FIELDS = ("suite", "dataset", "metric", "curve", "entry", "prototypes", "value", "low", "high", "accuracy", "seeds")

_HOW_TO_READ = """\
*Trained* is the number of prototypes; beside it the mean over seeds, and the range over seeds, which is no confidence \
interval. *Accuracy* is the mean test accuracy of the same seeds: prototypes mean nothing where it is low."""
_ALT = "Measures against the number of trained prototypes, one curve per explainer"


def files(results: Iterable[Result]) -> dict[str, bytes]:
    """``<suite>/prototypes-<data set>`` as Markdown, CSV, PNG and SVG: content by path relative to the folder.

    The same results give the same bytes, see `sembench_leaderboard.board.board.board`.

    Raises:
        SembenchError: If no result has a score of anything that is drawn.
    """
    made: dict[str, bytes] = {}
    for suite, own in gathered(comparisons(results), lambda comparison: comparison.suite).items():
        for comparison, drawn in zip(own, charts(own), strict=True):
            name = f"prototypes-{comparison.dataset}"
            texts = {f"{name}.md": page(comparison).encode(), f"{name}.csv": to_csv(comparison).encode()}
            made |= {f"{suite}/{file}": data for file, data in (texts | drawn).items()}
    return made


def page(comparison: Comparison) -> str:
    """The chart and the tables of one data set as Markdown."""
    parts = [
        f"# Numbers of prototypes: {escape(comparison.suite)}, {escape(comparison.dataset)}",
        f"![{_ALT}]({quote(f'prototypes-{comparison.dataset}.png')})",
        _HOW_TO_READ,
    ]
    for part in comparison.parts:
        parts += [f"## {part.quantity.title.capitalize()}", *_section(part)]
    return "\n\n".join(parts) + "\n"


def _section(part: Part) -> list[str]:
    """The table of one quantity, and what belongs to it."""
    columns = (
        Column("Trained"), Column("Mean", part.measure.direction), Column("Smallest to largest"),
        Column("Accuracy", "higher", "%"), Column("Seeds"),
    )  # fmt: skip
    rows = [Row(label, _cells(part, point)) for label, points in part.curves.items() for point in points]
    texts = markdown.table(Table("", columns, tuple(rows)))
    if part.left_out:
        reasons = "; ".join(f"{escape(entry)} ({escape(why)})" for entry, why in part.left_out.items())
        texts.append(f"Left out: {reasons}.")
    texts.append(f"{escape(part.measure.title)}: {escape(part.measure.note)}")
    others = other_versions({part.quantity.metric: part.measure}).values()
    return texts + [f"These results are {escape(other.text)}." for other in others]


def _cells(part: Part, point: Point) -> tuple[Cell, ...]:
    accuracy = f"{100 * fmean(point.accuracies):.1f}" if point.accuracies else NOTHING
    mean, low, high = map(part.quantity.text, (point.mean, min(point.values), max(point.values)))
    texts = (str(point.prototypes), mean, f"{low} to {high}", accuracy, " ".join(map(str, point.seeds)))
    return tuple(map(Cell, texts))


def to_csv(comparison: Comparison) -> str:
    """The points of one data set as CSV with the columns ``FIELDS``; what is not known is an empty field."""
    return csv.text(FIELDS, (row for part in comparison.parts for row in _rows(comparison, part)))


def _rows(comparison: Comparison, part: Part) -> Iterable[Mapping[str, object]]:
    for label, points in part.curves.items():
        for point in points:
            numbers = (point.prototypes, point.mean, min(point.values), max(point.values))
            accuracy = fmean(point.accuracies) if point.accuracies else None
            where: Sequence[object] = (comparison.suite, comparison.dataset, part.quantity.metric, label, point.entry)
            yield dict(zip(FIELDS, (*where, *numbers, accuracy, " ".join(map(str, point.seeds))), strict=True))
