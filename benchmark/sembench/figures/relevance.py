"""Figure of class maps: the black box and its self-explainable models on the same images, with their KL."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sembench.errors import NotOffered
from sembench.evaluation.maps import NO_CLASS_MAP
from sembench.figures.figure import ModelFigure
from sembench.figures.overlay import overlay
from sembench.figures.picture import LINE, Picture, styled
from sembench.figures.subject import Subject, picked, pixels
from sembench.metrics.lrp_kl import relevance_kl
from sembench.relevance.fallback import TITLES
from sembench.relevance.propagation import Bias, black_box_relevance
from sembench.types import Batch

Maps = NDArray[np.float64]

_SIDE, _GAP, _NAME, _MEANS = 0.85, 0.06, 1.35, 1.45
_ROW = _SIDE + LINE + 0.08
_CAPTION = (
    "Class maps of the same test images, the relevance of the predicted class's probability: orange speaks for the "
    "class, blue against it; each map is divided by its largest value. Below a map: its KL divergence from the black "
    "box's map, in nats, 0 if they are the same; in brackets that of the model's map of the next image here. A KL "
    "means something only beside that."
)


@styled
def relevance_maps(subjects: Sequence[Subject], *, images: Sequence[int] | None = None, count: int = 6) -> Picture:
    """Class maps of the same test images from the black box and from every explainer, a row each.

    Where a method has none, the map of its most similar prototype stands in, and the caption says so.

    Args:
        subjects: The explainers; all of one data set and one black box. The black box among them has no second row.
        images: Positions of test images; by default the first ones, classes taking turns.
        count: Images to show if none are named.

    Raises:
        ValueError: If the explainers are not paired with one black box, or an image is not in the test set.

    References:
        [K] section A.4 and Fig. 6, Eqs. 2-3.
    """
    first = subjects[0]
    if any(s.backbone is not first.backbone or s.dataset is not first.dataset for s in subjects):
        raise ValueError(
            "maps compare only within one black box on one data set; draw the others on a figure of their own."
        )
    picks = picked(first.dataset.test, images, count)
    batch = first.dataset.test.batch(picks)
    rows = [_maps_of(subject, batch) for subject in subjects if not subject.is_reference]
    width, height = _NAME + len(picks) * (_SIDE + _GAP) + _MEANS, (_SIDE + 0.1) + _ROW * (len(rows) + 1)
    notes = [f"{row.subject.name}: {row.note}." for row in rows if row.note and row.maps is not None]
    if first.backbone.attribution in TITLES:
        notes.append(f"The black box's maps are made by {TITLES[first.backbone.attribution]}.")
    picture = Picture(width, height, f"Class maps on {first.dataset.name}", [_CAPTION, *notes])
    shown = [pixels(first.dataset.test, index) for index in picks.tolist()]
    _draw_row(picture, "test images", 0, shown, "test", [])

    @functools.cache
    def reference(bias: Bias) -> Maps:
        maps = black_box_relevance(first.backbone, batch.images.to(first.backbone.device), bias=bias)
        return maps.cpu().double().numpy()

    top, own = _SIDE + 0.1, reference("share")
    _draw_row(picture, "black box", top, [overlay(i, r) for i, r in zip(shown, own, strict=True)], "black box", [])
    for row in rows:
        top += _ROW
        _draw_maps(picture, row, shown, reference(row.subject.model.bias), top, width)
    return picture


@dataclass(frozen=True)
class _Row:
    """An explainer's maps ``(B, H, W)``, and a note if they are others than its class maps, or there are none."""

    subject: Subject
    maps: Maps | None
    note: str


def _maps_of(subject: Subject, batch: Batch) -> _Row:
    try:
        return _Row(subject, *subject.class_maps(batch))
    except NotOffered as why:
        return _Row(subject, None, str(why))


def _draw_maps(
    picture: Picture, row: _Row, shown: Sequence[NDArray[np.float32]], black_box: Maps, top: float, width: float
) -> None:
    """A row of maps, each with its KL below, and their means; in words where there are none."""
    name = row.subject.name
    if row.maps is None:
        _draw_name(picture, name, top)
        said = f"no relevance maps. {row.note}"
        picture.write(_NAME, top + _SIDE / 2, said, size=8.5, within=width - _NAME, va="center", style="italic")
        return
    drawn, reference = torch.from_numpy(row.maps), torch.from_numpy(black_box)
    kl, other = (relevance_kl(some, reference).tolist() for some in (drawn, drawn.roll(-1, 0)))
    heat = [overlay(i, r) for i, r in zip(shown, row.maps, strict=True)]
    below = [f"{a:.2g} ({b:.2g})" for a, b in zip(kl, other, strict=True)]
    _draw_row(picture, name, top, heat, name, below)
    means = f"mean KL {np.mean(kl):.2g}\nnext image's {np.mean(other):.2g}" + "\nprototype maps" * (
        NO_CLASS_MAP in row.note
    )
    picture.write(width - _MEANS + 0.1, top + _SIDE / 2, means, size=8.5, va="center")


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
