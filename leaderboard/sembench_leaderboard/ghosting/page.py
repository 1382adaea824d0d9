"""Ghosted against trained prototypes in a folder: a chart, a page and numbers for each suite and data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any
from urllib.parse import quote

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sembench.results.result import Result
from sembench_leaderboard.drawing.pens import Pen, pens
from sembench_leaderboard.drawing.sheet import PLOTS, Grid, Sheet
from sembench_leaderboard.entries.grouping import gathered
from sembench_leaderboard.ghosting.curve import Comparison, Point, comparisons
from sembench_leaderboard.tables import csv, markdown
from sembench_leaderboard.tables.escape import markdown as escape
from sembench_leaderboard.tables.escape import one_line
from sembench_leaderboard.tables.table import NOTHING, Cell, Column, Row, Table

_STYLE: dict[Any, Any] = PLOTS | {"xtick.labelsize": 9, "ytick.labelsize": 9, "axes.axisbelow": True}
_ALL = "all ghosted (y = x)"
_ALL_PEN = Pen("black", (0, (4, 2)), "", 0.0)
_SIDE = 4.2  # of the plot, inches
_CAPTION = (
    "Marks: means over seeds. Bars: from the smallest to the largest number over seeds. Lower is better; the table "
    "tells the accuracies."
)


def charts(comparisons: Sequence[Comparison]) -> list[dict[str, bytes]]:
    """A chart for each comparison of one suite, as PNG and SVG by file name; a curve looks the same on all of them."""
    names = sorted({label for comparison in comparisons for label in comparison.curves})
    # Smaller marks than on the radar: the first sizes of a suite stand close together.
    pen = {name: replace(own, size=0.8 * own.size) for name, own in pens(names).items()}
    with style.context(["default", _STYLE]):
        return [chart(c, {name: pen[name] for name in c.curves}).rendered(f"ghosting-{c.dataset}") for c in comparisons]


def chart(comparison: Comparison, pen: Mapping[str, Pen]) -> Sheet:
    """The chart of one data set, with a pen for each of its curves."""
    legend = {one_line(name): own for name, own in pen.items()} | {_ALL: _ALL_PEN}
    left_out = ", ".join(comparison.left_out)
    caption = [_CAPTION, f"No ghosting score: {left_out}."] if left_out else [_CAPTION]
    # As wide as the longest label wants: it stands in one line of the legend.
    width = max(_SIDE + 1.4, 1.0 + 0.08 * max(map(len, legend)))
    grid = Grid(1, 1, width, above=_SIDE / 2 + 0.45, below=_SIDE / 2 + 0.55, radius=_SIDE / 2, label=0.15, title=11)
    sheet = Sheet(f"Suite {comparison.suite}: ghosted prototypes", caption, legend, grid)
    axes = _axes(sheet, comparison)
    for name, points in comparison.curves.items():
        _draw(axes, points, pen[name])
    return sheet


def _axes(sheet: Sheet, comparison: Comparison) -> Axes:
    """A square with the same scale on both sides, and the line on which all prototypes are ghosted."""
    most = max(point.prototypes for points in comparison.curves.values() for point in points)
    ends = (-0.03 * most, 1.06 * most)  # room for marks at the ends
    named = {"xlabel": "trained prototypes", "ylabel": "ghosted prototypes"}
    axes = sheet.plot(0, comparison.dataset, _SIDE, xlim=ends, ylim=ends, **named)
    ticks = [tick for tick in MaxNLocator(6, integer=True).tick_values(0, most) if 0 <= tick <= ends[1]]
    axes.set(xticks=ticks, yticks=ticks)
    axes.grid(color="#E6E6E6", lw=0.6)
    axes.add_line(_ALL_PEN.line([0, most], [0, most]))
    return axes


def _draw(axes: Axes, points: Sequence[Point], pen: Pen) -> None:
    """A curve, with a bar where the seeds differ."""
    axes.add_line(pen.line([float(point.prototypes) for point in points], [point.mean for point in points]))
    for point in points:
        low, high = min(point.ghosted), max(point.ghosted)
        if low < high:
            bar, cap = ([point.mean - low], [high - point.mean]), pen.size / 2
            axes.errorbar(
                [point.prototypes], [point.mean], bar, fmt="none", ecolor=pen.colour, elinewidth=1, capsize=cap,
                capthick=1,
            )  # fmt: skip


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

    The same results give the same bytes, see `sembench_leaderboard.board.board.board`.

    Raises:
        SembenchError: If no result has a ghosting score.
    """
    made: dict[str, bytes] = {}
    for suite, own in gathered(comparisons(results), lambda comparison: comparison.suite).items():
        for comparison, drawn in zip(own, charts(own), strict=True):
            name = f"ghosting-{comparison.dataset}"
            texts = {f"{name}.md": page(comparison).encode(), f"{name}.csv": to_csv(comparison).encode()}
            made |= {f"{suite}/{file}": data for file, data in (texts | drawn).items()}
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
    rows = []
    for label, points in comparison.curves.items():
        for point in points:
            accuracy = fmean(point.accuracies) if point.accuracies else None
            numbers = (point.prototypes, point.mean, min(point.ghosted), max(point.ghosted), accuracy)
            seeds = " ".join(map(str, point.seeds))
            rows.append((comparison.suite, comparison.dataset, label, point.entry, *numbers, seeds))
    return csv.text(FIELDS, (dict(zip(FIELDS, row, strict=True)) for row in rows))
