"""Figure of concepts: explanation maps of test images, their relevance, and a legend of the concepts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray

from sembench.errors import NotOffered
from sembench.figures.colours import Colour, ink_on, prototype_colours
from sembench.figures.figure import ModelFigure
from sembench.figures.neighbours import Neighbours, neighbours
from sembench.figures.overlay import stretched
from sembench.figures.picture import LINE, Picture, styled
from sembench.figures.subject import Subject, picked, pixels
from sembench.types import Capability, in_pixels

_SHORT = 12  # characters of a class's name
_SIDE, _GAP, _NAME = 0.95, 0.08, 1.42
_THUMB, _ENTRY = 0.6, 1.62  # of the legend, inches
_PER_ROW = 5  # entries of the legend
_MOST = 50  # entries of the legend
_DIGIT = (0.06, 0.12)  # room for a digit of a concept's number, inches
_SEGMENTS_DIMMED = 0.75

Cells = NDArray[np.int64]


@styled
def concepts(subject: Subject, *, images: Sequence[int] | None = None, count: int = 6) -> Picture:
    """Test images with the concept of every cell, the relevance of every pixel, and what the concepts look like.

    Args:
        subject: An explainer that compares cells with prototypes.
        images: Positions of test images; by default the first ones, classes taking turns.
        count: Images to show if none are named.

    Raises:
        NotOffered: If the explainer compares whole images.
        ValueError: If an image is not in the test set.

    References:
        [C] Fig. 1.
    """
    subject.require_maps()
    test = subject.dataset.test
    picks = picked(test, images, count)
    batch = test.batch(picks)
    cells, predictions = _cells(subject, picks, "test"), subject.explain(batch).predictions.tolist()
    found, sizes = np.unique(cells, return_counts=True)
    shown = sorted(found[np.argsort(-sizes, kind="stable")[:_MOST]].tolist())
    near, colours = neighbours(subject, 1), prototype_colours(subject.model.prototypes.classes.cpu())
    segments = _segments(subject, near, shown)
    rows, row = -(-len(shown) // _PER_ROW), _SIDE + 2 * LINE
    width = _NAME + max(len(picks) * (_SIDE + _GAP), _PER_ROW * _ENTRY)
    picture = Picture(
        width, 3 * row + 0.15 + rows * (_THUMB + 0.12), f"Concepts of {subject.name} on {subject.dataset.name}",
        _caption(subject, len(shown), len(found)),
    )  # fmt: skip
    for name, line in (("test image", 0), ("explanation map", 1), ("relevance", 2), ("concepts", 3)):
        picture.write(0, line * row + _SIDE / 2, name, size=9, weight="bold", va="center")
    for place, index in enumerate(picks.tolist()):
        left, label = _NAME + place * (_SIDE + _GAP), int(batch.labels[place])
        picture.show_image(left, 0, _SIDE, pixels(test, index), label=f"test-{index}")
        wrong = predictions[place] != label
        said = f"{'WRONG:' if wrong else 'says'}\n{subject.class_name(predictions[place], _SHORT)}"
        picture.write(left + _SIDE / 2, _SIDE + 0.02, said, size=7, side="center",
                      weight="bold" if wrong else "normal")  # fmt: skip
        _draw_map(picture, cells[place], colours, left, row, f"concepts-{index}")
    _draw_relevance(picture, subject, picks.tolist(), 2 * row)
    for place, concept in enumerate(shown):
        line, column = divmod(place, _PER_ROW)
        left, top = _NAME + column * _ENTRY, 3 * row + 0.15 + line * (_THUMB + 0.12)
        _draw_entry(picture, subject, near, segments.get(concept), concept, colours[concept], left, top)
    return picture


CONCEPTS = ModelFigure(concepts, together=False, requires=frozenset({Capability.SIMILARITIES}), maps=True)


def _cells(subject: Subject, picks: torch.Tensor, split: str) -> Cells:
    """Index of the most similar prototype of every cell, ``(B, h, w)``."""
    part = subject.dataset.test if split == "test" else subject.dataset.train
    maps = subject.explain(part.batch(picks)).similarity_maps
    if maps is None:
        raise NotOffered(f"{subject.name}: it gives no similarity maps.")
    winners: Cells = maps.argmax(1).cpu().numpy()
    return winners


def _segments(subject: Subject, near: Neighbours, shown: Sequence[int]) -> dict[int, NDArray[np.bool_]]:
    """For each concept the cells that show it in its nearest training image, the most similar one among them."""
    known = [concept for concept in shown if int(near.images[concept, 0]) >= 0]
    segments = {}
    if known:
        maps = _cells(subject, near.images[known, 0], "train")
        for concept, cells in zip(known, maps, strict=True):
            segment = cells == concept
            row, column = near.cells[concept, 0].tolist()
            if row >= 0:
                segment[row, column] = True
            segments[concept] = segment
    return segments


def _draw_map(picture: Picture, cells: Cells, colours: Sequence[Colour], left: float, top: float, label: str) -> None:
    """The cells of an image in the colours of their concepts, numbered, the largest first, where there is room."""
    picture.show_image(left, top, _SIDE, np.array(colours, dtype=np.float32)[cells], label=label)
    height, width = cells.shape
    concepts, sizes = np.unique(cells, return_counts=True)
    taken: list[tuple[float, float, float]] = []
    for concept in concepts[np.argsort(-sizes, kind="stable")]:
        places = np.argwhere(cells == concept)
        row, column = places[np.abs(places - places.mean(0)).sum(1).argmin()]
        x, y = left + (column + 0.5) / width * _SIDE, top + (row + 0.5) / height * _SIDE
        half = len(str(concept)) * _DIGIT[0] / 2
        x = min(max(x, left + half), left + _SIDE - half)
        if all(abs(x - a) >= half + wide or abs(y - b) >= _DIGIT[1] for a, b, wide in taken):
            taken.append((x, y, half))
            picture.write(x, y, str(concept), size=6.5, side="center", va="center", color=ink_on(colours[concept]))


def _draw_relevance(picture: Picture, subject: Subject, picks: Sequence[int], top: float) -> None:
    try:
        maps = subject.relevance(subject.dataset.test.batch(torch.tensor(picks)))
    except NotOffered as why:
        said, room = f"no relevance maps. {why}", max(len(picks) * (_SIDE + _GAP), _PER_ROW * _ENTRY)
        picture.write(_NAME, top + _SIDE / 2, said, size=8.5, within=room, va="center", style="italic")
        return
    for place, (index, relevance) in enumerate(zip(picks, maps, strict=True)):
        low, high = float(relevance.min()), float(relevance.max())
        left, image = _NAME + place * (_SIDE + _GAP), colormaps["cividis"](stretched(relevance))[..., :3]
        picture.show_image(left, top, _SIDE, image.astype(np.float32), label=f"relevance-{index}")
        picture.write(left + _SIDE / 2, top + _SIDE + 0.02, f"{low:.2g} to {high:.2g}", size=7, side="center")


def _draw_entry(
    picture: Picture, subject: Subject, near: Neighbours, segment: NDArray[np.bool_] | None, concept: int,
    colour: Colour, left: float, top: float,
) -> None:  # fmt: skip
    """A concept: its colour and number, its nearest segment in a training image, its class, what it explains."""
    picture.fill(left, top, 0.26, _THUMB, colour)
    picture.write(left + 0.13, top + _THUMB / 2, str(concept), size=7.5, side="center", va="center",
                  color=ink_on(colour))  # fmt: skip
    name = subject.class_name(int(subject.model.prototypes.classes[concept]), _SHORT)
    words = f"{name}\n{int(near.explains[concept]):,} {_unit(subject)}"
    picture.write(left + 0.3 + _THUMB, top + _THUMB / 2, words, size=7, va="center")
    if segment is None:
        return
    image = pixels(subject.dataset.train, int(near.images[concept, 0]))
    inside = in_pixels(torch.from_numpy(segment), image.shape[:2]).numpy()[..., None]
    dimmed = np.where(inside, image, _SEGMENTS_DIMMED + (1 - _SEGMENTS_DIMMED) * image)
    picture.show_image(left + 0.27, top, _THUMB, dimmed.astype(np.float32), label=f"concept-{concept}")
    near.frame(picture, concept, 0, (left + 0.27, top), _THUMB, lw=1.1)


def _unit(subject: Subject) -> str:
    return "cells" if subject.model.points == "cell" else "images"


def _caption(subject: Subject, shown: int, found: int) -> list[str]:
    which = f"the {shown} with most cells in these images, of {found}; " if shown < found else ""
    return [
        "Explanation map: colour and, where there is room, number of the most similar prototype of every cell; hues "
        "stand for classes. "
        "Relevance: from dark blue (smallest value of the image) to yellow (largest), both below.",
        f"Concepts: {which}the training image with the most similar cell (framed), outside of the concept's segment "
        f"pale; its class, and how many {_unit(subject)} of the training set it explains.",
    ]  # fmt: skip
