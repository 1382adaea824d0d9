"""A plugin as a typed package of somebody else's has it: `make check` holds its types against sembench's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sembench import EXPLAINERS, Backbone, Explainer, Explanation, Prototypes, SelfExplainableModel, Split
from sembench.relevance import onto_active, propagate, prp


class NearestImage(SelfExplainableModel):
    """Compares an embedding with that of one training image per class."""

    def __init__(self, backbone: Backbone, vectors: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("vectors", vectors)
        self.vectors: Tensor

    @property
    def prototypes(self) -> Prototypes:
        """One per class."""
        return Prototypes(self.vectors, torch.arange(len(self.vectors)))

    def forward(self, images: Tensor) -> Explanation:
        """Minus the distance to each prototype."""
        embeddings = self.backbone.embed(images)
        similarities = -torch.cdist(embeddings, self.vectors)
        return Explanation(class_scores=similarities, similarities=similarities, embeddings=embeddings)

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        """Softmax of the similarities."""
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self) -> Tensor:
        """Minus the distances between prototypes."""
        return -torch.cdist(self.vectors.double(), self.vectors.double())

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """Relevance of the class's prototype."""
        classes = self(images).predictions if targets is None else targets

        def relevance(embeddings: Tensor) -> Tensor:
            return onto_active(prp(embeddings, self.vectors[classes]), embeddings)

        return propagate(self.backbone, Backbone.embed, images, relevance)


@EXPLAINERS.register("nearest-image")
@dataclass(frozen=True)
class NearestImageRecipe(Explainer):
    """The first training image of each class."""

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> NearestImage:
        """Embeds the images."""
        first = torch.stack([(train.labels == label).nonzero()[0, 0] for label in range(train.n_classes)])
        with torch.no_grad():
            return NearestImage(backbone, backbone.embed(train.batch(first).images))

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> NearestImage:
        """The same model from its tensors."""
        return NearestImage(backbone, state["vectors"])
