"""One radar: axes with their ends, and outlines that are broken where a position is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, Polygon
from numpy.typing import NDArray

from sembench.figures.picture import INK
from sembench_leaderboard.drawing.pens import REFERENCE_DASHES, Pen
from sembench_leaderboard.entries.profile import AXES, RIM, Outline, Profile

INITIALS = "TAERD"  # of the axes, where names have no room
KEY = "; ".join(f"{letter} = {axis.name} ({axis.ends})" for letter, axis in zip(INITIALS, AXES, strict=True)) + "."
_GREY = "#D2D2D2"

_ANGLES = np.pi / 2 - 2 * np.pi * np.arange(len(AXES)) / len(AXES)  # first axis on top, clockwise
_SPOKES = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


REFERENCE = Pen("black", (0, REFERENCE_DASHES), "+", 8.0)


@dataclass(frozen=True)
class Panel:
    """A place for one radar: its centre and the radius of its circle, in units of the canvas."""

    canvas: Axes
    centre: tuple[float, float]
    radius: float

    def frame(self, labels: Sequence[str], *, size: float) -> None:
        """Spokes, rings at quarters, and a label at the end of every axis."""
        for part in (0.25, 0.5, 0.75, 1.0):
            colour, width = ("#777777", 1.0) if part == 1.0 else ("#D8D8D8", 0.5)
            self.canvas.add_artist(Circle(self.centre, part * self.radius, fill=False, ec=colour, lw=width))
        spokes = [(self.centre, tuple(self._at(RIM * spoke))) for spoke in _SPOKES]
        self.canvas.add_artist(LineCollection(spokes, colors="#BBBBBB", lw=0.6))
        for spoke, label in zip(_SPOKES, labels, strict=True):
            side = "center" if abs(spoke[0]) < 0.1 else "left" if spoke[0] > 0 else "right"
            level = "bottom" if spoke[1] > 0.9 else "top" if spoke[1] < -0.5 else "center"
            x, y = self._at(1.2 * spoke)
            self.canvas.text(x, y, label, ha=side, va=level, fontsize=size, color=INK, linespacing=1.25)

    def outline(self, outline: Outline, pen: Pen) -> None:
        """A method's outline with a marker on every axis where it has a position."""
        self.canvas.add_artist(pen.line(*self._corners(outline.profile).T))

    def area(self, outline: Outline, colour: str) -> None:
        """Fills a method's outline, where it is whole."""
        corners = self._corners(outline.profile)
        if not np.isnan(corners).any():
            self.canvas.add_artist(Polygon(corners, fc=colour, alpha=0.12, lw=0))

    def background(self, outlines: Iterable[Outline], colour: str = _GREY, dashes: Any = "-") -> None:
        """Thin outlines without markers, for comparison."""
        corners = [self._corners(outline.profile) for outline in outlines]
        lines = LineCollection(corners, colors=colour, linestyles=[dashes], lw=0.8, zorder=1.2)
        self.canvas.add_artist(lines)

    def _corners(self, profile: Profile) -> NDArray[np.float64]:
        """A closed outline, ``(axes + 1, 2)``; not a number where a position is missing, which breaks it."""
        radii = [np.nan if (value := profile[axis.name]) is None else min(max(value, 0), RIM) for axis in AXES]
        corners = self._at(np.array(radii)[:, None] * _SPOKES)
        return np.concatenate([corners, corners[:1]])

    def _at(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """From positions around (0, 0) with the circle at 1 to units of the canvas."""
        return np.asarray(self.centre) + self.radius * position
