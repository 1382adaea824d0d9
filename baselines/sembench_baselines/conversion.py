"""KMEx of another self-explainable model: k-means on its embedding, without training it again ([K] Table 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone
from sembench.data.dataset import Split
from sembench.errors import FitImpossible, NotOffered
from sembench.explainers.configuration import recipe
from sembench.explainers.explainer import Conversion, Explainer, SelfExplainableModel, TrainedExplainer
from sembench.plugins.registry import EXPLAINERS
from sembench.relevance.propagation import propagate
from sembench.types import Capability, Prototypes, Trait
from sembench_baselines.blocks import Blocks, BlocksModel
from sembench_baselines.kmex import KMEx, KMExModel


class Embedding(nn.Module):
    """The embedding of a fitted model, used by KMEx in place of a backbone.

    Args:
        model: The fitted model; cells of its embedding are averaged [ours].
        n_classes: Number of classes, ``C``.
    """

    def __init__(self, model: SelfExplainableModel, n_classes: int) -> None:
        super().__init__()
        self.model = model
        self.n_classes = n_classes
        self.pool = nn.AdaptiveAvgPool2d(1)  # a layer: relevance propagation has a rule for it, and none for a mean

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self.model.prototypes.vectors.device

    def embed(self, images: Tensor) -> Tensor:
        """``(B, D)``. One forward pass."""
        points = self.model.embed(images)
        return self.pool(points).flatten(1) if points.ndim == 4 else points


class ConvertedModel(KMExModel):
    """KMEx on the embedding of another model.

    Args:
        embedding: The other model's embedding.
        prototypes: ``(P, D)`` with classes ``(P,)``.
        recipe: KMEx's hyper-parameters.
    """

    def __init__(self, embedding: Embedding, prototypes: Prototypes, recipe: KMEx) -> None:
        super().__init__(cast(Backbone, embedding), prototypes, recipe)

    @property
    def embedding(self) -> Embedding:
        """The other model's embedding, in place of KMEx's backbone."""
        return cast(Embedding, self.backbone)

    def carried(self, images: Tensor, relevance: Callable[[Tensor], Tensor]) -> Tensor:
        if isinstance(self.embedding.model, BlocksModel):
            raise NotOffered("relevance propagation has no rule for a composite of interpolated cells")
        return propagate(self.embedding, Embedding.embed, images, relevance, bias=self.bias)

    def decode(self, vectors: Tensor) -> Tensor:
        return self.embedding.model.decode(vectors)

    def fitted_state(self) -> dict[str, Tensor]:
        base = {f"base.{k}": v for k, v in self.embedding.model.fitted_state().items()}
        return {"vectors": self.vectors.contiguous(), "classes": self.classes.contiguous(), **base}


@dataclass(frozen=True)
class KMExOf(Conversion):
    """KMEx of another explainer's fitted model.

    Attributes:
        kmex: KMEx's hyper-parameters.
    """

    kmex: KMEx

    @property
    def supports(self) -> frozenset[Capability]:  # type: ignore[override]
        """Everything that KMEx shows; relevance only if the other model lets it through."""
        closed = isinstance(self.base, Blocks) or Capability.ATTRIBUTION not in self.base.supports
        return frozenset(Capability) - ({Capability.ATTRIBUTION} if closed else set())

    @property
    def lacks(self) -> Mapping[Capability, str]:  # type: ignore[override]
        """The reason for missing relevance, if it is missing."""
        if Capability.ATTRIBUTION in self.supports:
            return {}
        why = "propagation has no rule for its composite of interpolated cells" if isinstance(self.base, Blocks) else ""
        reason = why or self.base.lacks.get(Capability.ATTRIBUTION, "it does not offer relevance of pixels")
        return {Capability.ATTRIBUTION: f"{self.of}: {reason}"}

    @property
    def needs(self) -> frozenset[Trait]:  # type: ignore[override]
        """Those of the other explainer."""
        return self.base.needs

    @property
    def attribution_needs(self) -> frozenset[Trait]:  # type: ignore[override]
        """Relevance goes through the other model's network: one that was trained for it, or the black box."""
        return self.base.attribution_needs if isinstance(self.base, TrainedExplainer) else frozenset({Trait.RELEVANCE})

    def obstacle(self, backbone: Backbone) -> str | None:
        """The other explainer's obstacle."""
        return self.base.obstacle(backbone)

    def hyperparameters(self) -> dict[str, object]:
        """KMEx's, then the other explainer's under ``base``."""
        return {**self.kmex.hyperparameters(), "of": self.of, "base": self.base.hyperparameters()}

    def convert(self, model: SelfExplainableModel, train: Split, *, generator: torch.Generator) -> ConvertedModel:
        embedding = Embedding(model, train.n_classes)
        return ConvertedModel(embedding, self.kmex.centroids(embedding, train, generator=generator), self.kmex)

    def restore(self, backbone: Backbone, state: Mapping[str, Tensor]) -> ConvertedModel:
        inner = {k.removeprefix("base."): v for k, v in state.items() if k.startswith("base.")}
        embedding = Embedding(self.base.restore(backbone, inner), backbone.n_classes)
        return ConvertedModel(embedding, Prototypes(state["vectors"], state["classes"]), self.kmex)


@dataclass(frozen=True)
class ConversionOf:
    """The factory behind the name ``kmex(X)``: makes recipes of KMEx on the model of ``X``.

    Attributes:
        of: The other explainer's name.
    """

    of: str

    def __call__(self, **parameters: Any) -> Explainer:
        """The recipe with these hyper-parameters; those of the other explainer under ``base``."""
        return self.configured("*", **parameters)

    def configured(self, dataset: str, **parameters: Any) -> Explainer:
        """The recipe for a data set, see `sembench.explainers.explainer.Explainer.configured`."""
        base = parameters.pop("base", {})
        parameters.pop("of", None)
        if not isinstance(base, Mapping):
            raise FitImpossible(f"base is {base!r}; it takes the hyper-parameters of {self.of}, by name.")
        unknown = set(parameters) - {field.name for field in fields(KMEx)} - {"preset"}
        if unknown:
            raise TypeError(f"unexpected hyper-parameters {', '.join(sorted(unknown))}")
        return KMExOf(self.of, recipe(self.of, base, dataset), KMEx.configured(dataset, **parameters))


def named(name: str) -> ConversionOf:
    """The recipe behind a name such as ``kmex(flint)``. Raises ``LookupError`` if there is no such explainer."""
    of = name.removeprefix("kmex(").removesuffix(")")
    EXPLAINERS.require(of)
    return ConversionOf(of)
