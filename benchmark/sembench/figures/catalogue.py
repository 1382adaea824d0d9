"""Figures of models by name, drawn of every explainer that they apply to."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sembench.errors import NotOffered, SembenchError
from sembench.figures.figure import ModelFigure
from sembench.figures.picture import Picture
from sembench.figures.subject import Subject
from sembench.plugins.registry import FIGURES


@dataclass(frozen=True)
class Drawn:
    """Pictures by the names of the explainers on them, and why the figure does not apply to others, by name."""

    pictures: dict[tuple[str, ...], Picture] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def draw(figure: str, subjects: Sequence[Subject], **options: Any) -> Drawn:
    """Draws a figure of every explainer that it applies to, and says why of the others.

    Raises:
        UnknownName: If there is no such figure.
        SembenchError: If it is not drawn from models, or does not take these options.
    """
    kind, drawn, able = FIGURES.get(figure), Drawn(), []
    if not isinstance(kind, ModelFigure):
        raise SembenchError(f"figure {figure!r} is drawn from results, not from models: sembench show {figure}.")
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
