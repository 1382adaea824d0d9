"""What a figure declares: drawn from fitted models, or from results alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sembench.figures.picture import Picture
    from sembench.figures.subject import Subject
    from sembench.types import Capability


@dataclass(frozen=True)
class ModelFigure:
    """A figure of fitted models.

    Attributes:
        draw: Makes it, of one explainer or, if ``together``, of a sequence of them.
        together: Whether explainers share one picture.
        requires: What an explainer must offer.
        maps: Whether it must compare cells, too.
        amount: The option of ``draw`` that `sembench show --count` sets.
        apart: Whether `sembench show` draws each explainer on its own if none is named.
    """

    draw: Callable[..., Picture]
    together: bool
    requires: frozenset[Capability] = frozenset()
    maps: bool = False
    amount: str = "count"
    apart: bool = False

    def check(self, subject: Subject) -> None:
        """Raises `NotOffered`, with a sentence why, if the figure does not apply to an explainer."""
        for capability in sorted(self.requires):
            subject.require(capability)
        if self.maps:
            subject.require_maps()


@dataclass(frozen=True)
class ResultsFigure:
    """A figure of results alone, all seeds together.

    Attributes:
        files: From a folder of results, the name of a suite, and the explainers and data sets to show (all if empty)
            to the figure's PNG and SVG, by path relative to a folder.
    """

    files: Callable[[Path, str, Collection[str], Collection[str]], Mapping[str, bytes]]
