"""Relevance-order curves: the decision of each method as pixels are replaced, mean curves of all seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sembench.errors import SembenchError
from sembench.results.result import Result
from sembench.results.score import NotApplicable, Scored
from sembench_leaderboard.drawing.pens import Pen
from sembench_leaderboard.drawing.radar import REFERENCE
from sembench_leaderboard.drawing.sheet import PLOTS, Grid, Sheet
from sembench_leaderboard.entries.entry import KINDS
from sembench_leaderboard.entries.selection import Missing
from sembench_leaderboard.tables.escape import one_line

Array = NDArray[np.float64]

METRIC = "ro_auroc"


@dataclass(frozen=True)
class Curve:
    """Probability of the class of the clean image: mean and standard deviation over images and seeds, ``(S,)``."""

    mean: Array
    spread: Array

    @property
    def x(self) -> Array:
        """Shares of the pixels that are replaced, ``(S,)``."""
        return np.linspace(0, 1, len(self.mean))

    @property
    def area(self) -> float:
        """Area under the mean curve over [0, 1]."""
        return float(np.trapezoid(self.mean, dx=1 / (len(self.mean) - 1)))


@dataclass(frozen=True)
class Fading:
    """One method on one data set: pixels replaced least relevant first, and in random order under the same noise."""

    explainer: str
    kind: str
    ordered: Curve
    random: Curve


@dataclass(frozen=True)
class Fadings:
    """The methods of a suite on one data set, the reference first, controls last; by label why others have none."""

    suite: str
    dataset: str
    methods: list[Fading] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def fadings(results: Iterable[Result]) -> list[Fadings]:
    """The curves of all methods, by suite and data set.

    Raises:
        SembenchError: If no result has a curve, or the seeds of an entry differ in the number of points.
    """
    ordered = sorted(results, key=lambda r: (r.suite, r.dataset, KINDS.index(r.kind), r.explainer, r.seed))
    found = []
    for (suite, dataset), group in groupby(ordered, key=lambda r: (r.suite, r.dataset)):
        own = Fadings(suite, dataset)
        for explainer, runs in groupby(group, key=lambda r: r.explainer):
            made = _fading(explainer, list(runs))
            if isinstance(made, Missing):
                own.left_out[explainer] = made.why
            else:
                own.methods.append(made)
        found.append(own)
    if not any(own.methods for own in found):
        raise SembenchError("no result has relevance-order curves; run the suite with the metric 'ro_auroc'.")
    return [own for own in found if own.methods]


def _fading(explainer: str, runs: list[Result]) -> Fading | Missing:
    scores = [run.scores.get(METRIC) for run in runs]
    scored = [score for score in scores if isinstance(score, Scored)]
    if not scored:
        return Missing(next((score.reason for score in scores if isinstance(score, NotApplicable)), "not measured"))
    if any("curve" not in score.details for score in scored):
        return Missing("its results hold no curves; run it again")
    curves = [_pooled(scored, name, explainer) for name in ("curve", "random curve")]
    return Fading(explainer, runs[0].kind, *curves)


def _pooled(scores: list[Scored], name: str, explainer: str) -> Curve:
    """Mean and standard deviation over the images of all seeds; every seed explains as many images."""
    means = [score.details[name] for score in scores]
    if len({len(mean) for mean in means}) > 1:
        raise SembenchError(f"{explainer}: seeds differ in the number of steps of their curves; run all of them again.")
    of_seeds = np.array(means)
    within = np.array([score.details[f"{name} standard deviation"] for score in scores])
    return Curve(of_seeds.mean(0), np.sqrt((within**2).mean(0) + of_seeds.var(0)))


_STYLE: dict[Any, Any] = PLOTS | {"xtick.labelsize": 8, "ytick.labelsize": 8, "axes.labelsize": 8}
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
        reasons = "; ".join(f"{one_line(name)} ({one_line(why)})" for name, why in fadings.left_out.items())
        caption = [_CAPTION, *([f"Without curves: {reasons}."] if reasons else [])]
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


def _axes(sheet: Sheet, place: int, method: Fading) -> Axes:
    title = f"{one_line(method.explainer)} ({method.ordered.area:.2f}, {method.random.area:.2f})"
    named = {"xlabel": "pixels replaced", "ylabel": "probability"}
    axes = sheet.plot(place, title, _SIDE, xlim=(0, 1), ylim=(0, 1.02), **named)
    ticks, labels = [0, 0.5, 1], ["0", ".5", "1"]
    axes.set(xticks=ticks, yticks=ticks, xticklabels=labels, yticklabels=labels)
    axes.set_gid(method.explainer)
    return axes


def _draw(axes: Axes, method: Fading, reference: Fading | None) -> None:
    for curve, pen in ((method.random, _RANDOM), (method.ordered, _OWN)):
        low, high = np.clip(curve.mean - curve.spread, 0, 1), np.clip(curve.mean + curve.spread, 0, 1)
        axes.fill_between(curve.x, low, high, color=pen.colour, alpha=0.16, lw=0)
    if reference is not None and reference is not method:
        axes.add_line(_REFERENCE.line(reference.ordered.x, reference.ordered.mean))
    for curve, pen in ((method.random, _RANDOM), (method.ordered, _OWN)):
        axes.add_line(pen.line(curve.x, curve.mean))
