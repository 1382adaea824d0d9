"""Patch-level KMEx: class-wise k-means on the cells of the last feature map, where KMEx clusters their average.

S. Gautam, A. Boubekki, M. Hoehne, M. Kampffmeyer: *Prototypical Self-Explainable Models Without Re-training*,
TMLR 2024, which compares both levels on CUB-200.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from baselines.clustering import check_class_sizes, classwise_kmeans, prototypes_of_class
from baselines.kmex import KMEx, KMExModel
from baselines.row_sample import RowSample
from benchmark.data.dataset import Split
from benchmark.models.backbone import Backbone
from benchmark.relevance.propagation import propagate
from benchmark.similarity import largest_per_class
from benchmark.types import Explanation, Prototypes, as_points

_FIT_BATCH = 256


class KMExPatchesModel(KMExModel):
    """A frozen backbone that decides for the class of the prototype that is nearest to any of the image's cells.

    Note:
        An image is as similar to a prototype as its most similar cell, as in part-level ProtoPNet [ours: the paper's
        text leaves open how cells make up an image]. Decision, probabilities and head are those of KMEx.
    """

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone.features(images)

    def explain(self, embeddings: Tensor) -> Explanation:
        """What the transparent head says of feature maps ``(B, D, h, w)``; decisions are taken in float64."""
        size, _, height, width = embeddings.shape
        rows = self.similarity(as_points(embeddings.double()), self.vectors.double())
        maps = rows.view(size, height, width, -1).permute(0, 3, 1, 2)
        similarities = maps.amax((2, 3))
        scores = largest_per_class(similarities, self.classes, self.backbone.n_classes)
        kind = embeddings.dtype
        return Explanation(scores.to(kind), similarities.to(kind), maps.to(kind), embeddings, scores.argmax(1))

    def carried(self, images: Tensor, relevance: Callable[[Tensor], Tensor]) -> Tensor:
        return propagate(self.backbone, Backbone.features, images, relevance, bias=self.bias)

    def head_relevance(self, embeddings: Tensor, targets: Tensor | None = None) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``: the target's probability, shared out by the head.

        To the class's most similar prototype (``explained="mean"``: to all of them, evenly); from a prototype to its
        most similar cell; from there to the cell's channels by the head rule.
        """
        explanation = self.explain(embeddings)
        chosen = explanation.predictions if targets is None else targets
        own = self.classes[None] == chosen[:, None]
        seed = self.class_probabilities(explanation).gather(1, chosen[:, None])[:, 0]
        if self.recipe.explained == "nearest":
            columns = explanation.similarities.masked_fill(~own, -torch.inf).argmax(1)
            rows = torch.arange(len(columns), device=columns.device)
        else:
            rows, columns = own.nonzero(as_tuple=True)
            seed = seed / own.sum(1)
        return self._onto_cells(embeddings, explanation, rows, columns, seed)

    def prototype_relevance(self, embeddings: Tensor, prototypes: Tensor) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``, all in the cell most similar to the prototype; sums to 1."""
        rows = torch.arange(len(prototypes), device=prototypes.device)
        return self._onto_cells(embeddings, self.explain(embeddings), rows, prototypes, torch.ones_like(rows))

    def _onto_cells(
        self, embeddings: Tensor, explanation: Explanation, rows: Tensor, columns: Tensor, seed: Tensor
    ) -> Tensor:
        """Carries relevance ``(R,)`` of prototypes (``columns``) of images (``rows``) to their most similar cells."""
        cells = cast(Tensor, explanation.similarity_maps).flatten(2)[rows, columns].argmax(1)
        size, channels, height, width = embeddings.shape
        points = as_points(embeddings)[rows * (height * width) + cells]
        shares = seed[rows, None] * self._channel_shares(points, columns, self.classes[columns])
        relevance = embeddings.new_zeros(size * height * width, channels)
        relevance.index_add_(0, rows * (height * width) + cells, shares.to(embeddings.dtype))
        return relevance.view(size, height, width, channels).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class KMExPatches(KMEx):
    """KMEx on cells of the last feature map; hyper-parameters as `KMEx` has them.

    Attributes:
        max_rows: Cells that k-means may use at most, all classes together. If there are more, a random sample of each
            class's cells is used [ours], so that memory does not grow with the number of images.
    """

    max_rows: int = 100_000

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> KMExPatchesModel:
        counts = prototypes_of_class(self.prototypes_per_class, train.n_classes)
        check_class_sizes(train.labels, counts)
        rows = RowSample(train.labels, counts, self.max_rows, generator)
        with torch.no_grad():
            for batch in train.batches(_FIT_BATCH):
                rows.add(backbone.features(batch.images.to(backbone.device)).cpu(), batch.indices)
        prototypes = classwise_kmeans(
            rows.per_class(), counts, flavour=self.flavour, n_init=self.n_init, generator=generator
        )
        return KMExPatchesModel(backbone, prototypes, self)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> KMExPatchesModel:
        return KMExPatchesModel(backbone, Prototypes(state["vectors"], state["classes"]), self)
