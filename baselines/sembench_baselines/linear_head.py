"""The linear layer from similarities to class scores, as ProtoPNet and ProtoVAE have it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sembench.relevance.prototypes import Explained, class_shares


def linear_head(classes: Tensor, n_classes: int) -> nn.Linear:
    """A layer without bias, from prototypes of these classes ``(P,)``: 1 to their own class, -0.5 to all others."""
    layer = nn.Linear(len(classes), n_classes, bias=False)
    layer.weight.data = torch.where(torch.arange(n_classes)[:, None] == classes, 1.0, -0.5)
    return layer


def prototype_relevance(
    layer: nn.Linear, similarities: Tensor, classes: Tensor, targets: Tensor | None, explained: Explained
) -> Tensor:
    """Relevance of the prototypes ``(B, P)``: the target's probability, shared among the prototypes of its class.

    Args:
        layer: The linear layer.
        similarities: Similarities to the prototypes ``(B, P)``.
        classes: Class of each prototype ``(P,)``.
        targets: Classes to explain ``(B,)``; by default the predicted ones.
        explained: See `sembench.relevance.prototypes.class_shares`.
    """
    scores: Tensor = layer(similarities)
    chosen = scores.argmax(1) if targets is None else targets
    seed = scores.softmax(1).gather(1, chosen[:, None])
    own = chosen[:, None] == classes
    return seed * class_shares(layer.weight[chosen], similarities, own, explained)
