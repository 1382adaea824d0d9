"""Figure of embeddings and prototypes in two dimensions, prototypes raw and rescaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sembench.figures.colours import class_colour
from sembench.figures.figure import ModelFigure
from sembench.figures.picture import LINE, Picture, styled
from sembench.figures.projection import project
from sembench.figures.subject import Subject, first_of_classes
from sembench.seeding import generator
from sembench.types import SHARED, Capability, as_points

_SIDE, _GAP, _PER_ROW = 3.3, 0.25, 3
_FAR = 1.5  # ratio of norms from which prototypes are shown rescaled too
_BATCH = 100
_SHORT = 14  # characters of a class's name
_LETTER, _HEIGHT = 0.077, 0.17  # of a class's name with its frame, inches
_DIAMOND = 0.13  # side of the square around a prototype, inches
_STEPS = 89  # places for a name across a panel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cloud:
    """Embeddings of training images ``(N, D)``, a model's prototypes ``(P, D)``, and the classes of both."""

    points: Array
    labels: NDArray[np.int64]
    prototypes: Array
    classes: NDArray[np.int64]

    def norms(self) -> Array:
        """Mean norm of the embeddings of each prototype's class ``(P,)``; of all for a shared prototype."""
        lengths = np.linalg.norm(self.points, axis=1)
        own = [(self.labels == c) if c != SHARED and (self.labels == c).any() else slice(None) for c in self.classes]
        return np.array([lengths[part].mean() for part in own])

    def rescaled(self) -> Array:
        """Prototypes with their direction, and the mean norm of their class; 0 stays where it is."""
        lengths = np.linalg.norm(self.prototypes, axis=1)
        scale = np.divide(self.norms(), lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return np.asarray(self.prototypes * scale[:, None])

    @property
    def off(self) -> bool:
        """Whether norms of prototypes and embeddings differ so much that directions alone should be seen too."""
        ratio = np.linalg.norm(self.prototypes, axis=1).mean() / max(float(self.norms().mean()), 1e-12)
        return not 1 / _FAR < ratio < _FAR


def cloud(subject: Subject, count: int) -> Cloud:
    """Embeddings of the first training images, classes taking turns; of their cells, a random sample of ``count``.

    Raises:
        NotOffered: If prototypes do not lie in the space of the embeddings.
        ContractBroken: If an explanation has a wrong shape or is not finite.
    """
    subject.require(Capability.SIMILARITIES)
    subject.require(Capability.EMBEDDINGS)
    train, parts, labels = subject.dataset.train, [], []
    for picks in first_of_classes(train, count).split(_BATCH):
        batch = train.batch(picks)
        with torch.no_grad():
            embedded = subject.model.embed(batch.images.to(subject.backbone.device)).cpu().double()
        points = as_points(embedded)
        parts.append(points)
        labels.append(batch.labels.repeat_interleave(len(points) // len(batch)))
    points, of = torch.cat(parts), torch.cat(labels)
    kept = torch.randperm(len(points), generator=generator(0, "embedding", len(points)))[:count].sort().values
    prototypes = subject.model.prototypes
    vectors, classes = prototypes.vectors.detach().cpu().double(), prototypes.classes.cpu()
    return Cloud(points[kept].numpy(), of[kept].numpy(), vectors.numpy(), classes.numpy())


@styled
def embedding(subjects: Sequence[Subject], *, count: int = 1000, method: str | None = None, seed: int = 0) -> Picture:
    """Training embeddings and prototypes in two dimensions, a panel for each explainer.

    Where the norms of prototypes and embeddings are far apart, as with the columns of a classifier, a second panel
    shows the prototypes rescaled to the mean norm of their class.

    Args:
        subjects: The explainers.
        count: Points to show at most.
        method: ``"umap"`` or ``"pca"``, see `sembench.figures.projection.project`.
        seed: Of UMAP.

    Raises:
        NotOffered: If prototypes of one of them do not lie in the space of the embeddings.
        ValueError: If the method is not there, or fewer than 3 points are to be shown.

    References:
        [C] Fig. 2.
    """
    if count < 3:
        raise ValueError(f"count is {count}; at least 3 points are needed.")
    panels: list[tuple[str, Cloud, Array]] = []
    for subject in subjects:
        found = cloud(subject, count)
        panels.append((subject.name + (", raw" if found.off else ""), found, found.prototypes))
        if found.off:
            panels.append((f"{subject.name}, rescaled", found, found.rescaled()))
    columns, rows = min(len(panels), _PER_ROW), ceil(len(panels) / _PER_ROW)
    height = rows * (_SIDE + 2.4 * LINE)
    picture = Picture(
        columns * (_SIDE + _GAP) - _GAP, height, f"Embeddings and prototypes on {subjects[0].dataset.name}", _CAPTION
    )
    names = [subjects[0].class_name(label, _SHORT) for label in range(subjects[0].dataset.n_classes)]
    for place, (title, found, vectors) in enumerate(panels):
        row, column = divmod(place, _PER_ROW)
        _panel(picture, title, found, vectors, (column * (_SIDE + _GAP), row * (_SIDE + 2.4 * LINE)), method, seed,
               names)  # fmt: skip
    return picture


EMBEDDING = ModelFigure(embedding, together=True, requires=frozenset({Capability.SIMILARITIES, Capability.EMBEDDINGS}))


_CAPTION = [
    "Dots: embeddings of training images (or of their cells), coloured by class, the class named at their median or, "
    "where names would lie on each other or on prototypes, beside it. "
    "Diamonds: prototypes in the colour of their class. Raw: as the model has them; rescaled: with the mean norm of "
    "their class's embeddings, so that only their direction counts."
]


def _panel(
    picture: Picture, title: str, found: Cloud, vectors: Array, at: tuple[float, float], method: str | None, seed: int,
    names: Sequence[str],
) -> None:  # fmt: skip
    flat = project(found.points, vectors, method=method, seed=seed)
    left, top = at
    picture.write(left, top + LINE, title, size=10, weight="bold", va="baseline")
    picture.write(left + _SIDE, top + LINE, flat.method, size=8, side="right", va="baseline")
    axes = picture.axes_at(left, top + 1.5 * LINE, _SIDE, _SIDE, xticks=[], yticks=[])
    axes.set_gid(title)
    colours = [class_colour(int(label)) for label in found.labels]
    axes.scatter(*flat.points.T, s=7, c=colours, alpha=0.5, lw=0, rasterized=True)
    marks = [class_colour(int(label)) for label in found.classes]
    axes.scatter(*flat.others.T, s=46, c=marks, marker="D", edgecolors="black", linewidths=1.0, zorder=4)
    _write_names(axes, flat.points, found.labels, flat.others, names)


def _write_names(
    axes: Any, points: Array, labels: NDArray[np.int64], prototypes: Array, names: Sequence[str]
) -> None:  # fmt: skip
    """The name of every class at the median of its points, or beside it with a line to it, where no prototype is."""
    shown = np.unique(labels).tolist()
    low, high = (np.array(limits) for limits in zip(axes.get_xlim(), axes.get_ylim(), strict=True))
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    medians = np.array([np.median(points[labels == label], axis=0) for label in shown])
    medians, fixed = ((given - low) / (high - low) * _SIDE for given in (medians, prototypes))
    sizes = np.array([((len(names[label]) + 1) * _LETTER, _HEIGHT) for label in shown])
    ends = placed(medians, sizes, _SIDE, fixed, np.full_like(fixed, _DIAMOND))
    for label, start, end in zip(shown, medians / _SIDE, ends / _SIDE, strict=True):
        colour = class_colour(label)
        axes.plot(*np.stack([start, end]).T, color=colour, lw=1, transform=axes.transAxes, zorder=4.5)
        box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": colour, "alpha": 0.85, "lw": 1}
        axes.text(*end, names[label], fontsize=8, weight="bold", ha="center", va="center", bbox=box,
                  transform=axes.transAxes, zorder=5)  # fmt: skip


def placed(centres: Array, sizes: Array, side: float, taken: Array, taken_sizes: Array) -> Array:
    """New centres of rectangles in a square from 0 to ``side``, one after the other: the nearest free place.

    Where none is free, the place with the smallest overlap; of several, the nearest. What touches nothing stays.
    Centres, widths and heights are ``(N, 2)``, and ``(T, 2)`` those of rectangles that lie there already.
    """
    steps = np.linspace(0, side, _STEPS)
    grid, ends = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2), np.empty_like(centres)
    for index, (centre, size) in enumerate(zip(centres, sizes, strict=True)):
        spots = np.clip(np.concatenate([centre[None], grid]), size / 2, np.maximum(side - size / 2, size / 2))
        overlap = (size + taken_sizes) / 2 - np.abs(spots[:, None] - taken)
        area = overlap.clip(0, np.minimum(size, taken_sizes)).prod(2).sum(1).round(9)
        ends[index] = spots[np.lexsort([np.linalg.norm(spots - centre, axis=1), area])[0]]
        taken, taken_sizes = np.concatenate([taken, ends[index, None]]), np.concatenate([taken_sizes, size[None]])
    return ends
