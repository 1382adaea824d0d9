"""A black box as the explainers see it: blocks, average pool, linear classifier."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """A convolutional classifier in the form blocks - average pool - linear layer.

    Attributes:
        blocks: The stages whose outputs explainers may use, in order; the first one holds the stem.
        pool: Average pooling to one cell.
        classifier: The linear layer; its weight ``(C, D)`` are the columns ``w_k`` of [C].
    """

    def __init__(self, blocks: Iterable[nn.Module], classifier: nn.Linear) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = classifier

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
        """Where the weights are."""
        return self.classifier.weight.device

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Outputs ``(B, D_l, h_l, w_l)`` of all blocks, shallow to deep. One forward pass."""
        maps = []
        for block in self.blocks:
            images = block(images)
            maps.append(images)
        return maps

    def features(self, images: Tensor) -> Tensor:
        """The last feature map ``F (B, D, h, w)``. One forward pass."""
        for block in self.blocks:
            images = block(images)
        return images

    def embed(self, images: Tensor) -> Tensor:
        """The embedding ``z (B, D)``: the last feature map, averaged over cells. One forward pass."""
        return self.average(self.features(images))

    def average(self, features: Tensor) -> Tensor:
        """``(B, D, h, w)`` to ``(B, D)``."""
        return self.pool(features).flatten(1)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, C)``. One forward pass."""
        return self.classifier(self.embed(images))  # type: ignore[no-any-return]


def freeze(backbone: Backbone) -> Backbone:
    """The same backbone in evaluation mode, without gradients for its weights, in channels-last memory order."""
    backbone.to(memory_format=torch.channels_last)
    return backbone.eval().requires_grad_(False)
