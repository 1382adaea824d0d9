"""Colours, dashes and markers that tell methods apart, on the board and in the report.

Of the first seven methods no two agree in any of the three, of 49 no two in more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

# On white paper and on a dark screen: a contrast of 3:1 at least to the ground, no two equally light, and apart for
# readers who see no red, no green or no blue, too. The reference is black, or white.
COLOURS = (
    ("#5a639f", "#597efe"), ("#ac0000", "#e4823c"), ("#005e44", "#a2cf9e"), ("#6f006e", "#e00657"),
    ("#bb843b", "#fed320"), ("#3b92b1", "#67b5e9"), ("#a937f0", "#9b70a8"),
)  # fmt: skip
# Lengths of lines and spaces in turn, in widths of the line.
DASHES: tuple[tuple[float, ...], ...] = (
    (), (6, 1.5), (1, 1), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1), (2.5, 2.5), (9, 2, 3, 2),
)  # fmt: skip
REFERENCE_DASHES = (4.0, 2.0)
# Matplotlib's name; number of corners, and where the first one lies: degrees from the right, clockwise.
MARKERS: tuple[tuple[Any, tuple[int, float]], ...] = (
    ("o", (24, 0)), ("s", (4, 45)), ("^", (3, -90)), ("D", (4, 0)), ("v", (3, 90)), ("p", (5, -90)), ("<", (3, 180)),
    (">", (3, 0)), ("h", (6, -90)), ((5, 0, 180), (5, 90)), ("8", (8, 22.5)),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a method is drawn: which colour, that colour on white, one of `DASHES`, one of `MARKERS`."""

    number: int
    colour: str
    dashes: tuple[float, ...]
    marker: Any
    corners: tuple[int, float]


def look(place: int) -> Look:
    """The look of the method at a place of a list, which starts at 0."""
    number = place % len(COLOURS)
    # Each round through the colours starts one dash pattern further.
    dashes = DASHES[(place + place // len(COLOURS)) % len(DASHES)]
    return Look(number, COLOURS[number][0], dashes, *MARKERS[place % len(MARKERS)])


def style_sheet() -> str:
    """The colours as CSS: the variable ``--pen`` of the classes ``p0``, ``p1``, ..., light and dark."""
    light, dark = (
        "\n".join(f".p{number} {{ --pen: {both[ground]}; }}" for number, both in enumerate(COLOURS))
        for ground in (0, 1)
    )
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


@dataclass(frozen=True)
class Pen:
    """How a method is drawn, the same in every panel."""

    colour: str
    dashes: Any
    marker: Any
    size: float
    width: float = 1.5

    def line(self, x: Sequence[float] | NDArray[np.float64], y: Sequence[float] | NDArray[np.float64]) -> Line2D:
        """A line with open markers."""
        stroke = {"color": self.colour, "ls": self.dashes, "lw": self.width}
        return Line2D(x, y, marker=self.marker, ms=self.size, mfc="none", mew=1.3, **stroke)


def pens(names: Sequence[str]) -> dict[str, Pen]:
    """A pen for each method. Markers shrink along the list, so that equal positions show as nested outlines."""
    found = {}
    for place, name in enumerate(names):
        own = look(place)
        size = 9.5 - 4.5 * place / max(1, len(names) - 1)
        found[name] = Pen(own.colour, (0, own.dashes) if own.dashes else "-", own.marker, size)
    return found
