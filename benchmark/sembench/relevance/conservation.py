"""The share of relevance that arrives at the pixels: where most is lost, a map means nothing."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from sembench.backbones.backbone import Backbone
from sembench.backbones.tracing import probe_images
from sembench.backbones.wrapping import WrappedBackbone
from sembench.relevance.propagation import propagate
from sembench.types import Trait

TOLERANCE = 0.2
"""Share of the relevance that may be lost or gained: padding outside of convolutions takes a little, a step without a
rule nearly all, or multiplies it."""

_PROBES = 4
_PASSES = 10

Examined = TypeVar("Examined", bound=Backbone)


def conserved_share(backbone: Backbone, images: Tensor) -> Tensor:
    """Sum of relevance over pixels, as a share of what was put on the largest logit, biases taking none.

        share = sum_x R(x) / R_logit

    Args:
        backbone: The network, in evaluation mode.
        images: Normalised images ``(B, 3, H, W)``.

    Returns:
        ``(B,)``, unbounded; 1 (best) where relevance is conserved. Costs one forward and one backward pass.

    Examples:
        >>> from sembench.backbones.resnet import resnet10_narrow
        >>> conserved_share(resnet10_narrow(5).eval(), torch.zeros(2, 3, 33, 33)).shape
        torch.Size([2])
    """

    def start(logits: Tensor) -> Tensor:
        return torch.zeros_like(logits).scatter_(1, logits.argmax(1, keepdim=True), 1.0)

    return propagate(backbone, Backbone.forward, images, start, bias="zero").sum((1, 2))


def examine_relevance(backbone: Examined) -> Examined:
    """Notes among the backbone's traits whether relevance goes through it; returns the same backbone.

    Measured on noise images, on a copy whose batch norm has been set to them, so that the result depends on the
    architecture and hardly on its weights. Backbones that were not wrapped keep what they declare.
    """
    if not isinstance(backbone, WrappedBackbone):
        return backbone
    backbone.lacks.pop(Trait.RELEVANCE, None)
    images = probe_images(_PROBES, backbone.image_size).to(backbone.device)
    shares = conserved_share(_settled(backbone, images), images)
    backbone.conserved = float(shares.mean())
    if not bool(((shares - 1).abs() <= TOLERANCE).all()):
        backbone.lacks[Trait.RELEVANCE] = (
            f"relevance propagation is not defined on it: {backbone.conserved:.3g} of the relevance arrives at the "
            "pixels (1 is conserved), so some step of the network has no rule"
        )
    return backbone


def _settled(backbone: Backbone, images: Tensor) -> Backbone:
    """A copy in evaluation mode, with batch-norm statistics of these images where it has batch norm."""
    copied = copy.deepcopy(backbone).eval()
    norms = [part for part in copied.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
    with torch.no_grad():
        for _ in range(_PASSES if norms else 0):
            copied(images)
    return copied.eval()
