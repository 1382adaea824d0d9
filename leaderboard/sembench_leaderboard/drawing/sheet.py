"""Layout of a figure of several panels, in inches: title, rows of panels, legend, caption."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sembench.figures import picture
from sembench.figures.picture import INK, STYLE
from sembench_leaderboard.drawing.pens import Pen
from sembench_leaderboard.drawing.radar import Panel

# Of charts with axes of their own.
PLOTS: dict[Any, Any] = STYLE | {
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip

DRAWN_BY = f"Matplotlib {version('matplotlib')}"
_WIDEST = 1350  # of a PNG, pixels: sheets of many panels are wide enough with fewer dots; print takes the SVG
_MARGIN = 0.15
_CAPTION, _LETTER, _LINE = 9.0, 0.069, 0.175  # size of the caption; width of a letter and height of a line, inches
_ENTRY = 0.23  # height of a line of the legend, inches


@dataclass(frozen=True)
class Grid:
    """Where panels stand and how large they are, in inches.

    Attributes:
        columns: Panels per row; the last row is centred.
        above: From the top of a panel to the centre of its radar; title and label fit in there.
        below: From the centre to the bottom of the panel.
        label: From the circle to the title; the label of the uppermost axis fits in there.
        title: Size of the titles, points.
    """

    panels: int
    columns: int
    width: float
    above: float
    below: float
    radius: float
    label: float
    title: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of all panels; never so narrow that a caption would be a column of words."""
        rows = math.ceil(self.panels / self.columns)
        return max(self.columns * self.width, 5.6), rows * (self.above + self.below)

    def centre(self, place: int) -> tuple[float, float]:
        """Centre of a panel's radar, measured from the upper left corner of all panels."""
        row, column = divmod(place, self.columns)
        in_row = min(self.columns, self.panels - row * self.columns)
        left = (self.size[0] - in_row * self.width) / 2
        return left + (column + 0.5) * self.width, row * (self.above + self.below) + self.above


class Sheet:
    """A figure with a title, panels, a legend (none without pens) and a caption of wrapped paragraphs."""

    def __init__(self, title: str, caption: Iterable[str], pens: Mapping[str, Pen], grid: Grid) -> None:
        across, panels = grid.size
        head = textwrap.wrap(title, int(across / 0.115))
        letters = int((across - 2 * _MARGIN) / _LETTER)
        words = [line for text in caption for line in textwrap.wrap(text, letters, break_on_hyphens=False)]
        longest = max(map(len, pens), default=0)
        per_row = max(1, min(len(pens), int(across / (0.85 + 0.08 * longest))))
        legend = _ENTRY * math.ceil(len(pens) / per_row) + _MARGIN * bool(pens)
        foot = 1.5 * _MARGIN + _LINE * len(words)
        above = 0.2 + 0.25 * len(head)
        down = above + panels + legend + foot
        self._grid, self._top = grid, down - above
        self.figure = Figure(figsize=(across, down), facecolor="white")
        self._canvas = self.figure.add_axes((0, 0, 1, 1), xlim=(0, across), ylim=(0, down), autoscale_on=False)
        self._canvas.set_axis_off()
        self._write(across / 2, down - 0.13, "\n".join(head), size=13, weight="bold")
        self._write(_MARGIN, foot - 0.5 * _MARGIN, "\n".join(words), size=_CAPTION, side="left", color=INK)
        if pens:
            self.figure.legend(
                [pen.line([], []) for pen in pens.values()], list(pens), ncols=per_row, fontsize=10, handlelength=3.4,
                columnspacing=1.6, borderaxespad=0, loc="lower center", bbox_to_anchor=(0.5, foot / down),
            )  # fmt: skip

    def _write(self, x: float, y: float, text: str, *, size: float, side: str = "center", **look: Any) -> None:
        look = {"va": "top", **look}
        self._canvas.text(x, y, text, fontsize=size, ha=side, linespacing=1.35, **look)

    def panel(self, place: int, title: str) -> Panel:
        """One of the panels, with its title."""
        x, y = self._grid.centre(place)
        letters = int(self._grid.width / (self._grid.title * 0.0092))
        head = "\n".join(textwrap.wrap(title, letters))
        above = self._top - y + self._grid.radius + self._grid.label
        self._write(x, above, head, size=self._grid.title, weight="bold", va="baseline")
        return Panel(self._canvas, (x, self._top - y), self._grid.radius)

    def plot(self, number: int, title: str, side: float, **options: Any) -> Axes:
        """Square axes in one of the panels, a little to the right: room for the labels of the vertical one."""
        x, y = self.panel(number, title).centre
        return self.axes_at(x + 0.15 - side / 2, y - side / 2, side, side, **options)

    def axes_at(self, left: float, bottom: float, width: float, height: float, **options: Any) -> Axes:
        """Matplotlib axes at a place in inches from the lower left corner."""
        return self.figure.add_axes(picture.place(self.figure, left, bottom, width, height), **options)

    def rendered(self, name: str) -> dict[str, bytes]:
        """The figure as PNG and SVG by file name. It tells who drew it: its bytes depend on that."""
        look: dict[str, Any] = {"widest": _WIDEST, "compression": 1, "drawn_by": DRAWN_BY}
        return {f"{name}.{form}": picture.rendered(self.figure, form, **look) for form in ("png", "svg")}
