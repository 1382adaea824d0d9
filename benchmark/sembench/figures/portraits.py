"""Portraits of prototypes: one picture of each, for figures that show many of them small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sembench.figures.neighbours import neighbours
from sembench.figures.picture import VERMILLION, Picture
from sembench.figures.subject import Subject

_BATCH = 100


@dataclass(frozen=True, eq=False)
class Portraits:
    """One picture of each prototype.

    Attributes:
        images: Pictures ``(P, 3, H, W)``, uint8; black where there is none.
        origins: The training image that is shown ``(P,)``; -1 where the model decodes the prototype, or there is none.
        frames: The most similar cell, as shares of the picture: left, top, width, height, ``(P, 4)``; NaN for none.
        decoded: Whether the model itself decodes its prototypes; else they are shown by the nearest training image.
    """

    images: Tensor
    origins: Tensor
    frames: Tensor
    decoded: bool

    def draw(self, picture: Picture, prototype: int, at: tuple[float, float], side: float) -> None:
        """Draws a portrait as a square at a place; says so where there is none."""
        left, top = at
        if not self.decoded and int(self.origins[prototype]) < 0:
            picture.write(left + side / 2, top + side / 2, "no training\nimage", size=7, side="center", va="center")
            return
        kind = "decoded" if self.decoded else f"nearest-{int(self.origins[prototype])}"
        pixels = (self.images[prototype].permute(1, 2, 0).numpy() / 255).astype(np.float32)
        picture.show_image(left, top, side, pixels, label=f"prototype-{prototype}-{kind}")
        x, y, width, height = (side * float(share) for share in self.frames[prototype])
        if width > 0:
            picture.frame(left + x, top + y, width, height, VERMILLION, lw=1.5)

    @property
    def framed(self) -> bool:
        """Whether any shows its most similar cell."""
        return bool(self.frames.isfinite().any())


def portraits(subject: Subject) -> Portraits:
    """The portraits of a model's prototypes. One pass over the training images, unless the model decodes them itself.

    Raises:
        NotOffered: If the model has no similarities to prototypes.
    """
    decoded, number = subject.decoded(), len(subject.model.prototypes)
    frames = torch.full((number, 4), torch.nan)
    if decoded is not None:
        images = torch.from_numpy(decoded).permute(0, 3, 1, 2)
        return Portraits(_in_8_bits(images), torch.full((number,), -1), frames, decoded=True)
    train, near = subject.dataset.train, neighbours(subject, 1)
    nearest = near.images[:, 0]
    images = torch.zeros((number, 3, train.image_size, train.image_size), dtype=torch.uint8)
    for some in (nearest >= 0).nonzero()[:, 0].split(_BATCH):
        images[some] = _in_8_bits(train.load(nearest[some]))
    if near.grid is not None:
        height, width = near.grid
        rows, columns = near.cells[:, 0].T
        found = torch.stack(
            [columns / width, rows / height, torch.full((number,), 1 / width), torch.full((number,), 1 / height)], 1
        )
        frames = torch.where((rows >= 0)[:, None], found, frames)
    return Portraits(images, nearest, frames, decoded=False)


def _in_8_bits(images: Tensor) -> Tensor:
    return (images * 255).round().to(torch.uint8)
