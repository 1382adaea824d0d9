"""The black box as explainers use it: blocks, average pool, linear classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from sembench.backbones.feature_cache import FeatureCache
from sembench.cost import PassCounter
from sembench.data.dataset import Normalisation
from sembench.errors import FitImpossible
from sembench.types import Trait


class Backbone(nn.Module):
    """A convolutional classifier in the form blocks - average pool - linear layer.

    Attributes:
        blocks: The stages whose outputs explainers may use, in order; the first one holds the stem.
        pool: From the last feature map to the embedding, by default average pooling to one cell.
        classifier: The linear layer; its weight ``(C, D)`` are the columns ``w_k`` of [C].
        channels: Channels of the last feature map.
        lacks: For each trait that the network does not have, a sentence why.
        factory: Makes another one with initial weights, drawn from the global stream; see `built`.
        feature_cache: Feature maps computed before, for a frozen network that many entries use.
        expects: How the network wants its images, where it is known; ``None``: as the data set normalises them.
        attribution: How its maps are made, see `sembench.relevance.propagation.propagate`.
    """

    factory: Callable[[], Backbone] | None = None
    feature_cache: FeatureCache | None = None
    expects: Normalisation | None = None
    attribution: str = "lrp"

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        classifier: nn.Linear,
        *,
        pool: nn.Module | None = None,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
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
        """The same architecture with initial weights, on the same device. Raises `FitImpossible` without a factory."""
        if self.factory is None:
            raise FitImpossible(
                "this backbone has no factory that could make it with its initial weights; make it by "
                "sembench.backbones.backbone.built(factory)."
            )
        return built(self.factory).to(self.device).to(memory_format=torch.channels_last)

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Outputs ``(B, D_l, h_l, w_l)`` of all blocks, shallow to deep. One forward pass."""
        if self.feature_cache is None or torch.is_grad_enabled() or self.training or self._hooked():
            return self._through_blocks(images)
        return self.feature_cache.maps(images, self._through_blocks)

    def features(self, images: Tensor) -> Tensor:
        """The last feature map ``F (B, D, h, w)``. One forward pass."""
        if self.feature_cache is not None:
            return self.feature_maps(images)[-1]
        for block in self.blocks:
            images = block(images)
        return images

    def _through_blocks(self, images: Tensor) -> list[Tensor]:
        maps = []
        for block in self.blocks:
            images = block(images)
            maps.append(images)
        return maps

    def _hooked(self) -> bool:
        """Whether a hook other than a counter's is on the blocks: then every pass has to be made."""
        hooks = (
            hook
            for module in self.blocks.modules()
            for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
        )
        return any(not isinstance(getattr(hook, "__self__", None), PassCounter) for hook in hooks)

    def embed(self, images: Tensor) -> Tensor:
        """The embedding ``z (B, D)``, input of the linear layer: the last feature map, pooled. One forward pass."""
        return self.average(self.features(images))

    def average(self, features: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, D)``."""
        return self.pool(features).flatten(1)  # type: ignore[no-any-return]

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
    backbone.to(memory_format=torch.channels_last)
    return backbone.eval().requires_grad_(False)


def every_pass_made(backbone: Backbone) -> AbstractContextManager[None]:
    """Context in which no feature map is taken from the cache, for measuring time."""
    return nullcontext() if backbone.feature_cache is None else backbone.feature_cache.paused()
