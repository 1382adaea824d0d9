"""CNN-as-SEM: every convolutional classifier already compares its feature map with one prototype per class.

A. Boubekki, L. Clemmensen: *Post-hoc Self-explanation of CNNs*, 2026. Theorem 1: the dot product of the feature map
with a column of the classifier, averaged over cells, equals the logit, bias aside.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.relevance.propagation import propagate
from sembench.types import Capability, Explanation, Prototypes, Trait
from sembench_baselines.blackbox import BlackBox, BlackBoxModel


class CNNAsSEM(BlackBoxModel):
    """The black box, read as a self-explainable model: its classifier's columns are the prototypes."""

    recipe: CNN

    @property
    def prototypes(self) -> Prototypes:
        weight = self.backbone.classifier.weight
        return Prototypes(weight, torch.arange(len(weight), device=weight.device))

    def forward(self, images: Tensor) -> Explanation:
        features = self.backbone.features(images)
        embeddings = self.backbone.average(features)
        similarities = embeddings @ self.prototypes.vectors.T
        maps = torch.einsum("bdhw,pd->bphw", features, self.prototypes.vectors)
        return Explanation(self.class_scores(similarities), similarities, maps, embeddings)

    def class_scores(self, similarities: Tensor) -> Tensor:
        """The transparent head: ``(B, P)`` to ``(B, C)``, the similarity itself."""
        bias = self.backbone.classifier.bias
        return similarities + bias if self.recipe.bias_in_score and bias is not None else similarities

    def prototype_similarities(self) -> Tensor:
        vectors = self.prototypes.vectors.double()
        return vectors @ vectors.T

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        """The black box's own relevance map, of the class that this model predicts."""
        if targets is None:
            with torch.no_grad():
                targets = self(images).predictions
        return super().attribute(images, targets)

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        """The prototype's relevance, 1, put on the logit of its class and carried down as the black box's.

        A logit is the similarity to the class's one prototype, bias aside. Scaled by the class's probability the map
        of an unlikely one would be 0 everywhere in single precision.
        """

        def relevance(logits: Tensor) -> Tensor:
            return F.one_hot(prototypes, logits.shape[1]).to(logits.dtype)

        return propagate(self.backbone, Backbone.forward, images, relevance, bias=self.bias)


@dataclass(frozen=True)
class CNN(BlackBox):
    """CNN-as-SEM; nothing is fitted.

    Attributes:
        bias_in_score: Add the classifier's bias to the similarity. Off, as in the theorem: the class score is the
            similarity itself. On, the entry is the black box exactly.
    """

    model = CNNAsSEM
    kind = "explainer"
    supports = frozenset(Capability)
    lacks = {}
    needs = frozenset({Trait.LINEAR_HEAD})

    bias_in_score: bool = False
