"""Figure of relevance maps: the black box and its self-explainable models on the same images, with their KL."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sembench.errors import NotOffered
from sembench.figures.figure import ModelFigure
from sembench.figures.overlay import overlay
from sembench.figures.picture import LINE, Picture, styled
from sembench.figures.subject import Subject, picked, pixels
from sembench.metrics.lrp_kl import relevance_kl
from sembench.relevance.propagation import Bias, black_box_relevance

_SIDE, _GAP, _NAME, _MEANS = 0.85, 0.06, 1.35, 1.45
_ROW = _SIDE + LINE + 0.08
_CAPTION = (
    "Relevance of the same test images: orange speaks for the predicted class, blue against it; each map is divided by "
    "its largest value. Below a map: its KL divergence from the black box's map, in nats, 0 if they are the same; in "
    "brackets that of the model's map of the next image here. A KL means something only beside that."
)


@styled
def relevance_maps(subjects: Sequence[Subject], *, images: Sequence[int] | None = None, count: int = 6) -> Picture:
    """Relevance maps of the same test images from the black box and from every explainer, a row each.

    Args:
        subjects: The explainers; all of one data set and one black box. The black box among them has no second row.
        images: Positions of test images; by default the first ones, classes taking turns.
        count: Images to show if none are named.

    Raises:
        ValueError: If the explainers are not paired with one black box, or an image is not in the test set.

    References:
        [K] Fig. 6, Eqs. 2-3.
    """
    first = subjects[0]
    if any(s.backbone is not first.backbone or s.dataset is not first.dataset for s in subjects):
        raise ValueError(
            "maps compare only within one black box on one data set; draw the others on a figure of their own."
        )
    subjects = [subject for subject in subjects if not subject.is_reference]
    test = first.dataset.test
    picks = picked(test, images, count)
    batch, width = test.batch(picks), _NAME + len(picks) * (_SIDE + _GAP) + _MEANS
    height = (_SIDE + 0.1) + _ROW * (len(subjects) + 1)
    picture = Picture(width, height, f"Relevance maps on {first.dataset.name}", [_CAPTION])
    shown = [pixels(test, index) for index in picks.tolist()]
    _draw_row(picture, "test images", 0, shown, "test", [])

    @functools.cache
    def reference(bias: Bias) -> NDArray[np.float64]:
        maps = black_box_relevance(first.backbone, batch.images.to(first.backbone.device), bias=bias)
        return maps.cpu().double().numpy()

    top, own = _SIDE + 0.1, reference("share")
    _draw_row(picture, "black box", top, [overlay(i, r) for i, r in zip(shown, own, strict=True)], "black box", [])
    for subject in subjects:
        top += _ROW
        try:
            maps = subject.relevance(batch)
        except NotOffered as why:
            _draw_name(picture, subject.name, top)
            picture.write(_NAME, top + _SIDE / 2, f"no relevance maps. {why}", size=8.5, va="center", style="italic")
            continue
        drawn, black_box = torch.from_numpy(maps), torch.from_numpy(reference(subject.model.bias))
        kl, other = (relevance_kl(some, black_box).tolist() for some in (drawn, drawn.roll(-1, 0)))
        heat = [overlay(i, r) for i, r in zip(shown, maps, strict=True)]
        below = [f"{a:.2g} ({b:.2g})" for a, b in zip(kl, other, strict=True)]
        _draw_row(picture, subject.name, top, heat, subject.name, below)
        means = f"mean KL {np.mean(kl):.2g}\nnext image's {np.mean(other):.2g}"
        picture.write(width - _MEANS + 0.1, top + _SIDE / 2, means, size=8.5, va="center")
    return picture


RELEVANCE = ModelFigure(relevance_maps, together=True)


def _draw_name(picture: Picture, name: str, top: float) -> None:
    picture.write(0, top + _SIDE / 2, name, size=9.5, weight="bold", va="center")


def _draw_row(
    picture: Picture, name: str, top: float, images: Sequence[NDArray[np.float32]], label: str, below: Sequence[str]
) -> None:
    _draw_name(picture, name, top)
    for place, image in enumerate(images):
        left = _NAME + place * (_SIDE + _GAP)
        picture.show_image(left, top, _SIDE, image, label=f"{label}-{place}")
        if below:
            picture.write(left + _SIDE / 2, top + _SIDE + 0.02, below[place], size=7.5, side="center")
