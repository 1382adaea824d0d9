"""Figure *this looks like that*: the prototypes that test images are most like, how much, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sembench.errors import NotOffered
from sembench.figures.figure import ModelFigure
from sembench.figures.neighbours import Neighbours, neighbours
from sembench.figures.overlay import difference, overlay
from sembench.figures.picture import LINE, VERMILLION, Picture, styled
from sembench.figures.subject import Subject, picked, pixels
from sembench.types import Batch, Capability, Explanation

_SHORT = 13  # characters of a class's name
_CHOSEN = (
    "The images are the first of the test set that are classified rightly, and the first that are not, true classes "
    "taking turns in both."
)
_CLASS_MAP = " The class map, which is not of a single prototype, is on the figure 'relevance'."
_SIDE = 0.85  # of an image, inches
_STEP = 2 * _SIDE + 0.35  # from one prototype to the next
_WORDS = 1.6  # what the model says of an image
_FIRST = _WORDS + _SIDE + 0.45  # from the left to the first prototype: words, image, "looks like"
_ROW = _SIDE + 2 * LINE + 0.12

Maps = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """Predictions and most similar prototypes of some test images.

    Attributes:
        batch: The images.
        predictions: Predicted classes ``(B,)``.
        prototypes: Indices of the most similar prototypes, best first, ``(B, k)``.
        similarities: How similar they are, ``(B, k)``; where cells vote, the share of cells that vote for each.
        maps: Prototype map of each of these prototypes, ``(B, k, H, W)``; ``None`` where that is not offered.
        reason: Why there are no maps; empty where there are.
    """

    batch: Batch
    predictions: Tensor
    prototypes: Tensor
    similarities: Tensor
    maps: Maps | None
    reason: str

    def spread(self, row: int) -> float:
        """Mean difference of an image's maps from each other, 0 (the same) to 1 (disjoint)."""
        maps = [] if self.maps is None else list(self.maps[row])
        pairs = [difference(a, b) for place, a in enumerate(maps) for b in maps[:place]]
        return float(np.mean(pairs)) if pairs else 0.0


def likeness(subject: Subject, images: Tensor, count: int) -> Likeness:
    """The ``count`` prototypes that each of these test images ``(B,)`` is most like.

    Raises:
        NotOffered: If the model has no similarities to prototypes.
        ContractBroken: If an explanation or a relevance map breaks the contract.
    """
    subject.require(Capability.SIMILARITIES)
    batch = subject.dataset.test.batch(images)
    explanation = subject.explain(batch)
    similarities = _compared(subject, explanation)
    order = similarities.argsort(dim=1, descending=True, stable=True)[:, :count]
    maps, reason = None, ""
    try:
        maps = np.stack([subject.prototype_relevance(batch, column) for column in order.T], 1)
    except NotOffered as why:
        reason = f"No prototype map: {why}." + _CLASS_MAP * (Capability.ATTRIBUTION in subject.supports)
    return Likeness(batch, explanation.predictions.cpu(), order, similarities.gather(1, order), maps, reason)


def _compared(subject: Subject, explanation: Explanation) -> Tensor:
    """Similarities ``(B, P)``; where cells vote, the share of cells that are most like each prototype."""
    maps = explanation.similarity_maps
    if subject.model.points != "cell" or maps is None:
        return explanation.similarities.cpu()
    winners = maps.flatten(2).argmax(1).cpu()
    return torch.nn.functional.one_hot(winners, maps.shape[1]).double().mean(1)


def chosen(subject: Subject, right: int, wrong: int) -> Tensor:
    """The first test images classified rightly, and the first that are not; true classes take turns in both."""
    test = subject.dataset.test
    predictions = torch.cat([explanation.predictions.cpu() for _, explanation in subject.explanations(test)])
    hit = predictions == test.labels
    return torch.cat([test.in_turn(hit.nonzero()[:, 0], right), test.in_turn((~hit).nonzero()[:, 0], wrong)])


@styled
def looks_like(
    subject: Subject, *, images: Sequence[int] | None = None, count: int = 3, right: int = 4, wrong: int = 4
) -> Picture:
    """Test images, and the prototypes that they are most like: which, how much, and where.

    Args:
        subject: The explainer.
        images: Positions of test images; by default some that are classified rightly and some that are not.
        count: Prototypes per image.
        right: Images that are classified rightly, of as many classes as possible.
        wrong: Images that are not, of as many classes as possible, or fewer if there are not as many.

    Raises:
        NotOffered: If the model has no prototypes to compare images with.
        ValueError: If an image is not in the test set, or no prototype is to be shown.

    References:
        [K] Figs. 2 and 12.
    """
    if count < 1:
        raise ValueError(f"count is {count}; at least 1 prototype is shown per image.")
    subject.require(Capability.SIMILARITIES)
    count = min(count, len(subject.model.prototypes))
    picks = chosen(subject, right, wrong) if images is None else picked(subject.dataset.test, images, 0)
    found, near = likeness(subject, picks, count), neighbours(subject, 1)
    decoded = subject.decoded()
    width, height = _FIRST + count * _STEP - 0.2, 0.1 + _ROW * len(picks)
    picture = Picture(width, height, f"This looks like that: {subject.name} on {subject.dataset.name}",
                      _caption(subject, found, decoded is not None, near, images is None))  # fmt: skip
    for row in range(len(picks)):
        _draw_row(picture, subject, found, near, decoded, row, 0.1 + row * _ROW)
    return picture


LOOKS_LIKE = ModelFigure(looks_like, together=False, requires=frozenset({Capability.SIMILARITIES}))


def _draw_row(
    picture: Picture, subject: Subject, found: Likeness, near: Neighbours, decoded: NDArray[np.float32] | None,
    row: int, top: float,
) -> None:  # fmt: skip
    index, label = int(found.batch.indices[row]), int(found.batch.labels[row])
    prediction, test = int(found.predictions[row]), subject.dataset.test
    wrong, image = prediction != label, pixels(test, index)
    middle, x = top + _SIDE / 2, _WORDS
    words = f"says {subject.class_name(prediction, _SHORT)}"
    if wrong:
        picture.write(0, middle - 0.2, f"WRONG\n{words}\nis {subject.class_name(label, _SHORT)}", size=9, weight="bold",
                      va="center", color="#A84300")  # fmt: skip
    else:
        picture.write(0, middle, f"right\n{words}", size=9, va="center")
    picture.show_image(x, top, _SIDE, image, label=f"test-{index}")
    if wrong:
        picture.frame(x, top, _SIDE, _SIDE, VERMILLION, lw=2.5, ls="--")
    picture.write(x + _SIDE + 0.2, middle, "looks\nlike", size=7.5, side="center", va="center")
    for place, prototype in enumerate(found.prototypes[row].tolist()):
        left = _FIRST + place * _STEP
        _draw_prototype(picture, subject, near, decoded, prototype, left, top)
        if found.maps is not None:
            picture.show_image(left + _SIDE + 0.03, top, _SIDE, overlay(image, found.maps[row, place]),
                               label=f"test-{index}-prototype-{prototype}")  # fmt: skip
        name = subject.class_name(int(subject.model.prototypes.classes[prototype]), _SHORT)
        similarity = float(found.similarities[row, place])
        amount = f"{similarity:.0%} of cells" if subject.model.points == "cell" else f"similarity {similarity:.3g}"
        picture.write(left, top + _SIDE + 0.03, f"{name}, prototype {prototype}\n{amount}", size=7.5)
    if found.maps is not None and found.maps.shape[1] > 1:
        picture.write(0, top + _SIDE, f"maps differ by {found.spread(row):.2f}", size=7, va="bottom")


def _draw_prototype(
    picture: Picture, subject: Subject, near: Neighbours, decoded: NDArray[np.float32] | None, prototype: int,
    left: float, top: float,
) -> None:  # fmt: skip
    nearest = int(near.images[prototype, 0])
    if decoded is not None:
        picture.show_image(left, top, _SIDE, decoded[prototype], label=f"prototype-{prototype}-decoded")
    elif nearest >= 0:
        image = pixels(subject.dataset.train, nearest)
        picture.show_image(left, top, _SIDE, image, label=f"prototype-{prototype}-nearest-{nearest}")
        near.frame(picture, prototype, 0, (left, top), _SIDE, lw=1.5)
    else:
        picture.write(left + _SIDE / 2, top + _SIDE / 2, "no training\nimage", size=7, side="center", va="center")


def _caption(subject: Subject, found: Likeness, decoded: bool, near: Neighbours, first: bool) -> list[str]:
    seen = "as the model decodes it" if decoded else "shown by the nearest training image of its class"
    boxes = ", its most similar cell framed" * (near.grid is not None and not decoded)
    where = (
        "right of it, its prototype map: where the test image is like this prototype. Orange speaks for it, blue "
        "against, each map divided by its largest value. Maps differ by 0 if they are the same, by 1 if they share no "
        "pixel."
    )
    some_wrong = bool((found.predictions != found.batch.labels).any())
    return [
        f"Each pair: a prototype, {seen}{boxes}" + ("; " + where if found.maps is not None else "."),
        *[found.reason] * bool(found.reason),
        *[_CHOSEN] * first,
        *["None of these predictions is wrong."] * (not some_wrong),
    ]  # fmt: skip
