"""The black box itself, without prototypes: the reference that every entry is paired with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.explainers.explainer import Explainer, SelfExplainableModel
from sembench.relevance.propagation import Bias, black_box_relevance
from sembench.types import Capability, Explanation, Prototypes

_WHY = "a black box has no prototypes"


class BlackBoxModel(SelfExplainableModel):
    """The backbone under the interface of a self-explainable model, without prototypes.

    Args:
        backbone: The network.
        recipe: The hyper-parameters.
    """

    def __init__(self, backbone: Backbone, recipe: BlackBox) -> None:
        super().__init__()
        self.backbone = backbone
        self.recipe = recipe
        self.bias = recipe.bias

    @property
    def prototypes(self) -> Prototypes:
        device = self.backbone.device
        vectors = torch.empty(0, self.backbone.dimension, device=device)
        return Prototypes(vectors, torch.empty(0, dtype=torch.int64, device=device))

    def forward(self, images: Tensor) -> Explanation:
        embeddings = self.backbone.embed(images)
        return Explanation(self.backbone.classifier(embeddings), embeddings[:, :0], embeddings=embeddings)

    def class_probabilities(self, explanation: Explanation) -> Tensor:
        return explanation.class_scores.softmax(1)

    def prototype_similarities(self) -> Tensor:
        return torch.empty(0, 0, dtype=torch.float64)

    def attribute(self, images: Tensor, targets: Tensor | None = None) -> Tensor:
        return black_box_relevance(self.backbone, images, targets, bias=self.bias)


@dataclass(frozen=True)
class BlackBox(Explainer):
    """The black box as a row of the board.

    Attributes:
        bias: Whether biases take a share of the relevance, see `sembench.relevance.propagation.propagate`.
    """

    model: ClassVar[type[BlackBoxModel]] = BlackBoxModel
    kind: ClassVar[Literal["explainer", "control", "reference"]] = "reference"
    supports = frozenset({Capability.PROBABILITIES, Capability.ATTRIBUTION})
    lacks = {Capability.SIMILARITIES: _WHY, Capability.PROTOTYPE_SIMILARITIES: _WHY, Capability.EMBEDDINGS: _WHY}

    bias: Bias = "share"

    def __post_init__(self) -> None:
        self.require_choices(bias=("share", "zero"))

    def fit(self, backbone: Backbone, train: Split, *, generator: torch.Generator) -> BlackBoxModel:
        return self.model(backbone, self)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> BlackBoxModel:
        return self.model(backbone, self)
