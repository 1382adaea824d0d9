"""The black box as explainers use it: blocks, pool, linear classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from sembench.backbones.feature_cache import FeatureCache
from sembench.backbones.views import View
from sembench.cost import PassCounter
from sembench.data.normalisation import Normalisation
from sembench.errors import BackboneUnfit, FitImpossible, NotOffered
from sembench.types import Trait

if TYPE_CHECKING:
    from sembench.suites.network import BackboneSpec

Network = TypeVar("Network", bound=nn.Module)


class Backbone(nn.Module):
    """A classifier in the form blocks - pool - linear layer: a convolutional network, or a transformer.

    Attributes:
        blocks: The stages whose outputs explainers may use, in order; the first one holds the stem.
        views: Where the feature map stands in the output of each block; by default it is the output.
        pool: From the last block's output to the embedding, by default average pooling to one cell.
        classifier: The linear layer; its weight ``(C, D)`` are the columns ``w_k`` of [C].
        channels: Channels of the last feature map.
        lacks: For each trait that the network does not have, a sentence why.
        factory: Makes another one with initial weights, drawn from the global stream; see `built`.
        feature_cache: Feature maps computed before, for a frozen network that many entries use.
        expects: How the network wants its images, where it is known; ``None``: as the data set normalises them.
        embeds_more: Why the embedding is no function of the last feature map; ``None``: it is one.
        attribution: How its maps are made, see `sembench.relevance.propagation.propagate`.
        untrainable: Why it can be used frozen only; ``None``: it can be trained.
        spec: What a suite says of it; ``None`` for one that was made by hand.
    """

    factory: Callable[[], Backbone] | None = None
    feature_cache: FeatureCache | None = None
    expects: Normalisation | None = None
    attribution: str = "lrp"
    embeds_more: str | None = None
    untrainable: str | None = None
    spec: BackboneSpec | None = None

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        classifier: nn.Linear,
        *,
        pool: nn.Module | None = None,
        channels: int | None = None,
        views: Sequence[View] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(classifier, nn.Linear):
            raise BackboneUnfit(
                f"the classifier is a {type(classifier).__name__}, and has to be an nn.Linear. Steps in front of the "
                "last linear layer belong into the pool."
            )
        self.blocks = nn.ModuleList(blocks)
        self.views = (View(),) * len(self.blocks) if views is None else tuple(views)
        self.pool = nn.AdaptiveAvgPool2d(1) if pool is None else pool
        self.classifier = classifier
        self.channels = classifier.in_features if channels is None else channels
        self.lacks: dict[Trait, str] = {}

    @property
    def traits(self) -> frozenset[Trait]:
        """Properties that explainers and metrics may rely on."""
        return frozenset(Trait) - set(self.lacks)

    @property
    def n_classes(self) -> int:
        """Number of classes, ``C``."""
        return self.classifier.out_features

    @property
    def dimension(self) -> int:
        """Channels of the embedding, ``D``."""
        return self.classifier.in_features

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.classifier.weight.device

    def renewed(self) -> Backbone:
        """The same architecture with initial weights, of the same type and on the same device.

        Raises:
            FitImpossible: If it has no factory.
        """
        if self.factory is None:
            raise FitImpossible(
                "this backbone has no factory that could make it with its initial weights; make it by "
                "sembench.backbones.backbone.built(factory)."
            )
        return channels_last(built(self.factory).to(self.device, self.classifier.weight.dtype))

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Feature maps ``(B, D_l, h_l, w_l)`` of all blocks, shallow to deep. One forward pass."""
        return [view.map(output) for view, output in zip(self.views, self._outputs(images), strict=True)]

    def maps_and_embedding(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """The maps of all blocks, as `feature_maps`, and the embedding, as `embed`. One forward pass."""
        outputs = self._outputs(images)
        maps = [view.map(output) for view, output in zip(self.views, outputs, strict=True)]
        return maps, self._pooled(outputs[-1])

    def features(self, images: Tensor) -> Tensor:
        """The last feature map ``F (B, D, h, w)``. One forward pass."""
        return self.views[-1].map(self._last(images))

    def _outputs(self, images: Tensor) -> list[Tensor]:
        """Outputs of all blocks, computed or recalled."""
        if self.feature_cache is None or torch.is_grad_enabled() or self.training or self._hooked():
            return self._through_blocks(images)
        return self.feature_cache.maps(images, self._through_blocks)

    def _last(self, images: Tensor) -> Tensor:
        if self.feature_cache is not None:
            return self._outputs(images)[-1]
        for block in self.blocks:
            images = block(images)
        return images

    def _through_blocks(self, images: Tensor) -> list[Tensor]:
        outputs = []
        for block in self.blocks:
            images = block(images)
            outputs.append(images)
        return outputs

    def _hooked(self) -> bool:
        """Whether a hook other than a counter's is on the blocks: then every pass has to be made."""
        hooks = (
            hook
            for module in self.blocks.modules()
            for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
        )
        return any(not isinstance(getattr(hook, "__self__", None), PassCounter) for hook in hooks)

    def embed(self, images: Tensor) -> Tensor:
        """The embedding ``z (B, D)``, input of the linear layer: the last block's output, pooled. One forward pass."""
        return self._pooled(self._last(images))

    def average(self, features: Tensor) -> Tensor:
        """The embedding ``(B, D)`` of a last feature map ``(B, D, h, w)``.

        Raises:
            NotOffered: If it is no function of the map, as where it is the token of the class.
        """
        if self.embeds_more is not None:
            raise NotOffered(self.embeds_more)
        return self._pooled(self.views[-1].output(features))

    def _pooled(self, output: Tensor) -> Tensor:
        return self.pool(output).flatten(1)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, C)``. One forward pass."""
        return self.classifier(self.embed(images))  # type: ignore[no-any-return]


def built(factory: Callable[[], Backbone]) -> Backbone:
    """The factory's backbone, which keeps its factory for `Backbone.renewed`."""
    backbone = factory()
    backbone.factory = factory
    return backbone


def freeze(backbone: Backbone) -> Backbone:
    """The same backbone in evaluation mode, without gradients for its weights, in channels-last memory order."""
    return channels_last(backbone).eval().requires_grad_(False)


def channels_last(network: Network) -> Network:
    """The same network with weights of four dimensions in channels-last memory order, and all others as they are."""
    for weight in (*network.parameters(), *network.buffers()):
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


def every_pass_made(backbone: Backbone) -> AbstractContextManager[None]:
    """Context in which no feature map is taken from the cache, for measuring time."""
    return nullcontext() if backbone.feature_cache is None else backbone.feature_cache.paused()
