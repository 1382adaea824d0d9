"""Figure of prototypes: their nearest training images, how much each explains, ghosts, decoded images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sembench.errors import NotOffered
from sembench.figures.figure import ModelFigure
from sembench.figures.neighbours import Neighbours, neighbours
from sembench.figures.picture import BLUE, INK, LINE, VERMILLION, Picture, styled
from sembench.figures.subject import Subject, pixels
from sembench.types import SHARED, Capability

_SIDE = 0.46  # of a thumbnail, inches
_GAP = 0.12
_PER_ROW = 20  # thumbnails beside each other before a class goes on in another row
_BETWEEN = 0.45
_LABEL = 0.75

Image = NDArray[np.float32]


@dataclass(frozen=True)
class _Block:
    """One explainer's part of the figure."""

    subject: Subject
    found: Neighbours
    decoded: Image | None
    origins: Tensor | None
    notes: tuple[str, ...]

    @property
    def strip(self) -> int:
        """Thumbnails per prototype."""
        return self.found.images.shape[1] + (self.decoded is not None) + (self.origins is not None)

    def of(self, label: int) -> list[int]:
        """The prototypes of a class."""
        return (self.subject.model.prototypes.classes.cpu() == label).nonzero()[:, 0].tolist()

    def per_row(self, most: int) -> int:
        """Prototypes beside each other."""
        return max(1, min(most, _PER_ROW // self.strip))

    @property
    def step(self) -> float:
        """From one prototype to the next, inches."""
        return self.strip * _SIDE + _GAP


@styled
def prototypes(
    subjects: Sequence[Subject], *, nearest: int | None = None, classes: Sequence[int] | None = None
) -> Picture:
    """The prototypes of one explainer, or of several side by side, a row for each class.

    Args:
        subjects: The explainers.
        nearest: Training images to show per prototype; by default 3 for one explainer, 1 beside others.
        classes: Labels of the classes to show; by default the first ten, and shared prototypes.

    Raises:
        NotOffered: If one of them has no prototypes to compare images with.
        ValueError: If a label is out of range, or no image is to be shown.

    References:
        [K] Figs. 2, 11, 13-15.
    """
    count = nearest if nearest is not None else (3 if len(subjects) == 1 else 1)
    if count < 1:
        raise ValueError(f"nearest is {count}; at least 1 training image is shown per prototype.")
    blocks = [_block(subject, count) for subject in subjects]
    labels = _labels(blocks, classes)
    rows = {label: max(ceil(len(b.of(label)) / b.per_row(len(b.of(label)) or 1)) for b in blocks) for label in labels}
    row = _SIDE + LINE + 0.08
    widths = [max(b.per_row(len(b.of(label)) or 1) for label in labels) * b.step for b in blocks]
    width = _LABEL + sum(widths) + _BETWEEN * (len(blocks) - 1)
    height = 2 * LINE + 0.15 + row * sum(rows.values()) + 0.12 * len(rows)
    picture = Picture(width, height, f"Prototypes on {subjects[0].dataset.name}", _caption(blocks, count))
    left = _LABEL
    for place, (block, width) in enumerate(zip(blocks, widths, strict=True)):
        picture.write(left, LINE, block.subject.name, size=10.5, weight="bold", va="baseline")
        summary = f"{len(block.found.explains)} prototypes, {int(block.found.ghosted.sum()) or 'none'} ghosted"
        picture.write(left, LINE + 0.05, summary, size=8)
        top = 2 * LINE + 0.15
        for label in labels:
            if place == 0:
                name = block.subject.class_name(label, 12)
                picture.write(0, top + _SIDE / 2, name, size=9, va="center", weight="bold")
            own = block.of(label)
            if not own:
                picture.write(left, top + _SIDE / 2, "no prototype of this class", size=8, va="center", style="italic")
            for rank, prototype in enumerate(own):
                line, column = divmod(rank, block.per_row(len(own)))
                _draw_prototype(picture, block, prototype, left + column * block.step, top + line * row)
            top += rows[label] * row + 0.12
        left += width + _BETWEEN
    return picture


PROTOTYPES = ModelFigure(
    prototypes, together=True, requires=frozenset({Capability.SIMILARITIES}), amount="nearest", apart=True
)


def _block(subject: Subject, count: int) -> _Block:
    found, decoded, origins, notes = neighbours(subject, count), subject.decoded(), None, []
    if decoded is not None:
        notes.append("the image in an orange frame is the prototype as the model decodes it")
    try:
        origins = subject.model.prototype_origins().cpu()
        notes.append("the image in a blue frame is the training image that the prototype was taken from")
    except NotOffered:
        pass  # most prototypes were not taken from an image
    return _Block(subject, found, decoded, origins, tuple(notes))


def _labels(blocks: Sequence[_Block], classes: Sequence[int] | None) -> list[int]:
    known = range(blocks[0].subject.dataset.n_classes)
    if classes is not None:
        wrong = [label for label in classes if label not in known]
        if wrong:
            raise ValueError(f"classes names {wrong}; labels of this data set run from 0 to {known[-1]}.")
        return list(classes)
    shared = [SHARED] if any(block.of(SHARED) for block in blocks) else []
    owned = [label for label in known if any(block.of(label) for block in blocks)]
    return [*owned[:10], *shared]


def _draw_prototype(picture: Picture, block: _Block, prototype: int, x: float, y: float) -> None:
    train, explains = block.subject.dataset.train, int(block.found.explains[prototype])
    at, name = x, f"{block.subject.name}-{prototype}"
    if block.decoded is not None:
        picture.show_image(at, y, _SIDE, block.decoded[prototype], label=f"{name}-decoded")
        picture.frame(at, y, _SIDE, _SIDE, VERMILLION, lw=1.2)
        at += _SIDE
    if block.origins is not None and (index := int(block.origins[prototype, 0])) >= 0:
        picture.show_image(at, y, _SIDE, pixels(train, index), label=f"{name}-origin-{index}")
        picture.frame(at, y, _SIDE, _SIDE, BLUE, lw=1.2)
    at += _SIDE * (block.origins is not None)
    for place, index in enumerate(block.found.images[prototype].tolist()):
        if index >= 0:
            picture.show_image(at, y, _SIDE, pixels(train, index), label=f"{name}-nearest-{index}")
            block.found.frame(picture, prototype, place, (at, y), _SIDE, lw=1.2)
        at += _SIDE
    width = block.strip * _SIDE
    if explains:
        picture.frame(x, y, width, _SIDE, INK, lw=0.6)
        picture.write(x + width / 2, y + _SIDE + 0.02, f"{prototype}: {explains:,}", size=7.5, side="center")
    else:
        picture.fill(x, y, width, _SIDE, "#FFFFFFA0")
        picture.frame(x, y, width, _SIDE, "black", lw=1.4, ls=(0, (2, 1.5)))
        picture.write(x + width / 2, y + _SIDE + 0.02, f"{prototype}: ghost", size=7.5, side="center",
                      weight="bold")  # fmt: skip


def _caption(blocks: Sequence[_Block], count: int) -> list[str]:
    shown = "the nearest training image" if count == 1 else f"the {count} nearest training images"
    kinds = {b.subject.model.points for b in blocks}
    unit = "training images, or cells of them where cells vote," if kinds == {"image", "cell"} else "training images"
    unit = "cells of training images" if kinds == {"cell"} else unit
    notes = [f"{b.subject.name}: {'; '.join(b.notes)}." for b in blocks if b.notes]
    boxes = ["Small orange frames: the most similar cell."] * any(b.found.grid is not None for b in blocks)
    return [
        f"Each group is a prototype: {shown} of its class, and below its number and how many {unit} it explains, being "
        "the most similar prototype of their class. Dashed and pale, ghost: it explains none.",
        *notes, *boxes,
    ]  # fmt: skip
