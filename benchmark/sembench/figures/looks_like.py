"""Figure *this looks like that*: the prototypes that test images are most like, how much, and where."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sembench.figures.figure import ModelFigure
from sembench.figures.likeness import (
    ROW,
    SHORT,
    SIDE,
    STEP,
    WORDS,
    Likeness,
    caption,
    draw_image,
    draw_prototypes,
    likenesses,
)
from sembench.figures.picture import Picture, styled
from sembench.figures.portraits import Portraits, portraits
from sembench.figures.subject import Subject, picked, pixels
from sembench.types import Capability

_CHOSEN = (
    "The images are the first of the test set that are classified rightly, and the first that are not, true classes "
    "taking turns in both."
)
_SPREAD = "Maps differ by 0 if they are the same, by 1 if they share no pixel."
_FIRST = WORDS + SIDE + 0.45  # from the left to the first prototype: words, image, "looks like"


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
    batch = subject.dataset.test.batch(picks)
    rows, shown = likenesses(subject, batch, subject.explain(batch), count), portraits(subject)
    truths = batch.labels.tolist()
    with_maps = any(row.maps is not None for row in rows)
    said = [*caption(rows, shown), *[_SPREAD] * with_maps, *[_CHOSEN] * (images is None)]
    if all(row.prediction == truth for row, truth in zip(rows, truths, strict=True)):
        said.append("None of these predictions is wrong.")
    width, height = _FIRST + count * STEP - 0.2, 0.1 + ROW * len(rows)
    picture = Picture(width, height, f"This looks like that: {subject.name} on {subject.dataset.name}", said)
    for place, (row, truth, index) in enumerate(zip(rows, truths, picks.tolist(), strict=True)):
        _draw_row(picture, subject, row, shown, truth, index, 0.1 + place * ROW)
    return picture


LOOKS_LIKE = ModelFigure(looks_like, together=False, requires=frozenset({Capability.SIMILARITIES}))


def _draw_row(
    picture: Picture, subject: Subject, row: Likeness, shown: Portraits, truth: int, index: int, top: float
) -> None:
    image, wrong, middle = pixels(subject.dataset.test, index), row.prediction != truth, top + SIDE / 2
    words = f"says {subject.class_name(row.prediction, SHORT)}"
    if wrong:
        picture.write(0, middle - 0.2, f"WRONG\n{words}\nis {subject.class_name(truth, SHORT)}", size=9, weight="bold",
                      va="center", color="#A84300")  # fmt: skip
    else:
        picture.write(0, middle, f"right\n{words}", size=9, va="center")
    draw_image(picture, image, (WORDS, top), f"test-{index}", wrong)
    draw_prototypes(picture, subject, row, shown, image, (_FIRST, top), f"test-{index}")
    if row.maps is not None and len(row.maps) > 1:
        picture.write(0, top + SIDE, f"maps differ by {row.spread:.2f}", size=7, va="bottom")
