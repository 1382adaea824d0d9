"""The chart of one data set: a row of panels for each quantity, conversions apart from what they convert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sembench_leaderboard.drawing.pens import Pen, pens
from sembench_leaderboard.drawing.sheet import PLOTS, Grid, Sheet
from sembench_leaderboard.prototypes.curve import Comparison, Part, Point
from sembench_leaderboard.tables.escape import one_line

_STYLE: dict[Any, Any] = PLOTS | {"xtick.labelsize": 9, "ytick.labelsize": 9, "axes.axisbelow": True}
# What all prototypes, or attributes, would make, by metric.
_ALL = {
    "ghosting": ("all ghosted (y = x)", Pen("black", (0, (4, 2)), "", 0.0)),
    "attributes_captured": ("all attributes", Pen("black", (0, (1, 2)), "", 0.0)),
}
_CAPTION = (
    "Marks: means over seeds. Bars: from the smallest to the largest number over seeds. The table tells the accuracies."
)
_CONVERTED = (
    "Converted: k-means on the embedding of the black box, or of a model on the left, without training it again."
)


def charts(comparisons: Sequence[Comparison]) -> list[dict[str, bytes]]:
    """A chart for each comparison of one suite, as PNG and SVG by file name; a curve looks the same on all of them."""
    names = sorted({label for comparison in comparisons for label in comparison.labels})
    # Smaller marks than on the radar: the first sizes of a suite stand close together.
    pen = {name: replace(own, size=0.8 * own.size) for name, own in pens(names).items()}
    with style.context(["default", _STYLE]):
        return [
            chart(c, {name: pen[name] for name in c.labels}).rendered(f"prototypes-{c.dataset}") for c in comparisons
        ]


def chart(comparison: Comparison, pen: Mapping[str, Pen]) -> Sheet:
    """The chart of one data set, with a pen for each of its curves.

    Where there are conversions, they have panels of their own on the right ([K] Fig. 5b).
    """
    sides = [[name for name in pen if (name in comparison.conversions) == right] for right in (False, True)]
    sides = [side for side in sides if side]
    lines = dict(_ALL[part.quantity.metric] for part in comparison.parts if part.quantity.metric in _ALL)
    legend = {one_line(name): own for name, own in pen.items()} | lines
    grid = _grid(len(comparison.parts), len(sides), max(map(len, legend)))
    caption = [*_caption(comparison), *([_CONVERTED] if len(sides) > 1 else [])]
    sheet = Sheet(one_line(f"Suite {comparison.suite}, {comparison.dataset}"), caption, legend, grid)
    for row, part in enumerate(comparison.parts):
        for column, names in enumerate(sides):
            title = part.quantity.title + ", converted" * column
            axes = _axes(sheet, row * len(sides) + column, title, part, 2 * grid.radius)
            for name in names:
                _draw(axes, part.curves.get(name, ()), pen[name])
    return sheet


def _grid(rows: int, columns: int, longest: int) -> Grid:
    """Square panels; as wide as the longest label wants, which stands in one line of the legend."""
    side = 4.2 if rows * columns == 1 else 3.4
    width = max(side + 1.4, (1.0 + 0.08 * longest) / columns)
    half = side / 2
    return Grid(rows * columns, columns, width, half + 0.45, half + 0.55, radius=half, label=0.15, title=11)


def _caption(comparison: Comparison) -> list[str]:
    better = "; ".join(f"{part.quantity.title}: {part.measure.direction} is better" for part in comparison.parts)
    left_out = [
        f"No score for {part.quantity.title}: {', '.join(part.left_out)}." for part in comparison.parts if part.left_out
    ]
    return [f"{_CAPTION} {better.capitalize()}.", *left_out]


def _axes(sheet: Sheet, place: int, title: str, part: Part, side: float) -> Axes:
    """A square, with the line that all prototypes or attributes make; its sides share a scale if they share a unit."""
    points = [point for points in part.curves.values() for point in points]
    most = max(point.prototypes for point in points)
    top = {"ghosting": most, "attributes_captured": part.units}.get(
        part.quantity.metric, max(value for point in points for value in point.values) or 1
    )
    (left, right), (low, high) = ((-0.03 * end, 1.06 * end) for end in (most, top))  # room for marks at the ends
    named = {"xlabel": "trained prototypes", "ylabel": part.quantity.title}
    axes = sheet.plot(place, title, side, xlim=(left, right), ylim=(low, high), **named)
    axes.set(xticks=_ticks(most, right, integer=True), yticks=_ticks(top, high, integer=part.quantity.of is sum))
    axes.grid(color="#E6E6E6", lw=0.6)
    if part.quantity.metric in _ALL:
        bottom = 0 if part.quantity.metric == "ghosting" else top
        axes.add_line(_ALL[part.quantity.metric][1].line([0, most], [bottom, top]))
    return axes


def _ticks(most: float, end: float, *, integer: bool) -> list[float]:
    return [tick for tick in MaxNLocator(6, integer=integer).tick_values(0, most) if 0 <= tick <= end]


def _draw(axes: Axes, points: Sequence[Point], pen: Pen) -> None:
    """A curve, with a bar where the seeds differ."""
    axes.add_line(pen.line([float(point.prototypes) for point in points], [point.mean for point in points]))
    for point in points:
        low, high = min(point.values), max(point.values)
        if low < high:
            bar, cap = ([point.mean - low], [high - point.mean]), pen.size / 2
            axes.errorbar(
                [point.prototypes], [point.mean], bar, fmt="none", ecolor=pen.colour, elinewidth=1, capsize=cap,
                capthick=1,
            )  # fmt: skip
