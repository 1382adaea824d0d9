"""The subject of a figure: a fitted model under its name, its black box, its data, and what it does not offer."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Dataset, Split
from sembench.data.facts import DataFacts
from sembench.errors import NotOffered
from sembench.evaluation.maps import class_maps
from sembench.explainers.explainer import SelfExplainableModel
from sembench.types import SHARED, Batch, Capability, Explanation, Trait, check_explanation, check_finite, check_shape

_BATCH = 100


class FittedModel(ABC):
    """A fitted model under its name, with what it offers, and the facts of the data that it was fitted to.

    Attributes:
        name: Name of the explainer.
        model: The model, in evaluation mode.
        backbone: The black box that it is paired with.
        supports: What it can show, see `sembench.explainers.explainer.Explainer`.
        lacks: For what it cannot show, a sentence with the reason.
    """

    name: str
    model: SelfExplainableModel
    backbone: Backbone
    supports: frozenset[Capability]
    lacks: Mapping[Capability | Trait, str]

    @property
    @abstractmethod
    def facts(self) -> DataFacts:
        """Classes, and how images are prepared."""

    def require(self, capability: Capability) -> None:
        """Raises `NotOffered`, with the method's own reason if it gives one, unless the model can show this."""
        if capability not in self.supports:
            reason = self.lacks.get(capability, f"it does not offer {capability.value}")
            raise NotOffered(f"{self.name}: {reason}.")

    def explain(self, batch: Batch) -> Explanation:
        """The model's checked explanation of a batch. Raises `ContractBroken`."""
        with torch.no_grad():
            explanation: Explanation = self.model(batch.images.to(self.backbone.device))
        check_explanation(explanation, len(batch), len(self.facts.classes), self.model.prototypes, self.name)
        return explanation

    def relevance(self, batch: Batch) -> NDArray[np.float64]:
        """The model's class maps ``(B, H, W)``. Raises `NotOffered` or `ContractBroken`."""
        self.require(Capability.ATTRIBUTION)
        return self._checked(self.model.attribute(batch.images.to(self.backbone.device)), batch)

    def class_maps(self, batch: Batch) -> tuple[NDArray[np.float64], str]:
        """The model's class maps ``(B, H, W)``, or what stands in for them, and a note if it does.

        Raises:
            NotOffered: If the model has no maps at all.
            ContractBroken: If a map has a wrong shape or is not finite.
        """
        self.require(Capability.ATTRIBUTION)
        found = class_maps(self.model, batch.images.to(self.backbone.device))
        return self._checked(found.relevance, batch), found.note

    def prototype_relevance(self, batch: Batch, prototypes: Tensor) -> NDArray[np.float64]:
        """Prototype maps ``(B, H, W)`` of one prototype per image. Raises `NotOffered` or `ContractBroken`."""
        device = self.backbone.device
        return self._checked(self.model.attribute_prototypes(batch.images.to(device), prototypes.to(device)), batch)

    def _checked(self, relevance: Tensor, batch: Batch) -> NDArray[np.float64]:
        check_shape("relevance", relevance, (len(batch), *batch.images.shape[2:]), self.name)
        check_finite("relevance", relevance, self.name)
        return np.asarray(relevance.detach().cpu().numpy(), dtype=np.float64)

    def decoded(self) -> NDArray[np.float32] | None:
        """The prototypes as the model decodes them, ``(P, H, W, 3)``; ``None`` where it has no decoder."""
        try:
            with torch.no_grad():
                images = self.model.decode(self.model.prototypes.vectors).detach().cpu()
        except NotOffered:
            return None
        normalisation = self.facts.normalisation
        mean, std = (torch.tensor(v)[:, None, None] for v in (normalisation.mean, normalisation.std))
        return as_pixels(images * std + mean)

    def class_name(self, label: int, width: int = 24) -> str:
        """Name of a class as pictures show it, or ``shared`` for prototypes that belong to none.

        Names of folders lose their number and underscores; long ones are cut to ``width`` characters.
        """
        if label == SHARED:
            return "shared"
        name = re.sub(r"^\d+\.", "", self.facts.classes[label]).replace("_", " ") or self.facts.classes[label]
        return name if len(name) <= width else f"{name[: width - 1].rstrip()}…"


@dataclass(frozen=True, eq=False, repr=False)
class Subject(FittedModel):
    """A fitted model with the data that it is shown on, as figures see it.

    Attributes:
        dataset: The data.
    """

    name: str
    model: SelfExplainableModel
    backbone: Backbone
    dataset: Dataset
    supports: frozenset[Capability]
    lacks: Mapping[Capability | Trait, str]

    @property
    def facts(self) -> DataFacts:
        """Those of the data set."""
        return self.dataset.facts

    @property
    def is_reference(self) -> bool:
        """Whether the model is the black box itself."""
        return False

    def require_maps(self) -> None:
        """Raises `NotOffered` unless the model compares cells with prototypes."""
        self.require(Capability.SIMILARITIES)
        if self.explain(self.dataset.test.batch(torch.arange(1))).similarity_maps is None:
            raise NotOffered(f"{self.name}: it compares whole images with prototypes, so it has no explanation map.")

    def explanations(self, split: Split) -> Iterator[tuple[Batch, Explanation]]:
        """Every batch of a split with its explanation. One forward pass over the split."""
        for batch in split.batches(_BATCH):
            yield batch, self.explain(batch)


def first_of_classes(split: Split, count: int) -> Tensor:
    """The first images of a split, classes taking turns, in data set order."""
    return split.in_turn(torch.arange(len(split)), count)


def picked(split: Split, images: Sequence[int] | None, count: int) -> Tensor:
    """The images asked for; if none are named, `first_of_classes`. Raises ``ValueError`` if one is not in the split."""
    if images is None:
        return first_of_classes(split, count)
    if any(not 0 <= index < len(split) for index in images):
        raise ValueError(f"images is {images}; test images are numbered 0 to {len(split) - 1}.")
    return torch.tensor(list(images), dtype=torch.int64)


def pixels(split: Split, index: int) -> NDArray[np.float32]:
    """One image of a split in pixel space, ``(H, W, 3)`` in [0, 1]."""
    return np.asarray(as_pixels(split.load(torch.tensor([index])))[0])


def as_pixels(images: Tensor) -> NDArray[np.float32]:
    """``(B, 3, H, W)`` in [0, 1] to ``(B, H, W, 3)``; values outside are clipped."""
    return np.asarray(images.detach().cpu().float().clamp(0, 1).permute(0, 2, 3, 1).numpy(), dtype=np.float32)
