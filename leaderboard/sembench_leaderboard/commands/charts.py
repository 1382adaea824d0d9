"""Figures that are drawn from results alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

from sembench.errors import SembenchError
from sembench.figures.figure import ResultsFigure
from sembench.results.result import Result
from sembench_leaderboard.board import ablations
from sembench_leaderboard.curves import curves
from sembench_leaderboard.entries.load import load

Draw = Callable[[Iterable[Result]], dict[str, bytes]]


def figure_files(
    draw: Draw, results: Iterable[Result], explainers: Collection[str] = (), datasets: Collection[str] = ()
) -> dict[str, bytes]:
    """A figure of the results of these entries on these data sets, all by default: PNG and SVG by relative path.

    Raises:
        SembenchError: If there is nothing to draw.
    """
    kept = [
        r for r in results if r.explainer in (explainers or (r.explainer,)) and r.dataset in (datasets or (r.dataset,))
    ]
    if not kept:
        raise SembenchError(
            f"no results of {', '.join(explainers) or 'any entry'} on {', '.join(datasets) or 'any data'}."
        )
    return draw(kept)


def _stored(draw: Draw, folder: Path, suite: str, *only: Collection[str]) -> dict[str, bytes]:
    return figure_files(draw, load([folder], suite=suite), *only)


def fading(results: Iterable[Result]) -> dict[str, bytes]:
    """The relevance-order curves, a chart for each data set."""
    return curves.rendered(curves.fadings(results))


CURVES = ResultsFigure(partial(_stored, fading))
ABLATIONS = ResultsFigure(partial(_stored, ablations.rendered))
