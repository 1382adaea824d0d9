"""The head of the models whose cells vote: patch-level KMEx ([K] A.7), and B4, B234 ([C] Eqs. 9-10)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.explainers.explainer import SelfExplainableModel
from sembench.similarity import largest_per_class
from sembench.types import Explanation, as_points


class VotingModel(SelfExplainableModel):
    """Each cell votes for the class of its most similar prototype; the share of votes is class score and probability.

    Attributes:
        backbone: The network.
        classes: Class of each prototype ``(P,)``.
    """

    points = "cell"

    backbone: Backbone
    classes: Tensor

    def voted(self, maps: Tensor, embeddings: Tensor) -> Explanation:
        """The explanation of cells ``(B, D, h, w)`` of these similarities ``(B, P, h, w)``.

        An image is as similar to a prototype as its cells are on average [ours].
        """
        scores = self.class_scores(maps)
        similarities = maps.flatten(2).mean(2).to(embeddings.dtype)
        return Explanation(scores, similarities, maps, embeddings, self._decide(scores, maps))

    def class_scores(self, maps: Tensor) -> Tensor:
        """The transparent head: share of cells that vote for each class, ``(B, P, h, w)`` to ``(B, C)``, float32."""
        votes = F.one_hot(self.classes[maps.flatten(2).argmax(1)], self.backbone.n_classes)
        return votes.float().mean(1)

    def _decide(self, scores: Tensor, maps: Tensor) -> Tensor:
        """The class with most votes; among equals the one whose prototypes are closer, summed over all cells [ours]."""
        nearest = largest_per_class(as_points(maps), self.classes, self.backbone.n_classes)
        closeness = nearest.view(maps.shape[0], -1, self.backbone.n_classes).sum(1)
        tied = scores >= scores.amax(1, keepdim=True) - 1e-6
        return closeness.masked_fill(~tied, -torch.inf).argmax(1)

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        return explanation.class_scores

    def explanation_map(self, images: Tensor) -> Tensor:
        """Index of the most similar prototype of every cell, ``(B, h, w)`` ([C] Eq. 9)."""
        maps = self(images).similarity_maps
        return maps.argmax(1)  # type: ignore[no-any-return]
