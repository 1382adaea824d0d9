"""The nouns of the benchmark, with their symbols and shapes.

    symbol      meaning
    B, N        images in a batch, images in all
    C           classes
    L, P        prototypes per class, prototypes in all
    D           channels of the embedding
    H, W        height and width of an image, pixels
    h, w        height and width of a feature map, cells
    z           embedding (B, D): the feature map F after average pooling
    F           feature map (B, D, h, w)
    p_j         prototype j, a vector (D,)

A *point* is what a classifier compares with its prototypes: an image, or a cell of its feature map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor

from sembench.errors import ContractBroken

SHARED = -1
"""Class of a prototype that belongs to no class in particular."""


class Capability(StrEnum):
    """What a method can show beyond its decision, or a data set can offer. A metric names those it requires."""

    SIMILARITIES = "similarities to prototypes"
    PROTOTYPE_SIMILARITIES = "similarities between prototypes"
    EMBEDDINGS = "prototypes in the space of embeddings"
    PROBABILITIES = "class probabilities"
    ATTRIBUTION = "relevance of pixels"
    ATTRIBUTES = "attributes of images"


OF_DATA = frozenset({Capability.ATTRIBUTES})
"""The capabilities of data sets; all others are those of methods."""


class Trait(StrEnum):
    """Properties that a network may lack; explainers and metrics name those that they need."""

    LINEAR_HEAD = "a linear layer on the average of the last feature map"
    RELEVANCE = "relevance propagation down to the pixels"


@dataclass(frozen=True)
class Batch:
    """Images with what is known of them.

    Attributes:
        images: Normalised images ``(B, 3, H, W)``.
        labels: Classes ``(B,)``, int64.
        indices: Data set indices ``(B,)``, int64: they identify an image, whatever batch it comes in.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return replace(
            self, images=self.images.to(device), labels=self.labels.to(device), indices=self.indices.to(device)
        )


@dataclass(frozen=True)
class Prototypes:
    """What a self-explainable model compares images with.

    Attributes:
        vectors: ``(P, D)``.
        classes: Class of each prototype ``(P,)``, int64; `SHARED` (-1) for one that belongs to no class.
    """

    vectors: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class Explanation:
    """What a self-explainable model says of a batch.

    Attributes:
        class_scores: ``(B, C)``; the larger, the more the image belongs to the class.
        similarities: ``(B, P)``; the larger, the more alike (never a distance).
        similarity_maps: ``(B, P, h, w)`` where the model compares cells, else ``None``.
        embeddings: The points that were compared: ``(B, D)`` or ``(B, D, h, w)``; ``None`` without prototypes.
        decisions: Predicted classes ``(B,)`` where the model breaks ties by a rule of its own, else ``None``.
    """

    class_scores: Tensor
    similarities: Tensor
    similarity_maps: Tensor | None = None
    embeddings: Tensor | None = None
    decisions: Tensor | None = None

    @property
    def predictions(self) -> Tensor:
        """Predicted classes ``(B,)``: the largest class score, ties as the model breaks them, else the first."""
        return self.class_scores.argmax(1) if self.decisions is None else self.decisions


def of_class(labels: Tensor, classes: Tensor) -> Tensor:
    """Whether each prototype belongs to the class of each label, ``(N, P)``, bool; a shared one belongs to every."""
    return (labels[:, None] == classes) | (classes == SHARED)


def as_points(values: Tensor) -> Tensor:
    """Rows of points: ``(B, K) -> (B, K)``, ``(B, K, h, w) -> (B*h*w, K)``, cells of an image side by side."""
    return values if values.ndim == 2 else values.permute(0, 2, 3, 1).flatten(0, 2)


def in_pixels(cells: Tensor, side: Sequence[int]) -> Tensor:
    """Maps of cells ``(..., h, w)`` as large as images ``(..., H, W)``: a pixel's value is that of the cell it lies in.

    Examples:
        >>> in_pixels(torch.tensor([[1, 2]]), (1, 5)).tolist()  # the centre of the third pixel is on the border
        [[1, 1, 2, 2, 2]]
    """
    rows, columns = (
        (2 * torch.arange(n, device=cells.device) + 1) * k // (2 * n)
        for n, k in zip(side, cells.shape[-2:], strict=True)
    )
    return cells[..., rows[:, None], columns]


def check_finite(name: str, tensor: Tensor, who: str) -> None:
    """Raises `ContractBroken` if a tensor holds NaN or infinite values."""
    if not bool(torch.isfinite(tensor).all()):
        share = 1 - torch.isfinite(tensor).float().mean().item()
        raise ContractBroken(
            f"{who}: {name} holds NaN or infinite values ({share:.1%} of {tuple(tensor.shape)}); every value must be "
            "finite. Look at the training's loss, or at a division by zero."
        )


def check_shape(name: str, tensor: Tensor, expected: tuple[int, ...], who: str) -> None:
    """Raises `ContractBroken` if a tensor has another shape."""
    if tuple(tensor.shape) != expected:
        raise ContractBroken(f"{who}: {name} has shape {tuple(tensor.shape)}, expected {expected}.")


def check_explanation(explanation: Explanation, size: int, classes: int, prototypes: Prototypes, who: str) -> None:
    """Raises `ContractBroken` unless an explanation keeps its promises on shape, finiteness and decisions.

    Args:
        explanation: What the model said.
        size: Images in the batch, ``B``.
        classes: Classes of the data set, ``C``.
        prototypes: The model's prototypes.
        who: Name of the explainer, for the message.
    """
    check_shape("class_scores", explanation.class_scores, (size, classes), who)
    check_shape("similarities", explanation.similarities, (size, len(prototypes)), who)
    decided = explanation.predictions
    check_shape("predictions", decided, (size,), who)
    if decided.is_floating_point() or not bool(((decided >= 0) & (decided < classes)).all()):
        raise ContractBroken(
            f"{who}: decisions are {decided.unique().tolist()[:5]} ({decided.dtype}); they must be classes, integers "
            f"from 0 to {classes - 1}."
        )
    check_finite("class_scores", explanation.class_scores, who)
    check_finite("similarities", explanation.similarities, who)
    maps = explanation.similarity_maps
    if maps is not None:
        check_shape("similarity_maps", maps, (size, len(prototypes), *maps.shape[-2:]), who)
        check_finite("similarity_maps", maps, who)
