"""Figures that are drawn from results alone, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sembench.errors import SembenchError, UnknownName
from sembench.results.result import Result
from sembench_leaderboard.board import ablations
from sembench_leaderboard.curves import curves

FIGURES: dict[str, Callable[[Iterable[Result]], dict[str, bytes]]] = {
    "curves": lambda results: curves.rendered(curves.fadings(results)),
    "ablations": ablations.rendered,
}


def figure_files(
    figure: str, results: Iterable[Result], explainers: Collection[str] = (), datasets: Collection[str] = ()
) -> dict[str, bytes]:
    """A figure as PNG and SVG, by path relative to a folder.

    Args:
        figure: Its name.
        results: Results as `sembench_leaderboard.entries.load.load` returns them.
        explainers: Only these entries; all by default.
        datasets: Only these data sets; all by default.

    Raises:
        UnknownName: If there is no such figure.
        SembenchError: If there is nothing to draw.
    """
    if figure not in FIGURES:
        raise UnknownName("figure", figure, FIGURES)
    kept = [
        r for r in results if r.explainer in (explainers or (r.explainer,)) and r.dataset in (datasets or (r.dataset,))
    ]
    if not kept:
        raise SembenchError(
            f"no results of {', '.join(explainers) or 'any entry'} on {', '.join(datasets) or 'any data'}."
        )
    return FIGURES[figure](kept)
