"""Critical-difference diagrams: mean ranks on a line; bars join what cannot be told apart.

References:
    Demsar: Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006, Fig. 1.
"""

from __future__ import annotations

from matplotlib import style
from matplotlib.axes import Axes

from sembench.figures.picture import INK, STYLE
from sembench_leaderboard.comparison.ranking import Ranking
from sembench_leaderboard.drawing.sheet import Grid, Sheet
from sembench_leaderboard.statistics.ranks import ALPHA, Friedman, groups
from sembench_leaderboard.tables.escape import one_line
from sembench_leaderboard.tables.numbers import p_said

_AXIS = 4.6  # length of the line of ranks, inches
_LETTER, _LINE, _BAR = 0.085, 0.26, 0.14  # of a name: width and height; distance of two bars, inches
_ABOVE = 0.95  # from the upper edge to the line of ranks: room for the critical difference and the numbers


def diagram(suite: str, ranking: Ranking, test: Friedman) -> dict[str, bytes]:
    """The diagram of one metric as PNG and SVG by file name."""
    names = [one_line(name) for name in ranking.methods]
    bars = groups(test.mean_ranks, test.difference)
    beside = 0.55 + _LETTER * max(map(len, names))
    first = 0.3 + _BAR * len(bars)  # from the line of ranks down to the first name
    rows = (len(names) + 1) // 2
    width, height = _AXIS + 2 * beside, _ABOVE + first + _LINE * rows + 0.1
    grid = Grid(1, 1, width, above=height / 2 + 0.3, below=height / 2, radius=height / 2, label=0.1, title=10)
    with style.context(["default", STYLE]):
        sheet = Sheet(
            f"Suite {one_line(suite)}: {one_line(ranking.measure.title)}", [_caption(ranking, test)], {}, grid
        )
        x, y = sheet.panel(0, "mean rank, 1 is best").centre
        axes = sheet.axes_at(x - width / 2, y - height / 2, width, height)
        axes.set(xlim=(-beside, _AXIS + beside), ylim=(_ABOVE - height, _ABOVE))
        axes.set_axis_off()
        _line(axes, test)
        _methods(axes, names, test, first, beside)
        for number, bar in enumerate(bars):
            ends = [_place(test.mean_ranks[bar[end]], test) for end in (0, -1)]
            level = -0.14 - _BAR * number
            axes.plot([ends[0] - 0.05, ends[1] + 0.05], [level, level], color=INK, lw=3.2, solid_capstyle="butt")
        return sheet.rendered(f"critical-difference-{ranking.metric}")


def _caption(ranking: Ranking, test: Friedman) -> str:
    return (
        f"Mean ranks over {len(ranking.datasets)} data sets ({', '.join(map(one_line, ranking.datasets))}). Friedman's "
        f"test: {p_said(test.p)}{'' if test.p < ALPHA else ', pairs are not to be read'}. CD: Nemenyi's critical "
        "difference at 5 %. Bars join methods whose mean ranks differ by less, which does not mean that they are equal."
    )


def _place(rank: float, test: Friedman) -> float:
    """Where a mean rank lies on the line, inches from its left end."""
    return (rank - 1) / (len(test.mean_ranks) - 1) * _AXIS


def _line(axes: Axes, test: Friedman) -> None:
    """The line of ranks with its numbers, and the critical difference above it, cut off where it is longer."""
    methods = len(test.mean_ranks)
    axes.plot([0, _AXIS], [0, 0], color="black", lw=1.2)
    for rank in range(1, methods + 1):
        at = _place(rank, test)
        axes.plot([at, at], [0, 0.08], color="black", lw=1.2)
        axes.text(at, 0.13, str(rank), ha="center", va="bottom", fontsize=9)
    fits = test.difference <= methods - 1
    end = _place(1 + test.difference, test) if fits else _AXIS
    axes.plot([0, end], [0.5, 0.5], color=INK, lw=1.2)
    for at in (0.0, end) if fits else (0.0,):
        axes.plot([at, at], [0.45, 0.55], color=INK, lw=1.2)
    text = f"CD = {test.difference:.2f}" + ("" if fits else ", longer than the line: no pair can be told apart")
    axes.text(0 if not fits else end / 2, 0.58, text, ha="left" if not fits else "center", va="bottom", fontsize=9)


def _methods(axes: Axes, names: list[str], test: Friedman, first: float, beside: float) -> None:
    """Names with their mean ranks: the better half on the left, the best on top; the rest on the right."""
    order = sorted(range(len(names)), key=lambda method: (test.mean_ranks[method], method))
    half = (len(order) + 1) // 2
    for place, method in enumerate(order):
        left = place < half
        level = -first - _LINE * (place if left else len(order) - 1 - place)
        rank = test.mean_ranks[method]
        at, end = _place(rank, test), -0.12 if left else _AXIS + 0.12
        axes.plot([at, at, end], [0, level, level], color="#808080", lw=0.8)
        text = f"{names[method]}  {rank:.2f}" if left else f"{rank:.2f}  {names[method]}"
        axes.text(end + (-0.05 if left else 0.05), level, text, ha="right" if left else "left", va="center", fontsize=9)
