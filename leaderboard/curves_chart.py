"""How are fading decisions drawn? A panel for each method: its curve, the random one, and both bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes

from leaderboard.curves import Curve, Fading, Fadings
from leaderboard.escape import one_line
from leaderboard.radar_panel import INK, REFERENCE, Pen
from leaderboard.radar_sheet import STYLE, Grid, Sheet

_STYLE: dict[Any, Any] = STYLE | {
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.labelsize": 8,
}  # fmt: skip
_SIDE, _PER_ROW = 1.9, 4
_OWN, _RANDOM = Pen("#0072B2", "-", "", 0.0, 2.0), Pen("#D55E00", (0, (3, 1.5)), "", 0.0, 1.6)
_REFERENCE = Pen("black", REFERENCE.dashes, "", 0.0, 0.9)
_LEGEND = {"relevance order": _OWN, "random order": _RANDOM}
_BLACK_BOX = "the black box"
_CAPTION = (
    "Pixels give way to noise, the least relevant first; the curve is the mean probability of the class predicted on "
    "the clean image. The later it falls, the better. Bands: one standard deviation over images and seeds, cut at 0 "
    "and 1. In brackets: the area under the curve, and under that of random order."
)


def chart(fadings: Fadings) -> Sheet:
    """A panel for each method on one data set, the black box's curve behind each."""
    with style.context(["default", _STYLE]):
        reference = next((method for method in fadings.methods if method.kind == "reference"), None)
        caption = [_CAPTION, *_left_out(fadings)]
        columns = min(_PER_ROW, len(fadings.methods))
        width, half = _SIDE + 1.0, _SIDE / 2
        grid = Grid(len(fadings.methods), columns, width, half + 0.5, half + 0.5, half, label=0.12, title=9.5)
        legend = _LEGEND | ({_BLACK_BOX: _REFERENCE} if reference else {})
        title = f"Suite {fadings.suite}: fading decisions on {fadings.dataset}"
        sheet = Sheet(one_line(title), caption, legend, grid)
        for place, method in enumerate(fadings.methods):
            _draw(_axes(sheet, place, method), method, reference)
        return sheet


def rendered(fadings: Sequence[Fadings]) -> dict[str, bytes]:
    """The charts as PNG and SVG by path."""
    files: dict[str, bytes] = {}
    for own in fadings:
        sheet = chart(own)
        with style.context(["default", _STYLE]):
            files |= sheet.rendered(f"{own.suite}/curves-{own.dataset}")
    return files


def _left_out(fadings: Fadings) -> list[str]:
    reasons = "; ".join(f"{one_line(name)} ({one_line(why)})" for name, why in fadings.left_out.items())
    return [f"Without curves: {reasons}."] if reasons else []


def _axes(sheet: Sheet, place: int, method: Fading) -> Axes:
    title = f"{one_line(method.explainer)} ({method.ordered.area:.2f}, {method.random.area:.2f})"
    (x, y), (across, down) = sheet.panel(place, title).centre, sheet.figure.get_size_inches()
    spot = ((x + 0.15 - _SIDE / 2) / across, (y - _SIDE / 2) / down, _SIDE / across, _SIDE / down)
    axes = sheet.figure.add_axes(spot, xlim=(0, 1), ylim=(0, 1.02), xlabel="pixels replaced", ylabel="probability")
    ticks = [0, 0.5, 1]
    axes.set(xticks=ticks, yticks=ticks, xticklabels=["0", ".5", "1"], yticklabels=["0", ".5", "1"])
    axes.set_gid(method.explainer)
    return axes


def _draw(axes: Axes, method: Fading, reference: Fading | None) -> None:
    for curve, pen in ((method.random, _RANDOM), (method.ordered, _OWN)):
        x = _x(curve)
        low, high = np.clip(curve.mean - curve.spread, 0, 1), np.clip(curve.mean + curve.spread, 0, 1)
        axes.fill_between(x, low, high, color=pen.colour, alpha=0.16, lw=0)
    if reference is not None and reference is not method:
        axes.add_line(_REFERENCE.line(_x(reference.ordered), reference.ordered.mean))
    for curve, pen in ((method.random, _RANDOM), (method.ordered, _OWN)):
        axes.add_line(pen.line(_x(curve), curve.mean))


def _x(curve: Curve) -> Any:
    return np.linspace(0, 1, len(curve.mean))
