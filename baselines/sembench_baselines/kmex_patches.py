"""Patch-level KMEx: class-wise k-means on the cells of the last feature map instead of their average.

S. Gautam, A. Boubekki, M. Hoehne, M. Kampffmeyer: *Prototypical Self-Explainable Models Without Re-training*,
TMLR 2024, A.7, which compares both levels on CUB-200.
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
from sembench.relevance.prototypes import Rule, onto_cells
from sembench.similarity import similarity_maps
from sembench.types import Explanation, as_points
from sembench_baselines.clustering import RowSample, classwise_kmeans
from sembench_baselines.kmex import KMEx, KMExModel
from sembench_baselines.settings import Count, prototypes_within
from sembench_baselines.voting import VotingModel

_FIT_BATCH = 256


class KMExPatchesModel(VotingModel, KMExModel):
    """A frozen backbone that decides by the "majority vote of the KMEx predictions for each patch" ([K] A.7).

    Patches are the cells of the last feature map, "right before the final average pool".

    Note:
        On a network of four blocks `sembench_baselines.blocks.B4` with ``scaling="none"`` differs by the unit norm of
        its cells alone. With ``scaling="rms"`` it decides as patch-level KMEx does.
    """

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone.features(images)

    def explain(self, embeddings: Tensor) -> Explanation:
        """The transparent head, applied to feature maps ``(B, D, h, w)``; similarity maps are in float64, as votes."""
        return self.voted(similarity_maps(embeddings.double(), self.vectors, self.recipe.similarity), embeddings)

    def carried(self, images: Tensor, relevance: Callable[[Tensor], Tensor]) -> Tensor:
        return propagate(self.backbone, Backbone.features, images, relevance, bias=self.bias)

    def head_relevance(self, embeddings: Tensor, targets: Tensor | None = None, rule: Rule | None = None) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``: the target's share of votes, shared out by the head [ours].

        Evenly to the cells that vote for the class, and from each of them as in KMEx: to its nearest prototype, and by
        the rule to the cell's channels. A cell whose channels are all off carries nothing; its part is lost.
        """
        explanation = self.explain(embeddings)
        size, channels, height, width = embeddings.shape
        classes = (explanation.predictions if targets is None else targets).repeat_interleave(height * width)
        points, similarities = as_points(embeddings), as_points(cast(Tensor, explanation.similarity_maps))
        voting = self.classes[similarities.argmax(1)] == classes
        relevance = torch.zeros_like(points)
        relevance[voting] = self.shares_of_class(points[voting], similarities[voting], classes[voting], rule)
        return relevance.view(size, height, width, channels).permute(0, 3, 1, 2) / (height * width)

    def prototype_relevance(self, embeddings: Tensor, prototypes: Tensor) -> Tensor:
        """Relevance of the feature map ``(B, D, h, w)``, by PRP, all in the cell most similar to the prototype."""
        maps = cast(Tensor, self.explain(embeddings).similarity_maps)
        weights = F.one_hot(prototypes, len(self.classes)).to(embeddings.dtype)
        return onto_cells(embeddings, maps, weights, lambda z, j: self._channel_shares(z, j, self.classes[j], "prp"))


@dataclass(frozen=True)
class KMExPatches(KMEx):
    """KMEx on cells of the last feature map; hyper-parameters as `KMEx` has them.

    Attributes:
        max_rows: Cells that k-means may use at most, all classes together, see
            `sembench_baselines.clustering.RowSample`.
    """

    model = KMExPatchesModel

    max_rows: Count = 100_000

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
