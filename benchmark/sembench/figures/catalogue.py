"""Which figures are there, what do they ask of an explainer, and which of them apply to these?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sembench.errors import NotOffered, SembenchError, UnknownName
from sembench.figures.concepts import concepts
from sembench.figures.embedding import embedding
from sembench.figures.looks_like import looks_like
from sembench.figures.picture import Picture
from sembench.figures.prototypes import prototypes
from sembench.figures.relevance import relevance_maps
from sembench.figures.subject import Subject
from sembench.types import Capability

_COMPARES = frozenset({Capability.SIMILARITIES})


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Attributes:
        draw: Makes it, of one explainer or, if ``together``, of a sequence of them.
        together: Whether explainers share one picture.
        requires: What an explainer must offer.
        maps: Whether it must compare cells, too.
    """

    draw: Callable[..., Picture]
    together: bool
    requires: frozenset[Capability] = frozenset()
    maps: bool = False

    def check(self, subject: Subject) -> None:
        """Raises `NotOffered`, with a sentence why, if the figure does not apply to an explainer."""
        for capability in sorted(self.requires):
            subject.require(capability)
        if self.maps:
            subject.require_maps()


FIGURES: dict[str, Kind] = {
    "prototypes": Kind(prototypes, True, _COMPARES),
    "looks-like": Kind(looks_like, False, _COMPARES),
    "relevance": Kind(relevance_maps, True),
    "concepts": Kind(concepts, False, _COMPARES, maps=True),
    "embedding": Kind(embedding, True, _COMPARES | {Capability.EMBEDDINGS}),
}
"""The figures that need models, by name."""


@dataclass(frozen=True)
class Drawn:
    """What came of a figure.

    Attributes:
        pictures: Pictures by the names of the explainers on them.
        reasons: A sentence for each explainer that the figure does not apply to.
    """

    pictures: dict[tuple[str, ...], Picture] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def draw(figure: str, subjects: Sequence[Subject], **options: Any) -> Drawn:
    """Draws a figure of every explainer that it applies to, and says why of the others.

    Args:
        figure: Its name in `FIGURES`.
        subjects: The explainers; their names differ.
        **options: What the figure's function takes beside them.

    Raises:
        UnknownName: If there is no such figure.
        SembenchError: If it does not take these options.
    """
    if figure not in FIGURES:
        raise UnknownName("figure", figure, FIGURES)
    kind, drawn, able = FIGURES[figure], Drawn(), []
    accepted = list(inspect.signature(kind.draw).parameters)[1:]
    if set(options) - set(accepted):
        unknown = ", ".join(sorted(set(options) - set(accepted)))
        raise SembenchError(f"figure {figure!r} does not take {unknown}; it takes {', '.join(accepted)}.")
    for subject in subjects:
        try:
            kind.check(subject)
        except NotOffered as why:
            drawn.reasons[subject.name] = f"no figure '{figure}' of {why}"
        else:
            able.append(subject)
    groups = [able] if kind.together and able else [[subject] for subject in able]
    for group in groups:
        names = tuple(subject.name for subject in group)
        try:
            drawn.pictures[names] = kind.draw(group if kind.together else group[0], **options)
        except ValueError as error:
            raise SembenchError(f"figure {figure!r} cannot be drawn: {error}") from error
    return drawn
