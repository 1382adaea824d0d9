"""KMEx: any trained classifier becomes self-explainable through class-wise k-means on its embedding.

S. Gautam, A. Boubekki, M. Hoehne, M. Kampffmeyer: *Prototypical Self-Explainable Models Without Re-training*,
TMLR 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.errors import FitImpossible
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.relevance.propagation import Bias, propagate
from sembench.relevance.prototypes import Rule, contrast, gxi, neon, onto_active, prp
from sembench.similarity import largest_per_class, similarity, sum_per_class
from sembench.types import Explanation, Prototypes
from sembench_baselines.clustering import Flavour, classwise_kmeans
from sembench_baselines.settings import PAPER, PerClass, Presets, prototypes_within, require_at_least

Explained = Literal["nearest", "mean"]

RULES: tuple[Rule, ...] = ("neon", "contrast", "gxi", "prp")
"""The rules of a head of nearest prototypes, the primary one first."""

_FIT_BATCH = 256


class Embeds(Protocol):
    """A network with an embedding and a device, all that KMEx needs."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""

    def embed(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` to ``(B, D)``."""


class KMExModel(SelfExplainableModel):
    """A frozen backbone that decides for the class of the nearest prototype.

    Args:
        backbone: The network whose embedding is used.
        prototypes: ``(P, D)`` with classes ``(P,)``; every class has at least one.
        recipe: The hyper-parameters.
    """

    def __init__(self, backbone: Backbone, prototypes: Prototypes, recipe: KMEx) -> None:
        super().__init__()
        self.backbone = backbone
        self.recipe = recipe
        self.bias = recipe.bias
        self.similarity = similarity(recipe.similarity)
        self.register_buffer("vectors", prototypes.vectors.to(backbone.device))
        self.register_buffer("classes", prototypes.classes.to(backbone.device))
        self.vectors: Tensor
        self.classes: Tensor

    @property
    def prototypes(self) -> Prototypes:
        return Prototypes(self.vectors, self.classes)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone.embed(images)

    def forward(self, images: Tensor) -> Explanation:
        return self.explain(self.embed(images))

    def explain(self, embeddings: Tensor) -> Explanation:
        """The transparent head, applied to embeddings ``(B, D)``.

        Decisions are taken in float64: in float32 ``exp`` is 0 beyond a distance of 104, and all prototypes tie.
        """
        similarities = self.similarity(embeddings.double(), self.vectors.double())
        scores = largest_per_class(similarities, self.classes, self.backbone.n_classes)
        kind = embeddings.dtype
        return Explanation(scores.to(kind), similarities.to(kind), embeddings=embeddings, decisions=scores.argmax(1))

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        """Sums over each class's prototypes of the softmax over all similarities, as in the authors' code ``(B, C)``.

        The papers' texts name no probability.
        """
        return sum_per_class(explanation.similarities.softmax(1), self.classes, self.backbone.n_classes)

    def prototype_similarities(self) -> Tensor:
        vectors = self.vectors.double()
        return self.similarity(vectors, vectors)

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        return self.carried(images, lambda z: self.head_relevance(z, targets))

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in RULES if rule != "gxi" or self.recipe.similarity != "cosine")

    def attribute_by(self, rule: str, images: Tensor) -> Tensor:
        if rule not in self.rules:
            return super().attribute_by(rule, images)
        return self.carried(images, lambda z: self.head_relevance(z, rule=rule))

    def attribute_prototypes(self, images: Tensor, prototypes: Tensor) -> Tensor:
        return self.carried(images, lambda z: self.prototype_relevance(z, prototypes))

    def carried(self, images: Tensor, relevance: Callable[[Tensor], Tensor]) -> Tensor:
        """Relevance of pixels ``(B, H, W)`` from that of the points that are compared with prototypes."""
        return propagate(self.backbone, Backbone.embed, images, relevance, bias=self.bias)

    def prototype_relevance(self, embeddings: Tensor, prototypes: Tensor) -> Tensor:
        """Relevance of the embedding's channels ``(B, D)`` for one prototype ``(B,)`` each, by PRP; it sums to 1."""
        return self._channel_shares(embeddings, prototypes, self.classes[prototypes], "prp")

    def head_relevance(self, embeddings: Tensor, targets: Tensor | None = None, rule: Rule | None = None) -> Tensor:
        """Relevance of the embedding's channels ``(B, D)``: the target's probability, shared out by the head rule.

        The class score is the similarity of the class's nearest prototype, so that prototype takes all of the class's
        relevance (``explained="mean"``: every prototype of the class the same part).
        """
        explanation = self.explain(embeddings)
        chosen = explanation.predictions if targets is None else targets
        seed = self.class_probabilities(explanation).gather(1, chosen[:, None])
        return seed * self.shares_of_class(embeddings, explanation.similarities, chosen, rule)

    def shares_of_class(
        self, points: Tensor, similarities: Tensor, classes: Tensor, rule: Rule | None = None
    ) -> Tensor:
        """Shares ``(M, D)`` of the points' channels in preferring a class each, by a rule, the recipe's by default.

        Args:
            points: ``(M, D)``.
            similarities: The points' similarities to the prototypes, ``(M, P)``.
            classes: Class of each point, ``(M,)``.
            rule: One of `RULES`.
        """
        rule = rule or self.recipe.rule
        own = self.classes[None] == classes[:, None]
        if self.recipe.explained == "nearest":
            nearest = similarities.masked_fill(~own, -torch.inf).argmax(1)
            return self._channel_shares(points, nearest, classes, rule)
        rows, columns = own.nonzero(as_tuple=True)
        shares = self._channel_shares(points[rows], columns, classes[rows], rule)
        return torch.zeros_like(points).index_add_(0, rows, shares) / own.sum(1, keepdim=True)

    def _channel_shares(self, embeddings: Tensor, prototypes: Tensor, targets: Tensor, rule: Rule) -> Tensor:
        """Shares ``(B, D)`` of the active channels by a rule, for one prototype index per row."""
        return onto_active(self._rule_shares(embeddings, prototypes, targets, rule), embeddings)

    def _rule_shares(self, embeddings: Tensor, prototypes: Tensor, targets: Tensor, rule: Rule) -> Tensor:
        vectors = self.vectors[prototypes]
        if rule == "prp":
            return prp(embeddings, vectors)
        if rule == "gxi":
            return gxi(embeddings, vectors, lambda z, p: self.similarity(z[:, None], p[:, None])[:, 0, 0])
        by_rivals = neon if rule == "neon" else contrast
        return by_rivals(embeddings, vectors, self.vectors, self.classes[None] != targets[:, None])


@dataclass(frozen=True)
class KMEx(Explainer):
    """KMEx: class-wise k-means centroids of the embedding.

    Attributes:
        prototypes_per_class: One number, or one per class.
        flavour: ``"kmeans"``, or ``"bisecting"`` ([K] Table 13).
        n_init: Restarts of k-means.
        similarity: See `sembench.similarity`; ``"distance"`` is the paper's.
        rule: How the relevance of a class gets from its prototype to channels: ``"neon"``, ``"contrast"``, ``"gxi"``
            or ``"prp"``, see `sembench.relevance.prototypes`. That of a single prototype always goes by PRP, as in [K]
            section 4.2.2.
        explained: ``"nearest"``: the most similar prototype of the class; ``"mean"``: all of its prototypes.
        bias: Whether biases take a share of the relevance, see `sembench.relevance.propagation.propagate`.

    Note:
        [K] section 4.3.2 propagates the class's probability by LRP and names no rule for the step from the nearest
        prototype to the embedding: ``"neon"``, LRP for k-means, is [ours]. Where the last feature map has more than one
        cell this choice decides LRP-KL. ``"neon"`` and ``"contrast"`` compare distances whatever the similarity [ours].

        Nor does it say how often k-means starts: once is [ours].
    """

    model: ClassVar[type[KMExModel]] = KMExModel
    presets: ClassVar[Presets] = {"paper": PAPER}

    prototypes_per_class: PerClass = 5
    flavour: Flavour = "kmeans"
    n_init: int = 1
    similarity: str = "distance"
    rule: Rule = "neon"
    explained: Explained = "nearest"
    bias: Bias = "share"

    def __post_init__(self) -> None:
        similarity(self.similarity)
        self.require_choices(
            flavour=("kmeans", "bisecting"),
            rule=RULES,
            explained=("nearest", "mean"),
            bias=("share", "zero"),
        )
        require_at_least(self, n_init=1)
        if self.rule == "gxi" and self.similarity == "cosine":
            raise FitImpossible(
                "rule 'gxi' does not go with the cosine, which does not change along the embedding; use 'neon', "
                "'contrast' or 'prp'."
            )

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> KMExModel:
        return self.model(backbone, self.centroids(backbone, train, generator=generator), self)

    def centroids(self, backbone: Embeds, train: Split, *, generator: torch.Generator) -> Prototypes:
        """Class-wise centroids of the training images' embeddings. One forward pass over the training split."""
        counts = prototypes_within(self.prototypes_per_class, train)
        with torch.no_grad():
            embeddings = torch.cat(
                [backbone.embed(batch.images.to(backbone.device)).cpu() for batch in train.batches(_FIT_BATCH)]
            )
        points = [embeddings[train.labels == label] for label in range(train.n_classes)]
        return classwise_kmeans(points, counts, flavour=self.flavour, n_init=self.n_init, generator=generator)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> KMExModel:
        return self.model(backbone, Prototypes(state["vectors"], state["classes"]), self)
