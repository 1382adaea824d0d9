"""What a model says of images, image by image: decision, most similar prototypes, and where; and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sembench.errors import NotOffered
from sembench.figures.overlay import difference, overlay
from sembench.figures.picture import LINE, VERMILLION, Picture
from sembench.figures.portraits import Portraits
from sembench.figures.subject import FittedModel
from sembench.types import Batch, Capability, Explanation

SIDE = 0.85  # of an image, inches
STEP = 2 * SIDE + 0.35  # from one prototype to the next
WORDS = 1.6  # what the model says of an image
ROW = SIDE + 2 * LINE + 0.12
SHORT = 13  # characters of a class's name
_CLASS_MAP = " The class map, which is not of a single prototype, is on the figure 'relevance'."

Map = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Likeness:
    """The decision on an image, and the prototypes that it is most like.

    Attributes:
        prediction: The decided class.
        prototypes: Indices of the most similar prototypes, best first, ``(k,)``.
        similarities: How similar they are, ``(k,)``; where cells vote, the share of cells that vote for each.
        maps: Prototype map of each of these prototypes, ``(k, H, W)``; ``None`` where that is not offered.
        reason: Why there are no maps; empty where there are.
    """

    prediction: int
    prototypes: tuple[int, ...]
    similarities: tuple[float, ...]
    maps: Map | None
    reason: str

    @property
    def spread(self) -> float:
        """Mean difference of the maps from each other, 0 (the same) to 1 (disjoint)."""
        maps = [] if self.maps is None else list(self.maps)
        pairs = [difference(a, b) for place, a in enumerate(maps) for b in maps[:place]]
        return float(np.mean(pairs)) if pairs else 0.0


def likenesses(fitted: FittedModel, batch: Batch, explanation: Explanation, count: int) -> list[Likeness]:
    """The ``count`` prototypes that each image of an explained batch is most like. ``count`` attributions.

    Raises:
        NotOffered: If the model has no similarities to prototypes.
        ContractBroken: If a relevance map breaks the contract.
    """
    fitted.require(Capability.SIMILARITIES)
    similarities = _compared(fitted, explanation)
    order = similarities.argsort(dim=1, descending=True, stable=True)[:, :count]
    reason, maps = "", None
    try:
        maps = np.stack([fitted.prototype_relevance(batch, column) for column in order.T], 1) if count else None
    except NotOffered as why:
        reason = f"No prototype map: {why}." + _CLASS_MAP * (Capability.ATTRIBUTION in fitted.supports)
    found = zip(explanation.predictions.tolist(), order, similarities.gather(1, order), strict=True)
    return [
        Likeness(decided, tuple(best.tolist()), tuple(alike.tolist()), None if maps is None else maps[row], reason)
        for row, (decided, best, alike) in enumerate(found)
    ]


def _compared(fitted: FittedModel, explanation: Explanation) -> Tensor:
    """Similarities ``(B, P)``; where cells vote, the share of cells that are most like each prototype."""
    maps = explanation.similarity_maps
    if fitted.model.points != "cell" or maps is None:
        return explanation.similarities.cpu()
    winners = maps.flatten(2).argmax(1).cpu()
    return torch.nn.functional.one_hot(winners, maps.shape[1]).double().mean(1)


def amount(fitted: FittedModel, similarity: float) -> str:
    """A similarity in words."""
    return f"{similarity:.0%} of cells" if fitted.model.points == "cell" else f"similarity {similarity:.3g}"


def draw_prototypes(
    picture: Picture, fitted: FittedModel, found: Likeness, shown: Portraits, image: NDArray[np.float32],
    at: tuple[float, float], label: str,
) -> None:  # fmt: skip
    """Draws, from a place to the right, the prototypes that an image is like, each with its map over the image."""
    left, top = at
    picture.write(left - 0.25, top + SIDE / 2, "looks\nlike", size=7.5, side="center", va="center")
    for place, prototype in enumerate(found.prototypes):
        shown.draw(picture, prototype, (left, top), SIDE)
        if found.maps is not None:
            picture.show_image(left + SIDE + 0.03, top, SIDE, overlay(image, found.maps[place]),
                               label=f"{label}-prototype-{prototype}")  # fmt: skip
        name = fitted.class_name(int(fitted.model.prototypes.classes[prototype]), SHORT)
        said = f"{name}, prototype {prototype}\n{amount(fitted, found.similarities[place])}"
        picture.write(left, top + SIDE + 0.03, said, size=7.5)
        left += STEP


def draw_image(picture: Picture, image: NDArray[np.float32], at: tuple[float, float], label: str, wrong: bool) -> None:
    """Draws an image, in a dashed frame if the decision on it is wrong."""
    picture.show_image(*at, SIDE, image, label=label)
    if wrong:
        picture.frame(*at, SIDE, SIDE, VERMILLION, lw=2.5, ls="--")


def caption(found: Iterable[Likeness], shown: Portraits) -> list[str]:
    """Words on what the prototypes beside images are, and on their maps."""
    rows = list(found)
    seen = "as the model decodes it" if shown.decoded else "shown by the nearest training image of its class"
    boxes = ", its most similar cell framed" * shown.framed
    where = (
        "right of it, its prototype map: where the image is like this prototype. Orange speaks for it, blue against, "
        "each map divided by its largest value."
    )
    with_maps = any(row.maps is not None for row in rows)
    return [
        f"Each pair: a prototype, {seen}{boxes}" + ("; " + where if with_maps else "."),
        *dict.fromkeys(row.reason for row in rows if row.reason),
    ]
