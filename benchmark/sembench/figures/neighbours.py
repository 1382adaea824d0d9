"""The training images nearest to each prototype, and how many it explains, by one pass over the training set."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sembench.figures.picture import VERMILLION, Picture
from sembench.figures.subject import Subject
from sembench.metrics.ghosting import activated
from sembench.types import SHARED, Capability, Explanation, as_points


@dataclass(frozen=True)
class Neighbours:
    """Training images and counts for each prototype.

    Attributes:
        explains: Number of training points whose most similar prototype of their class it is, ``(P,)``; 0: a ghost.
        images: The most similar training images of its class, best first, ``(P, k)``; -1 where there are fewer.
        cells: Row and column of the most similar cell of each, ``(P, k, 2)``; -1 where a whole image is compared.
        grid: Height and width of the feature map, cells; ``None`` where whole images are compared.
    """

    explains: Tensor
    images: Tensor
    cells: Tensor
    grid: tuple[int, int] | None

    @property
    def ghosted(self) -> Tensor:
        """Mask of the prototypes that explain nothing, ``(P,)``."""
        return self.explains == 0

    def frame(
        self, picture: Picture, prototype: int, place: int, at: tuple[float, float], side: float, lw: float
    ) -> None:
        """Frames the most similar cell of a neighbour that is drawn as a square at a place; nothing without cells."""
        row, column = self.cells[prototype, place].tolist()
        if self.grid is not None and row >= 0:
            height, width = side / self.grid[0], side / self.grid[1]
            picture.frame(at[0] + column * width, at[1] + row * height, width, height, VERMILLION, lw=lw)


def neighbours(subject: Subject, count: int) -> Neighbours:
    """The ``count`` nearest training images of every prototype, and the number of points that it explains.

    Neighbours are of the prototype's class (of any class for a shared one); ties go to the first in data set order.

    Raises:
        NotOffered: If the model has no similarities to prototypes.
        ContractBroken: If an explanation has a wrong shape or is not finite.
    """
    subject.require(Capability.SIMILARITIES)
    classes = subject.model.prototypes.classes.cpu()
    explains = torch.zeros(len(classes), dtype=torch.int64)
    best = torch.full((0, len(classes)), -torch.inf, dtype=torch.float64)
    images, cells = (torch.full((0, len(classes)), -1) for _ in range(2))
    grid = None
    for batch, explanation in subject.explanations(subject.dataset.train):
        similarities, where, size = _nearest_cells(subject, explanation)
        grid = grid or size
        explains += _explained(subject, explanation, batch.labels, classes)
        own = (batch.labels[:, None] == classes) | (classes == SHARED)
        best = torch.cat([best, similarities.masked_fill(~own, -torch.inf)])
        images = torch.cat([images, batch.indices[:, None].expand_as(own).masked_fill(~own, -1)])
        cells = torch.cat([cells, where])
        order = best.argsort(dim=0, descending=True, stable=True)[:count]
        best, images, cells = (part.gather(0, order) for part in (best, images, cells))
    width = grid[1] if grid else 1
    places = torch.stack([cells // width, cells % width], 2).masked_fill((cells < 0)[..., None], -1)
    return Neighbours(explains, images.T, places.transpose(0, 1), grid)


def _nearest_cells(subject: Subject, explanation: Explanation) -> tuple[Tensor, Tensor, tuple[int, int] | None]:
    """Similarity ``(B, P)``, most similar cell ``(B, P)`` (-1 where images are compared), and the map's size."""
    similarities, maps = explanation.similarities.cpu().double(), explanation.similarity_maps
    if maps is not None:
        nearest, where = maps.cpu().double().flatten(2).max(2)
        if subject.model.points == "cell" or torch.allclose(nearest, similarities, rtol=1e-4, atol=1e-6):
            return nearest, where, (maps.shape[2], maps.shape[3])
    return similarities, torch.full(similarities.shape, -1), None


def _explained(subject: Subject, explanation: Explanation, labels: Tensor, classes: Tensor) -> Tensor:
    """Number of points of the batch that each prototype explains, as ghosting counts them."""
    similarities, maps = explanation.similarities.cpu(), explanation.similarity_maps
    if subject.model.points == "cell" and maps is not None:
        similarities, labels = as_points(maps.cpu()), labels.repeat_interleave(maps[0, 0].numel())
    return torch.bincount(activated(similarities, labels, classes), minlength=len(classes))
