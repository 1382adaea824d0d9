"""How are ghosted prototypes drawn against trained ones? A line per curve, below the line on which all are ghosted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from leaderboard.escape import one_line
from leaderboard.ghosting_curve import Comparison, Point
from leaderboard.radar_panel import INK, Pen, pens
from leaderboard.radar_sheet import STYLE, Grid, Sheet

_STYLE: dict[Any, Any] = STYLE | {
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 9, "ytick.labelsize": 9, "axes.axisbelow": True,
}  # fmt: skip
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
    """The chart of one data set.

    Args:
        comparison: Its curves.
        pen: How to draw each of them.
    """
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
    (x, y), (across, down) = sheet.panel(0, comparison.dataset).centre, sheet.figure.get_size_inches()
    place = ((x + 0.15 - _SIDE / 2) / across, (y - _SIDE / 2) / down, _SIDE / across, _SIDE / down)
    most = max(point.prototypes for points in comparison.curves.values() for point in points)
    ends = (-0.03 * most, 1.06 * most)  # room for marks at the ends
    axes = sheet.figure.add_axes(place, xlim=ends, ylim=ends, xlabel="trained prototypes", ylabel="ghosted prototypes")
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
