"""Patch-level KMEx: class-wise k-means on the cells of the last feature map instead of their average.

S. Gautam, A. Boubekki, M. Hoehne, M. Kampffmeyer: *Prototypical Self-Explainable Models Without Re-training*,
TMLR 2024, which compares both levels on CUB-200.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.relevance.propagation import propagate
from sembench.relevance.prototypes import Rule, class_shares, onto_cells
from sembench.similarity import largest_per_class
from sembench.types import Explanation, as_points
from sembench_baselines.clustering import RowSample, classwise_kmeans
from sembench_baselines.kmex import KMEx, KMExModel
from sembench_baselines.settings import prototypes_within

_FIT_BATCH = 256


class KMExPatchesModel(KMExModel):
    """A frozen backbone that decides for the class of the prototype that is nearest to any of the image's cells.

    An image is as similar to a prototype as its most similar cell, as in part-level ProtoPNet [ours: the paper leaves
    open how cells make up an image]. Decision, probabilities and head are those of KMEx.
    """

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone.features(images)

    def explain(self, embeddings: Tensor) -> Explanation:
        """The transparent head, applied to feature maps ``(B, D, h, w)``; decisions are taken in float64."""
        size, _, height, width = embeddings.shape
        rows = self.similarity(as_points(embeddings.double()), self.vectors.double())
        maps = rows.view(size, height, width, -1).permute(0, 3, 1, 2)
        similarities = maps.amax((2, 3))
        scores = largest_per_class(similarities, self.classes, self.backbone.n_classes)
        kind = embeddings.dtype
        return Explanation(scores.to(kind), similarities.to(kind), maps.to(kind), embeddings, scores.argmax(1))

    def carried(self, images: Tensor, relevance: Callable[[Tensor], Tensor]) -> Tensor:
        return propagate(self.backbone, Backbone.features, images, relevance, bias=self.bias)

    def head_relevance(self, embeddings: Tensor, targets: Tensor | None = None, rule: Rule | None = None) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``: the target's probability, shared out by the head.

        To the class's most similar prototype (``explained="mean"``: to all of them, evenly); from a prototype to its
        most similar cell; from there to the cell's channels by the head rule.
        """
        explanation = self.explain(embeddings)
        chosen = explanation.predictions if targets is None else targets
        own = self.classes[None] == chosen[:, None]
        seed = self.class_probabilities(explanation).gather(1, chosen[:, None])
        even = torch.ones_like(explanation.similarities)  # KMEx's head weighs nothing
        shares = class_shares(even, explanation.similarities, own, self.recipe.explained)
        return self._onto_cells(embeddings, explanation, seed * shares, rule or self.recipe.rule)

    def prototype_relevance(self, embeddings: Tensor, prototypes: Tensor) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``, all in the cell most similar to the prototype; sums to 1."""
        weights = F.one_hot(prototypes, len(self.classes)).to(embeddings.dtype)
        return self._onto_cells(embeddings, self.explain(embeddings), weights, "prp")

    def _onto_cells(self, embeddings: Tensor, explanation: Explanation, weights: Tensor, rule: Rule) -> Tensor:
        """Carries relevance ``(B, P)`` of prototypes to their most similar cells."""
        maps = cast(Tensor, explanation.similarity_maps)
        return onto_cells(embeddings, maps, weights, lambda z, j: self._channel_shares(z, j, self.classes[j], rule))


@dataclass(frozen=True)
class KMExPatches(KMEx):
    """KMEx on cells of the last feature map; hyper-parameters as `KMEx` has them.

    Attributes:
        max_rows: Cells that k-means may use at most, all classes together. If there are more, a random sample of each
            class's cells is used [ours], so that memory does not grow with the number of images.
    """

    model = KMExPatchesModel

    max_rows: int = 100_000

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> KMExModel:
        counts = prototypes_within(self.prototypes_per_class, train)
        rows = RowSample(train.labels, counts, self.max_rows, generator)
        with torch.no_grad():
            for batch in train.batches(_FIT_BATCH):
                rows.add(backbone.features(batch.images.to(backbone.device)).cpu(), batch.indices)
        prototypes = classwise_kmeans(
            rows.per_class(), counts, flavour=self.flavour, n_init=self.n_init, generator=generator
        )
        return self.model(backbone, prototypes, self)
