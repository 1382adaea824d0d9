"""Figure of embeddings and prototypes in two dimensions, a panel for each embedding space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sembench.figures.colours import Colour, class_colour
from sembench.figures.figure import ModelFigure
from sembench.figures.picture import INK, LINE, Picture, styled
from sembench.figures.projection import project
from sembench.figures.subject import Subject, first_of_classes
from sembench.seeding import generator
from sembench.types import SHARED, Capability, as_points

_SIDE, _GAP, _PER_ROW = 5.3, 0.3, 2
_FAR = 1.5  # ratio of norms from which prototypes are shown rescaled too
_BATCH = 100
_SHORT = 14  # characters of a class's name
_LETTER, _HEIGHT = 0.077, 0.17  # of a class's name with its frame, inches
_MARK = 0.13  # side of the square around a prototype, inches
_STEPS = 89  # places for a name across a panel
_ON = "sDoPp"  # symbols of prototypes that lie among the embeddings, an explainer each
_OFF = (("x", "^"), ("+", "v"), ("1", "<"))  # of those of another scale: raw, and rescaled
_LINES = "x+1"  # symbols without an inside

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

    def shares_space(self, other: Cloud) -> bool:
        """Whether the same images have the same place in both, up to rounding."""
        return self.points.shape == other.points.shape and np.allclose(
            self.points, other.points, rtol=1e-4, atol=1e-5 * float(np.abs(self.points).max())
        )


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


@dataclass(frozen=True)
class Marks:
    """Prototypes ``(P, D)`` that are shown alike: what the legend says of them, their classes, and their symbol."""

    title: str
    vectors: Array
    classes: NDArray[np.int64]
    symbol: str


def marks(found: Sequence[tuple[str, Cloud]]) -> list[Marks]:
    """The prototypes of explainers that share an embedding space: raw, and also rescaled where their scale is off."""
    shown: list[Marks] = []
    on, off = cycle(_ON), cycle(_OFF)
    for name, own in found:
        if own.off:
            raw, rescaled = next(off)
            shown.append(Marks(f"{name}, raw", own.prototypes, own.classes, raw))
            shown.append(Marks(f"{name}, rescaled to the norm of the class", own.rescaled(), own.classes, rescaled))
        else:
            shown.append(Marks(name, own.prototypes, own.classes, next(on)))
    return shown


def spaces(found: Sequence[tuple[str, Cloud]]) -> list[list[tuple[str, Cloud]]]:
    """Explainers grouped by the space that they embed images into: in one space the same images have the same place."""
    groups: list[list[tuple[str, Cloud]]] = []
    for name, own in found:
        home = next((group for group in groups if own.shares_space(group[0][1])), None)
        if home is None:
            groups.append([(name, own)])
        else:
            home.append((name, own))
    return groups


@styled
def embedding(subjects: Sequence[Subject], *, count: int = 1000, method: str | None = None, seed: int = 0) -> Picture:
    """Training embeddings and prototypes in two dimensions: one projection, and one panel, for each embedding space.

    Explainers of one network share its embedding, and with it the panel. The projection is fitted to the embeddings
    and applied to the prototypes. Where the norms of prototypes and embeddings are far apart, as with the columns of a
    classifier, the panel shows the prototypes raw, and rescaled to the mean norm of their class.

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
    panels = spaces([(subject.name, cloud(subject, count)) for subject in subjects])
    columns, rows = min(len(panels), _PER_ROW), ceil(len(panels) / _PER_ROW)
    tall = _SIDE + (1.7 + max(len(marks(panel)) for panel in panels)) * LINE + _GAP
    names = [subjects[0].class_name(label, _SHORT) for label in range(subjects[0].dataset.n_classes)]
    picture = Picture(
        columns * (_SIDE + _GAP) - _GAP,
        rows * tall,
        f"Embeddings and prototypes on {subjects[0].dataset.name}",
        _CAPTION,
    )
    for place, panel in enumerate(panels):
        row, column = divmod(place, _PER_ROW)
        _panel(picture, panel, (column * (_SIDE + _GAP), row * tall), method, seed, names)
    return picture


EMBEDDING = ModelFigure(embedding, together=True, requires=frozenset({Capability.SIMILARITIES, Capability.EMBEDDINGS}))


_CAPTION = [
    "Dots: embeddings of training images (or of their cells), coloured by class, the class named at their median or, "
    "where names would lie on each other or on prototypes, beside it. The projection of a panel is fitted to its dots "
    "and applied to the prototypes, which have the colour of their class. Raw: as the model has them; rescaled: with "
    "the mean norm of their class's embeddings, so that only their direction counts."
]


def _panel(
    picture: Picture, panel: Sequence[tuple[str, Cloud]], at: tuple[float, float], method: str | None, seed: int,
    names: Sequence[str],
) -> None:  # fmt: skip
    found, shown, (left, top) = panel[0][1], marks(panel), at
    flat = project(found.points, np.concatenate([one.vectors for one in shown]), method=method, seed=seed)
    title = ", ".join(name for name, _ in panel)
    picture.write(left, top + LINE, title, size=10, weight="bold", va="baseline")
    told = f"{flat.method}, fitted to {len(found.points):,} embeddings"
    picture.write(left + _SIDE, top + LINE, told, size=8, side="right", va="baseline")
    axes = picture.axes_at(left, top + 1.5 * LINE, _SIDE, _SIDE, xticks=[], yticks=[])
    axes.set_gid(title)
    colours = [class_colour(int(label)) for label in found.labels]
    axes.scatter(*flat.points.T, s=8, c=colours, alpha=0.45, lw=0, rasterized=True)
    ends = np.cumsum([len(one.vectors) for one in shown])
    for one, places in zip(shown, np.split(flat.others, ends[:-1]), strict=True):
        _draw_marks(axes, places, [class_colour(int(label)) for label in one.classes], one)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.015, 0), fontsize=8, borderaxespad=0.2, handletextpad=0.2)
    _write_names(axes, flat.points, found.labels, flat.others, names)


def _draw_marks(axes: Any, places: Array, colours: Sequence[Colour], one: Marks) -> None:
    """Symbols with an outline that sets them off from the dots: black, or white around those that are lines."""
    if one.symbol in _LINES:
        axes.scatter(*places.T, s=70, c="white", marker=one.symbol, linewidths=4.5, zorder=4)
        axes.scatter(*places.T, s=55, c=colours, marker=one.symbol, linewidths=2.2, zorder=4)
        axes.scatter([], [], s=40, c=INK, marker=one.symbol, linewidths=1.6, label=one.title)
    else:
        axes.scatter(*places.T, s=50, c=colours, marker=one.symbol, edgecolors="black", linewidths=1.0, zorder=4)
        axes.scatter([], [], s=36, c="white", marker=one.symbol, edgecolors=INK, linewidths=1.0, label=one.title)


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
    ends = placed(medians, sizes, _SIDE, fixed, np.full_like(fixed, _MARK))
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
